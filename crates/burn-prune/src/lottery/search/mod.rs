//! The search: its settings here, whether they make sense, and the run.

mod run;
mod validation;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::store::Directory;
use super::{Event, Method, Shard};
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
/// Weights and masks are known by SHA-256, and so are the files that say what came out. Each cell
/// says what it was made from, and that is compared right before the training and whenever the cell
/// is found: when a round comes out otherwise than before, those after it are moved away, nothing is
/// deleted, and they are made anew. A file that is damaged or that of another cell is an error
/// before anything is trained on it.
///
/// # What is tried first
/// The pruners, on the initial weights of each seed and through all rounds: nothing is trained that
/// could not be finished. A study with nothing left to do is only read, and may be on a disk that
/// cannot be written.
///
/// A cell waits for the device once: weights and masks are read together, to prune and to see that
/// the masks are still there. Once more, where masks are cut before the end of the training. And
/// weights that are kept are read by Burn, tensor by tensor.
///
/// # What has to be the same
/// Initial weights and everything else that decides over a training. What the search knows it
/// checks itself: steps, pruners, switches, the shapes of the model. It reports other initial
/// weights as [`Event::OtherStart`]. The rest is in the closures; say it with
/// [`describe`](Self::describe), and a cell that was made with another learning rate is refused.
pub struct LotteryTicketSearch<'a> {
    pub(super) directory: Directory,
    pub(super) steps: usize,
    pub(super) steps_per_epoch: Option<usize>,
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
    /// part. A study knows its pruners by their [identity](Pruner::identity). They are tried on the
    /// initial weights through all rounds, before anything is trained.
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
}
