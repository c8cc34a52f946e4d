//! A cell that is trained.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

use burn::module::Module;

use super::Running;
use super::rehearsal::digest;
use super::start::Start;
use crate::lottery::plan::Plan;
use crate::lottery::reading::Masks;
use crate::lottery::store::{MASKS, MadeFrom, Outcome, VERSION, next_masks_file, weights_file};
use crate::lottery::{Cell, CellId, Event, LotteryError, Moment, Trained};
use crate::{MaskSet, Prunable, Pruner};

impl Running<'_> {
    /// Trains a cell and writes it.
    pub(in crate::lottery) fn cell<M: Module>(
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
        let Start {
            model: start,
            masks,
            mut made_from,
        } = match (plan, self.sources(id)) {
            (Plan::Round { control, .. }, Some(sources)) => {
                self.start(id, &sources, control, model)?
            }
            _ => Start {
                model: model(id.seed),
                masks: MaskSet::new(),
                made_from: MadeFrom::default(),
            },
        };
        self.check_shapes(id, &start)?;
        if let Plan::Dense { .. } = plan {
            made_from.start = Some(digest(id, &start)?);
        }
        let keeps = self.keeps(id, plan);
        let mut weights = BTreeMap::new();
        if keeps.weights.contains(&Moment::Start) {
            weights.insert(Moment::Start.to_string(), start.masked_record());
        }
        let cell = Cell::new(
            id,
            schedule.clone(),
            self.wanted(&keeps),
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
            version: VERSION,
            cell: id.clone(),
            settings: self.settings(id),
            made_from,
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
            remaining: outcome.remaining(),
            test_accuracy,
            validation_loss,
            early_stop_iteration: outcome.early_stop_iteration,
        });
        Ok(())
    }
}
