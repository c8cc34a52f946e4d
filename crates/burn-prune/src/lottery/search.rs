use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use burn::module::Module;
use serde::Serialize;
use serde_json::{Value, json};

use super::cell::{Seen, Wanted, next_masks};
use super::directory::{Directory, Found, Outcome, Study};
use super::method::DENSE;
use super::shard::in_order;
use super::{
    Cell, CellId, Control, Event, LotteryError, Method, Moment, Rewind, Shard, StudyReport, Trained,
     controls, settings,
};
use crate::{MaskSet, Prunable, PruneError, Pruner};

/// How often a shard looks for the cell of another one.
const POLL: Duration = Duration::from_millis(500);

/// Iterative pruning with rewinding and its controls, as a study that can be resumed (Frankle and
/// Carbin 2019, "The Lottery Ticket Hypothesis").
///
/// Train, prune, rewind, repeat: for every seed, the dense run, the rounds of every [`Method`], and
/// the [`Control`]s beside them. Each of these trainings is a cell of a study, which is a directory;
/// a cell that is there is not run again, so a study that was killed goes on where it was. A
/// training is a closure: a model in, the trained model out; so it may be Burn's `Learner` or any
/// other loop.
///
/// ```
/// use burn::{module::Module, nn::LinearConfig, optim::{GradientsParams, SgdConfig}};
/// use burn::tensor::{Device, Tensor};
/// use burn_prune::lottery::*;
/// use burn_prune::{Magnitude, Pruner};
///
/// let device = Device::flex().autodiff();
/// let folder = tempfile::tempdir()?;
/// let search = LotteryTicketSearch::new(folder.path())
///     .steps(20)
///     .rounds(2)
///     .seeds([0, 1])
///     .pruner(Pruner::new(Magnitude::l1()).amount(0.2))
///     .method(Method::new("ticket", Rewind::to_initialization()).control(Control::Reinitialized, [2]));
/// let report = search.run(
///     |seed| {
///         device.seed(seed);
///         LinearConfig::new(10, 10).init(&device)
///     },
///     |cell, mut model| {
///         let mut optimizer = SgdConfig::new().init();
///         let mut curve = LearningCurve::new();
///         for step in cell.schedule() {
///             let loss = model.forward(Tensor::<2>::ones([1, 10], &device)).square().sum();
///             curve.push(step + 1, loss.clone().into_scalar::<f64>());
///             let grads = GradientsParams::from_grads(loss.backward(), &model);
///             model = optimizer.step(0.01, model, grads);
///             cell.after_step(step + 1, &model);
///         }
///         Ok(Trained { model, curve, test_accuracy: 0.5 })
///     },
/// )?;
/// assert!(report.missing.is_empty());
/// let remaining = report.rows.iter().find(|row| row.round == 2).unwrap().remaining;
/// assert_eq!(remaining, 0.64);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What is kept
/// In each cell what it was made with and what came out of it, and the masks of the next round; in
/// the dense cells the weights that methods go back to; in the cells of methods that keep their
/// weights, the trained ones. A cell reads the weights of the model back once, to prune it, and
/// once more where it keeps them; the masks are read back to see that they are still there.
///
/// # What has to be the same
/// Initial weights and everything else that decides over a training. What the search knows it
/// checks itself: steps, pruners, switches, the shapes of the model. The rest is in the closures;
/// say it with [`describe`](Self::describe), and a cell that was made with another learning rate
/// is refused.
pub struct LotteryTicketSearch<'a> {
    directory: Directory,
    steps: usize,
    steps_per_epoch: Option<usize>,
    fine_tuning_steps: Option<usize>,
    rounds: usize,
    seeds: Vec<u64>,
    pruners: Vec<Pruner>,
    methods: Vec<Method>,
    training: Value,
    shard: Shard,
    patience: Duration,
    stop: Arc<AtomicBool>,
    on_event: Box<dyn Fn(&Event<'_>) + 'a>,
}

impl<'a> LotteryTicketSearch<'a> {
    /// A search whose study is in this directory. It has the seed 0, and everything else is to be
    /// said.
    pub fn new(directory: impl AsRef<Path>) -> Self {
        Self {
            directory: Directory::new(directory.as_ref()),
            steps: 0,
            steps_per_epoch: None,
            fine_tuning_steps: None,
            rounds: 1,
            seeds: vec![0],
            pruners: Vec::new(),
            methods: Vec::new(),
            training: Value::Null,
            shard: Shard::whole(),
            patience: Duration::from_secs(3600),
            stop: Arc::default(),
            on_event: Box::new(|_| {}),
        }
    }

