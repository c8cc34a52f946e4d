//! A run of a search: cells that are there, cells that are waited for, cells that are trained.

use std::collections::BTreeMap;
use std::error::Error;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use burn::module::Module;
use burn::store::ModuleRecord;
use serde_json::{Value, json};

use super::cell::{Seen, Wanted};
use super::directory::{Found, MASKS, Outcome, next_masks_file, weights_file};
use super::plan::Plan;
use super::reading::Masks;
use super::{
    Cell, CellId, Control, Event, LotteryError, LotteryTicketSearch, Method, Moment, Trained,
    controls, settings,
};
use crate::{MaskSet, Prunable, PruneError, Pruner};

/// How often a shard looks for the cell of another one.
const POLL: Duration = Duration::from_millis(500);

/// A run of a search over its directory.
pub(super) struct Running<'a> {
    search: &'a LotteryTicketSearch<'a>,
    common: Value,
    shapes: Value,
    pub owners: Vec<(CellId, usize)>,
}

impl<'a> Running<'a> {
    pub(super) fn new(search: &'a LotteryTicketSearch<'a>, common: Value, shapes: Value) -> Self {
        Self {
            search,
            common,
            shapes,
            owners: search.owners(),
        }
    }
}

impl Running<'_> {
    fn settings(&self, cell: &CellId) -> Value {
        let mut settings = self.common.clone();
        if let Plan::Round {
            method, control, ..
        } = self.search.plan(cell)
        {
            settings["rewind"] = json!(method.rewind);
            settings["control"] = json!(control);
        }
        settings
    }

    /// Refuses methods that need more of a dense run than it has kept, before anything is written.
    pub(super) fn check_dense(&self) -> Result<(), LotteryError> {
        for seed in &self.search.seeds {
            let dense = CellId::dense(*seed);
            let Found::Whole(outcome) = self.search.directory.find(&dense)? else {
                continue;
            };
            for Method { rewind, .. } in &self.search.methods {
                for file in [
                    weights_file(&rewind.weights_to.to_string()),
                    next_masks_file(rewind.prune_at),
                ] {
                    if !outcome.files.contains_key(&file) {
                        let what = format!("file `{file}`");
                        return Err(LotteryError::Incomplete { cell: dense, what });
                    }
                }
            }
        }
        Ok(())
    }

    /// The cell, when it is there and was made with the same settings. One of this shard that is
    /// damaged, or whose masks are no longer those of the round before, is moved away.
    pub(super) fn finished(&self, cell: &CellId) -> Result<Option<Box<Outcome>>, LotteryError> {
        let directory = &self.search.directory;
        let reason = match directory.find(cell)? {
            Found::Nothing => return Ok(None),
            Found::Damaged(reason) => reason,
            Found::Whole(outcome) => {
                let differences = settings::differences(&outcome.settings, &self.settings(cell));
                if !differences.is_empty() {
                    return Err(LotteryError::OtherCell {
                        cell: cell.clone(),
                        path: directory.folder(cell),
                        differences,
                    });
                }
                match self.has_other_masks(&outcome)? {
                    false => return Ok(Some(outcome)),
                    true => "its masks are not those that the round before has left".to_string(),
                }
            }
        };
        // Another shard's is for that shard to see to.
        if self.owner(cell) == self.search.shard.index() {
            let moved_to = directory.set_aside(cell)?;
            (self.search.on_event)(&Event::Damaged {
                cell,
                reason: &reason,
                moved_to: &moved_to,
            });
        }
        Ok(None)
    }

    /// Whether the cell before has been made anew since, and differently.
    fn has_other_masks(&self, outcome: &Outcome) -> Result<bool, LotteryError> {
        let Plan::Round {
            method,
            control: None | Some(Control::Reinitialized),
            ..
        } = self.search.plan(&outcome.cell)
        else {
            return Ok(false);
        };
        let needs = self.needs(&outcome.cell);
        let before = needs.last().expect("a round comes after another one");
        let Found::Whole(before) = self.search.directory.find(before)? else {
            return Ok(false);
        };
        let left = before.files.get(&next_masks_file(method.rewind.prune_at));
        Ok(left.is_some() && left != outcome.files.get(MASKS))
    }

    fn owner(&self, cell: &CellId) -> usize {
        let owner = self.owners.iter().find(|(known, _)| known == cell);
        owner.map_or(0, |(_, shard)| *shard)
    }

    /// The cells that have to be there before this one.
    pub(super) fn needs(&self, cell: &CellId) -> Vec<CellId> {
        let dense = CellId::dense(cell.seed);
        match self.search.plan(cell) {
            Plan::Dense { .. } => Vec::new(),
            Plan::Round { .. } if cell.round == 1 => vec![dense],
            Plan::Round { method, .. } => vec![
                dense,
                CellId {
                    seed: cell.seed,
                    method: method.name.clone(),
                    round: cell.round - 1,
                },
            ],
        }
    }

    /// Waits for cells that other shards make; `false` when the run was stopped meanwhile.
    pub(super) fn wait_for_needs(&self, cell: &CellId) -> Result<bool, LotteryError> {
        let mut since = Instant::now();
        let mut seen = usize::MAX;
        for needed in self.needs(cell) {
            while self.finished(&needed)?.is_none() {
                if self.search.stop.load(Ordering::Relaxed) {
                    return Ok(false);
                }
                let there = self.owners.iter().map(|(cell, _)| cell);
                let there = there.filter(|cell| self.search.directory.folder(cell).exists());
                let there = there.count();
                if there != seen {
                    (seen, since) = (there, Instant::now());
                }
                let shard = self.owner(&needed);
                if since.elapsed() > self.search.patience {
                    return Err(LotteryError::Waited {
                        cell: needed,
                        shard,
                        seconds: since.elapsed().as_secs(),
                    });
                }
                (self.search.on_event)(&Event::Waiting {
                    cell: &needed,
                    shard,
                });
                std::thread::sleep(POLL.min(self.search.patience));
            }
        }
        Ok(true)
    }

    /// A cell that has been waited for.
    fn needed(&self, cell: &CellId) -> Result<Box<Outcome>, LotteryError> {
        let incomplete = || LotteryError::Incomplete {
            cell: cell.clone(),
            what: "result".to_string(),
        };
        self.finished(cell)?.ok_or_else(incomplete)
    }

    /// Trains a cell and writes it.
    pub(super) fn cell<M: Module>(
        &self,
        id: &CellId,
        model: &impl Fn(u64) -> M,
        train: &mut impl FnMut(&Cell<'_>, M) -> Result<Trained<M>, Box<dyn Error + Send + Sync>>,
    ) -> Result<(), LotteryError> {
        let started = Instant::now();
        let search = self.search;
        let plan = self.search.plan(id);
        let schedule = plan.schedule();
        (search.on_event)(&Event::Started {
            cell: id,
            steps: schedule.len(),
        });
        let (start, masks) = match plan {
            Plan::Dense { .. } => (model(id.seed), MaskSet::new()),
            Plan::Round {
                method, control, ..
            } => self.start(id, method, control, model)?,
        };
        self.check_shapes(id, &start)?;
        let keeps = self.keeps(plan);
        let mut weights = BTreeMap::new();
        if keeps.weights.contains(&Moment::Start) {
            weights.insert(Moment::Start.to_string(), start.masked_record());
        }
        let within = |moments: &[Moment]| -> Vec<usize> {
            let between = |moment: &&Moment| !matches!(moment, Moment::Start | Moment::End);
            let steps = moments
                .iter()
                .filter(between)
                .map(|moment| search.step(*moment));
            steps.collect()
        };
        let wanted = Wanted {
            weights: within(&keeps.weights),
            masks: within(&keeps.masks),
        };
        let cell = Cell::new(
            id,
            schedule.clone(),
            wanted,
            &search.pruners,
            &search.on_event,
        );
        let training = Instant::now();
        let trained = train(&cell, start);
        let training_seconds = training.elapsed().as_secs_f64();
        let trained = trained.map_err(|error| LotteryError::Training {
            cell: id.clone(),
            error,
        })?;
        let seen = cell.into_seen();
        self.check_shapes(id, &trained.model)?;
        // All that is read of a trained model, but for weights that are kept.
        let pruners: &[Pruner] = match keeps.masks.contains(&Moment::End) {
            true => &search.pruners,
            false => &[],
        };
        let read = Masks::of(&trained.model, pruners);
        self.check_trained(id, &trained, &masks, &read.now, &schedule)?;
        let next = self.take(id, &keeps, &seen, &trained.model, read.next, &mut weights)?;
        self.check_next(id, &masks, &next)?;

        let Trained {
            curve,
            test_accuracy,
            ..
        } = trained;
        let (early_stop, validation_loss) = curve.lowest().expect("it has been checked");
        // The dense run has no masks; those of the next round say what can be pruned.
        let selected = next.first().map_or(&masks, |(_, next)| next);
        let weights_in_all: usize = selected.iter().map(|(_, mask)| mask.len()).sum();
        let pruned: usize = masks.iter().map(|(_, mask)| mask.pruned()).sum();
        let outcome = Outcome {
            version: 1,
            cell: id.clone(),
            settings: self.settings(id),
            weights: weights_in_all,
            kept: weights_in_all - pruned,
            iterations: schedule.len(),
            early_stop_iteration: early_stop - schedule.start,
            validation_loss,
            censored: curve.is_censored(),
            test_accuracy,
            training_seconds,
            seconds: started.elapsed().as_secs_f64(),
            curve,
            files: BTreeMap::new(),
        };
        let weights = weights.into_iter();
        let weights = weights.map(|(moment, record)| (weights_file(&moment), record));
        let next = next.into_iter();
        let mut files: Vec<_> = next
            .map(|(moment, masks)| (next_masks_file(moment), masks))
            .collect();
        if !masks.is_empty() {
            files.push((MASKS.to_string(), masks));
        }
        search
            .directory
            .write(outcome.clone(), weights.collect(), files)?;
        (search.on_event)(&Event::Finished {
            cell: id,
            remaining: outcome.kept as f64 / outcome.weights.max(1) as f64,
            test_accuracy,
            validation_loss,
            early_stop_iteration: outcome.early_stop_iteration,
        });
        Ok(())
    }

    /// The model at the start of a round, and its masks.
    fn start<M: Module>(
        &self,
        id: &CellId,
        method: &Method,
        control: Option<Control>,
        model: &impl Fn(u64) -> M,
    ) -> Result<(M, MaskSet), LotteryError> {
        let directory = &self.search.directory;
        let dense = self.needed(&CellId::dense(id.seed))?;
        let before = match id.round {
            1 => dense.clone(),
            round => self.needed(&CellId {
                seed: id.seed,
                method: method.name.clone(),
                round: round - 1,
            })?,
        };
        let mut masks = directory.masks(&before, &next_masks_file(method.rewind.prune_at))?;
        if let Some(control) = control {
            masks = controls::masks(control, &masks, id.seed, id.round);
        }
        let refused = |error: PruneError| LotteryError::Prune {
            cell: id.clone(),
            error,
        };
        if control == Some(Control::Reinitialized) {
            let fresh = model(controls::fresh_seed(id.seed, id.round));
            let fresh = fresh
                .with_masks(&masks)
                .map_err(|error| refused(error.into()))?;
            return Ok((fresh, masks));
        }
        let weights_of = match method.rewind.weights_to {
            Moment::End => &before,
            _ => &dense,
        };
        let file = weights_file(&method.rewind.weights_to.to_string());
        let weights = directory.weights(weights_of, &file)?;
        let rewound = model(id.seed).with_masks(&masks);
        let rewound = rewound.and_then(|model| model.rewind(weights));
        let rewound = rewound.map_err(|error| refused(error.into()))?;
        Ok((rewound, masks))
    }

    /// What a cell keeps for those after it.
    fn keeps(&self, plan: Plan<'_>) -> Keeps {
        let mut keeps = Keeps::default();
        match plan {
            Plan::Dense { .. } => {
                for method in &self.search.methods {
                    keeps.weights.push(method.rewind.weights_to);
                    keeps.masks.push(method.rewind.prune_at);
                }
            }
            Plan::Round {
                method,
                control: None,
                ..
            } => {
                keeps.masks.push(method.rewind.prune_at);
                if method.rewind.weights_to == Moment::End {
                    keeps.weights.push(Moment::End);
                }
            }
            Plan::Round { .. } => {}
        }
        keeps
    }

    fn check_shapes<M: Module>(&self, id: &CellId, model: &M) -> Result<(), LotteryError> {
        let differences = settings::differences(&self.shapes, &settings::shapes(model));
        match differences.first() {
            None => Ok(()),
            Some(difference) => Err(LotteryError::OtherModel {
                cell: id.clone(),
                difference: difference.clone(),
            }),
        }
    }

    fn check_trained<M: Module>(
        &self,
        id: &CellId,
        trained: &Trained<M>,
        masks: &MaskSet,
        found: &MaskSet,
        schedule: &Range<usize>,
    ) -> Result<(), LotteryError> {
        let other = |difference: &str| {
            Err(LotteryError::OtherModel {
                cell: id.clone(),
                difference: difference.to_string(),
            })
        };
        if !masks.is_empty() && !trained.model.is_pruned() {
            return other("it has no masks");
        }
        if found != masks {
            return other("its masks are others");
        }
        let found = match trained.curve.lowest() {
            None => "no finite validation loss".to_string(),
            Some((step, _)) if step <= schedule.start || step > schedule.end => {
                format!("a validation loss of step {step}, outside of {schedule:?}")
            }
            Some(_) if (0.0..=1.0).contains(&trained.test_accuracy) => return Ok(()),
            Some(_) => format!("a test accuracy of {}", trained.test_accuracy),
        };
        Err(LotteryError::NoResult {
            cell: id.clone(),
            found,
        })
    }

    /// Collects what the cell keeps: weights into `weights`, and the masks of the next round.
    fn take<M: Module>(
        &self,
        id: &CellId,
        keeps: &Keeps,
        seen: &Seen,
        trained: &M,
        at_end: Result<MaskSet, PruneError>,
        weights: &mut BTreeMap<String, ModuleRecord>,
    ) -> Result<Vec<(Moment, MaskSet)>, LotteryError> {
        let not_reported = |moment: Moment| LotteryError::StepNotReported {
            cell: id.clone(),
            step: self.search.step(moment),
        };
        for moment in &keeps.weights {
            let name = moment.to_string();
            if *moment == Moment::Start || weights.contains_key(&name) {
                continue;
            }
            let record = match moment {
                Moment::End => trained.masked_record(),
                moment => {
                    let record = seen.weights.get(&self.search.step(*moment)).cloned();
                    record.ok_or_else(|| not_reported(*moment))?
                }
            };
            weights.insert(name, record);
        }
        let mut at_end = Some(at_end);
        let mut next: Vec<(Moment, MaskSet)> = Vec::new();
        for moment in &keeps.masks {
            if next.iter().any(|(known, _)| known == moment) {
                continue;
            }
            let masks = match moment {
                Moment::End => at_end.take().expect("each moment comes once"),
                moment => {
                    let masks = seen.masks.get(&self.search.step(*moment)).cloned();
                    masks.ok_or_else(|| not_reported(*moment))?
                }
            };
            let masks = masks.map_err(|error| LotteryError::Prune {
                cell: id.clone(),
                error,
            })?;
            next.push((*moment, masks));
        }
        Ok(next)
    }

    /// Masks only shrink.
    fn check_next(
        &self,
        id: &CellId,
        masks: &MaskSet,
        next: &[(Moment, MaskSet)],
    ) -> Result<(), LotteryError> {
        for (_, next) in next {
            let within = next.clone().intersect(masks).map(|both| both == *next);
            if within != Ok(true) {
                return Err(LotteryError::OtherModel {
                    cell: id.clone(),
                    difference: "what was pruned has come back".to_string(),
                });
            }
        }
        Ok(())
    }
}

/// The moments at which something is kept.
#[derive(Default)]
struct Keeps {
    weights: Vec<Moment>,
    masks: Vec<Moment>,
}
