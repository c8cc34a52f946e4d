use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use burn::module::Module;
use serde::Serialize;
use serde_json::{Value, json};

use super::directory::Directory;
use super::method::DENSE;
use super::plan::control_name;
use super::running::Running;
use super::study::Study;
use super::{
    Cell, CellId, Event, LotteryError, Method, Moment, Rewind, Shard, StudyReport, Trained,
    settings,
};
use crate::Pruner;

/// Iterative pruning with rewinding and its controls, as a study that can be resumed (Frankle and
/// Carbin 2019, "The Lottery Ticket Hypothesis").
///
/// Train, prune, rewind, repeat: for every seed, the dense run, the rounds of every [`Method`], and
/// the [`Control`](super::Control)s beside them. Each of these trainings is a cell of a study, which is a directory;
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
/// weights, the trained ones.
///
/// A cell waits for the device once: weights and masks are read together, to prune and to see that
/// the masks are still there. Once more, where masks are cut before the end of the training. And
/// weights that are kept are read by Burn, tensor by tensor.
///
/// # What has to be the same
/// Initial weights and everything else that decides over a training. What the search knows it
/// checks itself: steps, pruners, switches, the shapes of the model. The rest is in the closures;
/// say it with [`describe`](Self::describe), and a cell that was made with another learning rate
/// is refused.
pub struct LotteryTicketSearch<'a> {
    pub(super) directory: Directory,
    pub(super) steps: usize,
    steps_per_epoch: Option<usize>,
    pub(super) fine_tuning_steps: Option<usize>,
    pub(super) rounds: usize,
    pub(super) seeds: Vec<u64>,
    pub(super) pruners: Vec<Pruner>,
    pub(super) methods: Vec<Method>,
    /// Or why it cannot be written.
    training: Result<Value, String>,
    pub(super) shard: Shard,
    pub(super) patience: Duration,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) on_event: Box<dyn Fn(&Event<'_>) + 'a>,
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
            training: Ok(Value::Null),
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
    /// part. A study knows its pruners by what they print with `{:?}`.
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
    /// What cannot be written as JSON, as a map whose keys are no strings, is an error of
    /// [`run`](Self::run).
    #[must_use]
    pub fn describe(mut self, training: &impl Serialize) -> Self {
        self.training = serde_json::to_value(training).map_err(|error| error.to_string());
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
    /// `model` makes the model from a seed, the same one from the same seed, and anew each time: clones
    /// of one model share its running statistics. `train` trains it over
    /// [`Cell::schedule`], calling [`Cell::after_step`]; the model comes with its masks in the mode
    /// [`OnRead`](crate::MaskMode::OnRead), that of the dense run without.
    ///
    /// # Errors
    /// See [`LotteryError`]. Cells that were finished before the error stay. When a training fails,
    /// the cells that do not need it are still run, and the error is that of the first.
    pub fn run<M: Module>(
        &self,
        model: impl Fn(u64) -> M,
        mut train: impl FnMut(&Cell<'_>, M) -> Result<Trained<M>, Box<dyn Error + Send + Sync>>,
    ) -> Result<StudyReport, LotteryError> {
        self.validate()?;
        let shapes = settings::shapes(&model(self.seeds[0]));
        let common = self.common(shapes.clone());
        let run = Running::new(self, common.clone(), shapes);
        let study = Study {
            version: 1,
            seeds: self.seeds.clone(),
            rounds: self.rounds,
            methods: self.methods.clone(),
            settings: common,
        };
        self.directory.check(&study)?;
        run.check_dense()?;
        self.directory.join(study)?;
        let own = run.owners.iter();
        let own = own.filter(|(_, owner)| *owner == self.shard.index());
        let own: Vec<&CellId> = own.map(|(cell, _)| cell).collect();
        self.directory.remove_stale(own.iter().copied())?;
        let mut missing = Vec::new();
        for cell in own {
            if run.finished(cell)?.is_none() {
                missing.push(cell.clone());
            }
        }
        let steps = missing.iter().map(|cell| self.plan(cell).schedule().len());
        (self.on_event)(&Event::Planned {
            cells: missing.len(),
            steps: steps.sum(),
        });
        let mut failed: Vec<(&CellId, LotteryError)> = Vec::new();
        for cell in &missing {
            let needs = run.needs(cell);
            if failed.iter().any(|(failed, _)| needs.contains(failed)) {
                // What comes after it cannot be had either.
                let error = LotteryError::NeedsFailed { cell: cell.clone() };
                failed.push((cell, error));
                continue;
            }
            if self.stop.load(Ordering::Relaxed) || !run.wait_for_needs(cell)? {
                break;
            }
            // Another process may have been here in the meantime.
            if run.finished(cell)?.is_some() {
                continue;
            }
            match run.cell(cell, &model, &mut train) {
                Ok(()) => {}
                // The others do not need it; a disk that is full, they do.
                Err(error) if error.is_of_training() => failed.push((cell, error)),
                Err(error) => return Err(error),
            }
        }
        match failed.into_iter().next() {
            Some((_, error)) => Err(error),
            None => self.report(),
        }
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
            "training": self.training.as_ref().ok(),
        })
    }

    fn validate(&self) -> Result<(), LotteryError> {
        let invalid = |what, expected: &str, found: String| {
            let expected = expected.to_string();
            Err(LotteryError::Invalid {
                what,
                expected,
                found,
            })
        };
        let nothing = || "none".to_string();
        if let Err(error) = &self.training {
            return invalid("description", "plain data", error.clone());
        }
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
            if weights_to == Moment::End && !method.controls.is_empty() {
                let expected = "weights that go back, for a method with controls";
                return invalid("moment of the weights", expected, weights_to.to_string());
            }
            for moment in [prune_at, weights_to, schedule_to] {
                if matches!(moment, Moment::Step(0) | Moment::Epoch(0)) {
                    return invalid("moment", "the start by its name", moment.to_string());
                }
                if matches!(moment, Moment::Epoch(_)) && self.steps_per_epoch.is_none() {
                    return invalid(
                        "steps per epoch",
                        "a number, as a moment is in epochs",
                        nothing(),
                    );
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
    pub(super) fn step(&self, moment: Moment) -> usize {
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
}