    /// Steps of the optimizer in the dense run, and in each training that starts from the start.
    #[must_use]
    pub fn steps(mut self, steps: usize) -> Self {
        self.steps = steps;
        self
    }

    /// Steps in an epoch, for moments that are given in epochs.
    #[must_use]
    pub fn steps_per_epoch(mut self, steps: usize) -> Self {
        self.steps_per_epoch = Some(steps);
        self
    }

    /// Steps of a training whose schedule is not rewound; as many as the dense run by default.
    #[must_use]
    pub fn fine_tuning_steps(mut self, steps: usize) -> Self {
        self.fine_tuning_steps = Some(steps);
        self
    }

    /// How often the masks are cut.
    #[must_use]
    pub fn rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds;
        self
    }

    /// The seeds, each of which is a dense run with tickets and controls of its own.
    #[must_use]
    pub fn seeds(mut self, seeds: impl IntoIterator<Item = u64>) -> Self {
        self.seeds = seeds.into_iter().collect();
        self
    }

    /// What is pruned in a round: amounts are of what is left. Of several pruners each does its own
    /// part.
    ///
    /// ```
    /// use burn::module::ParamGroup;
    /// use burn_prune::{Allocation, Magnitude, Pruner};
    ///
    /// // The paper's: 20 % of each layer, 10 % of the last one.
    /// let output = ParamGroup::from_path("fc3.weight");
    /// let pruner = Pruner::new(Magnitude::l1())
    ///     .amount(0.2)
    ///     .allocation(Allocation::per_layer([(output, 0.1)]));
    /// ```
    #[must_use]
    pub fn pruner(mut self, pruner: Pruner) -> Self {
        self.pruners.push(pruner);
        self
    }

    /// Adds a way to find tickets.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.methods.push(method);
        self
    }

    /// Says what else decides over a training, as any plain data: optimizer, learning rate, batch
    /// size, data set. It is kept with the study, and has to be the same when it is resumed.
    ///
    /// # Panics
    /// When it cannot be written as JSON, as a map whose keys are no strings.
    #[must_use]
    pub fn describe(mut self, training: &impl Serialize) -> Self {
        let training = serde_json::to_value(training);
        self.training = training.expect("the description of the training is plain data");
        self
    }

    /// Runs a part of the study.
    #[must_use]
    pub fn shard(mut self, shard: Shard) -> Self {
        self.shard = shard;
        self
    }

    /// How long a shard waits for the cells of others when none appears; an hour by default.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Ends the run after the cell in which this becomes true, which a handler of Ctrl-C may do.
    #[must_use]
    pub fn stop_when(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = stop;
        self
    }

    /// Is told what happens, for bars and logs.
    #[must_use]
    pub fn on_event(mut self, on_event: impl Fn(&Event<'_>) + 'a) -> Self {
        self.on_event = Box::new(on_event);
        self
    }

    /// Runs what is missing of the study, and reports what is there.
    ///
    /// `model` makes the model from a seed, the same one from the same seed. `train` trains it over
    /// [`Cell::schedule`], calling [`Cell::after_step`]; the model comes with its masks in the mode
    /// [`OnRead`](crate::MaskMode::OnRead), that of the dense run without.
    ///
    /// # Errors
    /// See [`LotteryError`]. Cells that were finished before the error stay.
    pub fn run<M: Module>(
        &self,
        model: impl Fn(u64) -> M,
        mut train: impl FnMut(&Cell<'_>, M) -> Result<Trained<M>, Box<dyn Error + Send + Sync>>,
    ) -> Result<StudyReport, LotteryError> {
        self.validate()?;
        let shapes = settings::shapes(&model(self.seeds[0]));
        let common = self.common(shapes.clone());
        self.directory.join(Study {
            version: 1,
            seeds: self.seeds.clone(),
            rounds: self.rounds,
            methods: self.methods.clone(),
            settings: common.clone(),
        })?;
        let run = Running {
            search: self,
            common,
            shapes,
            owners: self.owners(),
        };
        let mut missing = Vec::new();
        for (cell, owner) in &run.owners {
            if *owner == self.shard.index() && run.finished(cell)?.is_none() {
                missing.push(cell.clone());
            }
        }
        let steps = missing.iter().map(|cell| run.plan(cell).schedule().len());
        (self.on_event)(&Event::Planned {
            cells: missing.len(),
            steps: steps.sum(),
        });
        for cell in &missing {
            if self.stop.load(Ordering::Relaxed) || !run.wait_for_needs(cell)? {
                break;
            }
            // Another process may have been here in the meantime.
            if run.finished(cell)?.is_none() {
                run.cell(cell, &model, &mut train)?;
            }
        }
        self.report()
    }

    /// Reports what is there of the study, without running anything.
    ///
    /// # Errors
    /// When the directory holds no study.
    pub fn report(&self) -> Result<StudyReport, LotteryError> {
        StudyReport::read(self.directory.root())
    }

    fn common(&self, shapes: Value) -> Value {
        let pruners = self.pruners.iter().map(|pruner| format!("{pruner:?}"));
        json!({
            "steps": self.steps,
            "steps_per_epoch": self.steps_per_epoch,
            "fine_tuning_steps": self.fine_tuning_steps,
            "pruners": pruners.collect::<Vec<_>>(),
            "model": shapes,
            "training": self.training,
        })
    }

    fn validate(&self) -> Result<(), LotteryError> {
        let invalid = |what, expected: &str, found: String| {
            let expected = expected.to_string();
            Err(LotteryError::Invalid { what, expected, found })
        };
        let nothing = || "none".to_string();
        if self.steps == 0 {
            return invalid("steps", "1 or more", "0".to_string());
        }
        if self.fine_tuning_steps == Some(0) {
            return invalid("fine-tuning steps", "1 or more", "0".to_string());
        }
        if self.steps_per_epoch == Some(0) {
            return invalid("steps per epoch", "1 or more", "0".to_string());
        }
        if self.rounds == 0 {
            return invalid("rounds", "1 or more", "0".to_string());
        }
        if self.seeds.is_empty() {
            return invalid("seeds", "one or more", nothing());
        }
        if self.seeds.iter().collect::<BTreeSet<_>>().len() < self.seeds.len() {
            return invalid("seeds", "different ones", format!("{:?}", self.seeds));
        }
        if self.pruners.is_empty() {
            return invalid("pruners", "one or more", nothing());
        }
        if self.methods.is_empty() {
            return invalid("methods", "one or more", nothing());
        }
        let mut names = BTreeSet::from([DENSE.to_string()]);
        for method in &self.methods {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if method.name.is_empty() || !method.name.chars().all(plain) {
                let expected = "lower-case letters, digits and `-`";
                return invalid("method name", expected, format!("`{}`", method.name));
            }
            let controls = method.controls.iter();
            let of_controls = controls.map(|(control, _)| control_name(&method.name, *control));
            for name in std::iter::once(method.name.clone()).chain(of_controls) {
                if !names.insert(name.clone()) {
                    let expected = "a name for each method and control, and none is `dense`";
                    return invalid("method name", expected, format!("`{name}` twice"));
                }
            }
            for round in method.controls.iter().flat_map(|(_, rounds)| rounds) {
                if !(1..=self.rounds).contains(round) {
                    let expected = format!("a round from 1 to {}", self.rounds);
                    return invalid("round of a control", &expected, round.to_string());
                }
            }
            let Rewind {
                prune_at,
                weights_to,
                schedule_to,
            } = method.rewind;
            for moment in [prune_at, weights_to, schedule_to] {
                if matches!(moment, Moment::Epoch(_)) && self.steps_per_epoch.is_none() {
                    return invalid("steps per epoch", "a number, as a moment is in epochs", nothing());
                }
                if self.step(moment) > self.steps {
                    let expected = format!("at most {} steps", self.steps);
                    return invalid("moment", &expected, moment.to_string());
                }
            }
            if schedule_to != Moment::End && self.step(schedule_to) == self.steps {
                let expected = "before the last step, or the end";
                return invalid("moment of the schedule", expected, schedule_to.to_string());
            }
            if prune_at != Moment::End && self.step(prune_at) <= self.step(schedule_to) {
                // Before the first step of a round nothing has been learnt since the last masks.
                let expected = format!("after {schedule_to}, where each round begins");
                return invalid("moment of pruning", &expected, prune_at.to_string());
            }
        }
        Ok(())
    }

    /// The step on the schedule.
    fn step(&self, moment: Moment) -> usize {
        match moment {
            Moment::Start => 0,
            Moment::Step(step) => step,
            Moment::Epoch(epoch) => {
                let steps = self.steps_per_epoch.unwrap_or(usize::MAX);
                epoch.saturating_mul(steps)
            }
            Moment::End => self.steps,
        }
    }

    /// Every cell of the study, those it needs first, and the shard that makes it.
    fn owners(&self) -> Vec<(CellId, usize)> {
        let units = match self.shard.count() <= self.seeds.len() {
            true => self.seeds.iter().map(|seed| self.of_seed(*seed).concat()).collect(),
            false => self.by_depth(),
        };
        let costs: Vec<usize> = units.iter().map(Vec::len).collect();
        let parts = in_order(&costs, self.shard.count());
        let cells = units.into_iter().zip(parts);
        let cells = cells.flat_map(|(unit, part)| unit.into_iter().map(move |cell| (cell, part)));
        cells.collect()
    }

    /// The dense run and the rounds of each method, then the controls one by one.
    fn of_seed(&self, seed: u64) -> Vec<Vec<CellId>> {
        let cell = |method: String, round| CellId { seed, method, round };
        let mut units = vec![vec![CellId::dense(seed)]];
        for method in &self.methods {
            let rounds = 1..=self.rounds;
            units.push(rounds.map(|round| cell(method.name.clone(), round)).collect());
        }
        // The first method continues the dense run.
        let first = units.remove(1);
        units[0].extend(first);
        for method in &self.methods {
            for (control, rounds) in &method.controls {
                let name = control_name(&method.name, *control);
                units.extend(rounds.iter().map(|round| vec![cell(name.clone(), *round)]));
            }
        }
        units
    }

    /// First methods of all seeds, other methods, controls.
    fn by_depth(&self) -> Vec<Vec<CellId>> {
        let seeds: Vec<_> = self.seeds.iter().map(|seed| self.of_seed(*seed)).collect();
        let methods = self.methods.len();
        let of = |units: fn(&[Vec<CellId>], usize) -> &[Vec<CellId>]| {
            seeds.iter().flat_map(move |seed| units(seed, methods).to_vec())
        };
        let first = of(|units, _| &units[..1]);
        let others = of(|units, methods| &units[1..methods]);
        let controls = of(|units, methods| &units[methods..]);
        first.chain(others).chain(controls).collect()
    }
}

/// The name of a control in the results.
pub(super) fn control_name(method: &str, control: Control) -> String {
    format!("{method}-{control}")
}

/// Where a cell comes from.
#[derive(Clone, Copy)]
enum Plan<'a> {
    Dense {
        steps: usize,
    },
    Round {
        method: &'a Method,
        control: Option<Control>,
        /// On the schedule.
        start: usize,
        end: usize,
    },
}

