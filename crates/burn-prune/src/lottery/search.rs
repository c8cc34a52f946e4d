use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::Serialize;

use super::error::LotteryError;
use super::event::Event;
use super::report::StudyReport;
use super::store::Directory;
use super::study::{Method, Settings, Shard};
use crate::pruner::Pruner;

/// Iterative pruning with rewinding and its controls, as a study that can be resumed (Frankle and
/// Carbin 2019, "The Lottery Ticket Hypothesis").
///
/// Train, prune, rewind, repeat: for every seed, the dense run, the rounds of every [`Method`], and
/// the [`Control`](super::Control)s beside them. Each of these trainings is a cell of a study, and
/// the study is a directory. A finished cell is not trained again, so a study that was killed
/// continues where it stopped. A training is a closure that takes a model and returns the trained
/// model: it may use Burn's `Learner` or any other loop.
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
/// Each cell keeps its settings, its results and the masks of the next round; the dense cells keep
/// the weights that methods go back to; the cells of methods that keep their weights keep the
/// trained ones.
///
/// Weights, masks and results are identified by SHA-256. Each cell names what it was made from, and
/// this is compared right before a training and whenever the cell is found. When a round comes out
/// differently than before, the rounds after it are moved away (nothing is deleted) and trained
/// again.
/// A file that is damaged or belongs to another cell is an error before anything is trained on it.
///
/// # What is tried first
/// The pruners run on the initial weights of each seed and through all rounds, so that nothing is
/// trained that cannot be finished. Any [`Pruner`] can be used, with any criterion and pattern,
/// coupled channels included. A finished study is only read, and may be on a read-only disk.
///
/// A cell waits for the device once, when weights and masks are read together: to prune, and to
/// check that the masks are still there. It waits once more where masks are chosen before the end
/// of the training. Weights that are kept are read by Burn, tensor by tensor.
///
/// # What has to stay the same
/// Everything that affects a training. The search itself checks steps, pruners, rewinding and
/// the shapes of the model, and it reports other initial weights as [`Event::OtherStart`]. The rest
/// is in the closures: say it with [`describe`](Self::describe), and a cell that was made with, for
/// instance, another learning rate is refused.
pub struct LotteryTicketSearch<'a> {
    pub(super) directory: Directory,
    settings: Settings,
    pub(super) shard: Shard,
    pub(super) patience: Duration,
    pub(super) stop: Arc<AtomicBool>,
    on_event: Box<dyn Fn(&Event<'_>) + 'a>,
}

impl<'a> LotteryTicketSearch<'a> {
    /// A search whose study is in this directory, with one seed, 0, and one round. Steps, a pruner
    /// and a method have to be given.
    pub fn new(directory: impl AsRef<Path>) -> Self {
        Self {
            directory: Directory::new(directory.as_ref()),
            settings: Settings::default(),
            shard: Shard::whole(),
            patience: Duration::from_secs(3600),
            stop: Arc::default(),
            on_event: Box::new(|_| {}),
        }
    }

    /// Optimizer steps in the dense run, and in each training that begins at the start of the
    /// schedule.
    #[must_use]
    pub fn steps(mut self, steps: usize) -> Self {
        self.settings.steps = steps;
        self
    }

    /// Optimizer steps in an epoch, for moments that are given in epochs.
    #[must_use]
    pub fn steps_per_epoch(mut self, steps: usize) -> Self {
        self.settings.steps_per_epoch = Some(steps);
        self
    }

    /// Steps of a training whose schedule is not rewound; as many as the dense run by default.
    #[must_use]
    pub fn fine_tuning_steps(mut self, steps: usize) -> Self {
        self.settings.fine_tuning_steps = Some(steps);
        self
    }

    /// How often the masks are pruned.
    #[must_use]
    pub fn rounds(mut self, rounds: usize) -> Self {
        self.settings.rounds = rounds;
        self
    }

    /// The seeds, each of which is a dense run with tickets and controls of its own.
    #[must_use]
    pub fn seeds(mut self, seeds: impl IntoIterator<Item = u64>) -> Self {
        self.settings.seeds = seeds.into_iter().collect();
        self
    }

    /// Adds a pruner of each round; amounts are of what is left. Several pruners each do their own
    /// part. A study knows its pruners by their [identity](Pruner::identity).
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
        self.settings.pruners.push(pruner);
        self
    }

    /// Adds a way to find tickets.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.settings.methods.push(method);
        self
    }

    /// Describes what else determines a training, as any plain data: optimizer, learning rate,
    /// batch size, data set. It is kept with the study, and must be the same when the study is
    /// resumed.
    ///
    /// Data that cannot be written as JSON, such as a map whose keys are not strings, are an error
    /// of [`run`](Self::run).
    #[must_use]
    pub fn describe(mut self, training: &impl Serialize) -> Self {
        self.settings.training = serde_json::to_value(training).map_err(|error| error.to_string());
        self
    }

    /// Runs only this part of the study.
    #[must_use]
    pub fn shard(mut self, shard: Shard) -> Self {
        self.shard = shard;
        self
    }

    /// How long a shard waits for the cells of other shards while none appears; an hour by default.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Ends the run after the cell in which this becomes true, for instance in a handler of Ctrl-C.
    #[must_use]
    pub fn stop_when(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = stop;
        self
    }

    /// Calls this with each [`Event`], for progress bars and logs.
    #[must_use]
    pub fn on_event(mut self, on_event: impl Fn(&Event<'_>) + 'a) -> Self {
        self.on_event = Box::new(on_event);
        self
    }

    /// Reports the results that the study has so far, without running anything.
    ///
    /// # Errors
    /// When the directory holds no study.
    pub fn report(&self) -> Result<StudyReport, LotteryError> {
        StudyReport::read(self.directory.root())
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn tell(&self, event: &Event<'_>) {
        (self.on_event)(event);
    }
}