impl Plan<'_> {
    fn schedule(&self) -> std::ops::Range<usize> {
        match self {
            Self::Dense { steps } => 0..*steps,
            Self::Round { start, end, .. } => *start..*end,
        }
    }
}

/// A run of a search over its directory.
struct Running<'a> {
    search: &'a LotteryTicketSearch<'a>,
    common: Value,
    shapes: Value,
    owners: Vec<(CellId, usize)>,
}

impl Running<'_> {
    fn plan(&self, cell: &CellId) -> Plan<'_> {
        let search = self.search;
        if cell.method == DENSE {
            return Plan::Dense {
                steps: search.steps,
            };
        }
        let named = search.methods.iter().find_map(|method| {
            if method.name == cell.method {
                return Some((method, None));
            }
            let mut controls = method.controls.iter().map(|(control, _)| *control);
            let control = controls.find(|of| control_name(&method.name, *of) == cell.method)?;
            Some((method, Some(control)))
        });
        let (method, control) = named.expect("cells are made of the methods");
        let start = search.step(method.rewind.schedule_to);
        let end = match method.rewind.schedule_to {
            // Not rewound: the training goes on beyond the end.
            Moment::End => start + search.fine_tuning_steps.unwrap_or(search.steps),
            // Nothing would be left of a schedule that goes back to its end.
            _ => search.steps,
        };
        Plan::Round {
            method,
            control,
            start,
            end,
        }
    }

    fn settings(&self, cell: &CellId) -> Value {
        let mut settings = self.common.clone();
        if let Plan::Round {
            method, control, ..
        } = self.plan(cell)
        {
            settings["rewind"] = json!(method.rewind);
            settings["control"] = json!(control);
        }
        settings
    }

    /// The cell, when it is there and was made with the same settings. One that is damaged is moved
    /// away.
    fn finished(&self, cell: &CellId) -> Result<Option<Box<Outcome>>, LotteryError> {
        let directory = &self.search.directory;
        let outcome = match directory.find(cell) {
            Found::Nothing => return Ok(None),
            Found::Whole(outcome) => outcome,
            Found::Damaged(reason) => {
                let moved_to = directory.set_aside(cell)?;
                (self.search.on_event)(&Event::Damaged {
                    cell,
                    reason: &reason,
                    moved_to: &moved_to,
                });
                return Ok(None);
            }
        };
        let differences = settings::differences(&outcome.settings, &self.settings(cell));
        match differences.is_empty() {
            true => Ok(Some(outcome)),
            false => Err(LotteryError::OtherCell {
                cell: cell.clone(),
                path: directory.folder(cell),
                differences,
            }),
        }
    }

    /// The cells that have to be there before this one.
    fn needs(&self, cell: &CellId) -> Vec<CellId> {
        let dense = CellId::dense(cell.seed);
        match self.plan(cell) {
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
    fn wait_for_needs(&self, cell: &CellId) -> Result<bool, LotteryError> {
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
                let owner = self.owners.iter().find(|(cell, _)| *cell == needed);
                let shard = owner.map_or(0, |(_, shard)| *shard);
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

    fn cell<M: Module>(
        &self,
        id: &CellId,
        model: &impl Fn(u64) -> M,
        train: &mut impl FnMut(&Cell<'_>, M) -> Result<Trained<M>, Box<dyn Error + Send + Sync>>,
    ) -> Result<(), LotteryError> {
        let started = Instant::now();
        let search = self.search;
        let plan = self.plan(id);
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
            let steps = moments.iter().filter(between).map(|moment| search.step(*moment));
            steps.collect()
        };
        let wanted = Wanted {
            weights: within(&keeps.weights),
            masks: within(&keeps.masks),
        };
        let cell = Cell::new(id, schedule.clone(), wanted, &search.pruners, &search.on_event);
        let training = Instant::now();
        let trained = train(&cell, start);
        let training_seconds = training.elapsed().as_secs_f64();
        let trained = trained.map_err(|error| LotteryError::Training {
            cell: id.clone(),
            error,
        })?;
        let seen = cell.into_seen();
        self.check_trained(id, &trained, &masks)?;
        let next = self.take(id, &keeps, seen, &trained.model, &mut weights)?;
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
            early_stop_iteration: early_stop.saturating_sub(schedule.start),
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
        search.directory.write(outcome.clone(), weights.collect(), files)?;
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
            let fresh = fresh.with_masks(&masks).map_err(|error| refused(error.into()))?;
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
    ) -> Result<(), LotteryError> {
        self.check_shapes(id, &trained.model)?;
        let other = |difference: &str| {
            Err(LotteryError::OtherModel {
                cell: id.clone(),
                difference: difference.to_string(),
            })
        };
        if !masks.is_empty() && !trained.model.is_pruned() {
            return other("it has no masks");
        }
        if trained.model.masks() != *masks {
            return other("its masks are others");
        }
        let found = match trained.curve.lowest() {
            None => "no finite validation loss".to_string(),
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
        mut seen: Seen,
        trained: &M,
        weights: &mut BTreeMap<String, burn::store::ModuleRecord>,
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
        let mut next: Vec<(Moment, MaskSet)> = Vec::new();
        for moment in &keeps.masks {
            if next.iter().any(|(known, _)| known == moment) {
                continue;
            }
            let masks = match moment {
                Moment::End => next_masks(&self.search.pruners, trained),
                moment => {
                    let masks = seen.masks.remove(&self.search.step(*moment));
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

/// The masks that a cell was trained under.
pub(super) const MASKS: &str = "masks.mask";

/// Weights to go back to.
pub(super) fn weights_file(moment: &str) -> String {
    format!("weights-{}.bpk", moment.replace(' ', "-"))
}

/// Masks of the next round.
fn next_masks_file(moment: Moment) -> String {
    format!("next-{}.mask", moment.to_string().replace(' ', "-"))
}
