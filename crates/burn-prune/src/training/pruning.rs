use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, ModuleDisplay};
use burn::optim::{GradientsParams, ModuleOptimizer};
use serde_json::Value;

use super::clock::{Clock, Reading};
use super::problem::Problem;
use super::progress::Counts;
#[cfg(feature = "train")]
use super::progress::Watched;
use super::scheduled::Scheduled;
use super::state::{GradientPass, Plan, State};
use crate::error::PruneError;
use crate::guard::MaskGuard;
use crate::identity::differences;
use crate::mask::{MaskMode, MaskSet};
use crate::model::{
    Inventory, ModelReading, check_trainable, with_mask_mode, with_masks, zero_pruned,
};
use crate::pruner::Pruner;
use crate::rejected::{Rejected, accept};
use crate::schedule::Schedule;

/// A model whose masks move on a schedule while it trains: the callback for Burn's `Learner`.
///
/// It wraps the model, which needs no change: `Pruning<M>` is a module, and if `Learner` can train
/// `M`, it can train `Pruning<M>`. After each step of the optimizer it zeroes what is
/// pruned ([`MaskMode::AfterStep`]), counts the step, and updates the masks when the schedule says
/// so. The model's own `TrainStep::optimize` is called, and parameter groups match as without the
/// wrapper.
///
/// Its checkpoints hold masks, step and recipe, so a resumed training continues where it stopped;
/// [`check_checkpoint`](Self::check_checkpoint) tells beforehand whether one fits, as `Learner` can
/// only panic. [`resume_from`](Self::resume_from) loads one in a loop of your own, and
/// [`Prunable::load_checkpoint`](crate::Prunable::load_checkpoint) loads one into the bare model.
///
/// An update that fails in training, because weights have become NaN for instance, leaves masks and
/// weights as they are. Masks that the model drops in its own `optimize`, by a write to one field
/// (see [`MaskGuard`]), are put back. [`problems`](Self::problems) has both afterwards.
///
/// It works on a single device and on several with either placement of the optimizer. Under
/// data-parallel training over processes (DDP) Burn makes the same call; that has not been run, as
/// only CUDA has the collective operations for it.
///
/// ```no_run
/// use burn::module::{Module, ModuleDisplay};
/// use burn::tensor::{Device, distributed::DistributedConfig};
/// use burn::train::{ExecutionStrategy, InferenceStep, Learner, SupervisedTraining, TrainStep};
/// use burn_prune::Pruning;
///
/// fn train_on_all<M: TrainStep + InferenceStep + Module + ModuleDisplay + 'static>(
///     training: SupervisedTraining<Pruning<M>>,
///     learner: Learner<Pruning<M>>,
///     devices: Vec<Device>,
///     config: DistributedConfig,
/// ) -> M {
///     let strategy = ExecutionStrategy::ddp(devices, config);
///     let result = training.with_training_strategy(strategy.into()).launch(learner);
///     result.model.into_inner()
/// }
/// ```
///
/// In a loop of your own:
///
/// ```
/// use burn::{nn::LinearConfig, optim::{GradientsParams, SgdConfig}, tensor::{Device, Tensor}};
/// use burn_prune::{Magnitude, Prunable, Pruner, Pruning, TrainingLength, ScheduleConfig, Span};
///
/// let device = Device::flex().autodiff();
/// let layer = LinearConfig::new(8, 4).init(&device);
/// let run = TrainingLength { epochs: 1, steps_per_epoch: 10 };
/// let schedule = ScheduleConfig::cubic(0.75, Span::steps(0, 10, 2)).build(run)?;
/// let mut pruning = Pruning::new(layer, Pruner::new(Magnitude::l1()), schedule)?;
///
/// let mut optimizer = SgdConfig::new().init();
/// for _ in 0..10 {
///     let loss = pruning.model().forward(Tensor::<2>::ones([2, 8], &device)).sum();
///     let grads = GradientsParams::from_grads(loss.backward(), pruning.model());
///     pruning = pruning.step(&mut optimizer, 0.1, grads);
/// }
/// let layer = pruning.into_inner();
/// assert_eq!(layer.sparsity_report().sparsity(), 0.75);
/// # Ok::<(), burn_prune::PruneError>(())
/// ```
#[derive(Module, Debug)]
pub struct Pruning<M: Module> {
    pub(super) model: M,
    pub(super) clock: Clock,
    #[module(skip)]
    pub(super) plan: Plan,
    #[module(skip)]
    pub(super) state: State,
}

impl<M: Module + ModuleDisplay> Pruning<M> {
    /// Wraps a model. The schedule says how much is pruned, so a pruner with an amount for all
    /// parameters is refused. Amounts [by layer](crate::Allocation::per_layer) are final amounts,
    /// which are reached in proportion to the last sparsity of the schedule.
    ///
    /// The selection is fixed now, by path: groups of ids still mean the same parameters when a
    /// checkpoint brings other ids.
    ///
    /// Every selected parameter gets a mask now, even one that keeps everything, so that all
    /// checkpoints have the same tensors. Where the schedule says so, the model is pruned at once.
    ///
    /// # Errors
    /// When the pruner has an amount ([`PruneError::Contradiction`]), nothing is selected, a selected
    /// parameter cannot carry a mask, another parameter has a LoRA adapter, places of one
    /// [`ParamId`](burn::module::ParamId) hold different weights that are
    /// trained ([`PruneError::SharedId`]; Burn's optimizers would give the gradient of one to the
    /// other), or any update of the schedule would fail (if it is your own and runs for
    /// more than a million steps: any of the first million, or the last). Scores that are not finite
    /// before the first update are accepted if the weights are finite: a criterion may depend on what
    /// training does to them. The error returns the model as it was.
    pub fn new(model: M, pruner: Pruner, schedule: Box<dyn Schedule>) -> Result<Self, Rejected<M>> {
        let plan = Self::plan(&model, pruner, schedule.into());
        let ((scheduled, masks, recipe), model) = accept(plan, model)?;
        // Nothing has changed so far, and nothing from here on is refused.
        let model = with_mask_mode(with_masks(model, &masks)?, MaskMode::AfterStep)?;
        let device = model.devices().into_iter().next().unwrap_or_default();
        let selected: HashSet<String> = masks.iter().map(|(path, _)| path.to_string()).collect();
        let counts = Counts::of(&masks, &selected);
        let masks = MaskGuard::of(&model).ids().collect();
        Ok(Self {
            model,
            clock: Clock::new(&recipe, &device),
            plan: Plan {
                scheduled: Arc::new(scheduled),
                recipe: Arc::new(recipe),
                selected: Arc::new(selected),
                gradients: GradientPass::Zeroed,
                #[cfg(feature = "train")]
                watched: Watched::new(counts.clone()),
            },
            state: State {
                counts,
                masks,
                problems: Arc::default(),
                guard: Arc::default(),
            },
        }
        .guarded())
    }

    /// Everything that can be refused.
    fn plan(
        model: &M,
        pruner: Pruner,
        schedule: Arc<dyn Schedule>,
    ) -> Result<(Scheduled, MaskSet, Value), PruneError> {
        check_trainable(model)?;
        let (scheduled, masks) = Scheduled::new(model, pruner, schedule)?;
        // The mode of masks is changed by taking them off, which merges all reparameterizations.
        Inventory::of(model).check_not_foreign()?;
        let recipe = scheduled.identity(model)?;
        Ok((scheduled, masks, recipe))
    }

    /// Leaves the gradients of pruned weights as they are, which saves a pass.
    ///
    /// The weights are the same with optimizers that treat each weight by itself, without clipping
    /// by norm; see [`Prunable::with_mask_mode`](crate::Prunable::with_mask_mode).
    #[must_use]
    pub fn with_dense_gradients(mut self) -> Self {
        self.plan.gradients = GradientPass::Dense;
        self
    }

    /// The model.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The model without the wrapper, with its masks, which are on read again.
    #[must_use]
    pub fn into_inner(self) -> M {
        with_mask_mode(self.model, MaskMode::OnRead)
            // Another reparameterization has been attached since: the mode stays, and is safe.
            .unwrap_or_else(|rejected| zero_pruned(rejected.into_model()))
    }

    /// Finished steps of the optimizer; 0 when a checkpoint was loaded that cannot be read. Reads
    /// the device after a checkpoint was loaded, until the first step.
    pub fn steps(&self) -> usize {
        self.clock
            .steps()
            .or_else(|| self.clock.read().ok().map(|reading| reading.steps))
            .unwrap_or_default()
    }

    /// Fraction of the selected weights that is pruned, in `[0, 1]`, in this instance: a clone has
    /// its own. Reads the device where masks did not come from a step but from a checkpoint, for
    /// instance, until the next step.
    pub fn sparsity(&self) -> f64 {
        self.counts().sparsity(None)
    }

    pub(super) fn counts(&self) -> Counts {
        if MaskGuard::of(&self.model)
            .ids()
            .eq(self.state.masks.iter().copied())
        {
            return self.state.counts.clone();
        }
        Counts::of(&self.masks(), &self.plan.selected)
    }

    /// What went wrong in the steps of this instance and could not be returned as an error: the
    /// first hundred. Not in checkpoints.
    pub fn problems(&self) -> &[Problem] {
        &self.state.problems
    }

    /// Shows metrics what a loaded checkpoint has brought.
    #[cfg(feature = "train")]
    pub(super) fn take_in_checkpoint(&self) {
        if self.clock.steps().is_none() {
            self.plan.watched.set(self.counts());
        }
    }

    /// One step: the gradients masked, the optimizer, the parameters masked, and the masks updated
    /// when it is time. For a loop of your own; `Learner` does the same in `TrainStep::optimize`.
    #[must_use]
    pub fn step(
        self,
        optimizer: &mut ModuleOptimizer,
        rate: impl Into<ModuleLearningRate>,
        grads: GradientsParams,
    ) -> Self {
        let rate = rate.into();
        self.step_with(grads, |model, grads| optimizer.step(rate, model, grads))
    }

    /// [`step`](Self::step), where a checkpoint of another training may have been loaded.
    ///
    /// # Errors
    /// [`PruneError::RecipeMismatch`] with what differs, or [`PruneError::CheckpointVersion`], before
    /// the optimizer steps; everything is as it was. [`step`](Self::step) panics then, and so does
    /// `Learner`.
    pub fn try_step(
        self,
        optimizer: &mut ModuleOptimizer,
        rate: impl Into<ModuleLearningRate>,
        grads: GradientsParams,
    ) -> Result<Self, Rejected<Self>> {
        let (_, pruning) = accept(self.resumed_at(), self)?;
        Ok(pruning.step(optimizer, rate, grads))
    }

    /// Finished steps, of a checkpoint that was loaded too.
    pub(super) fn resumed_at(&self) -> Result<usize, PruneError> {
        if let Some(steps) = self.clock.steps() {
            return Ok(steps);
        }
        let reading = self.clock.read()?;
        self.check_recipe("the loaded checkpoint", &reading)?;
        Ok(reading.steps)
    }

    /// Refuses what was made in another training.
    pub(super) fn check_recipe(&self, file: &str, reading: &Reading) -> Result<(), PruneError> {
        if reading.recipe == *self.plan.recipe {
            return Ok(());
        }
        Err(PruneError::RecipeMismatch {
            file: file.to_string(),
            differences: differences(&reading.recipe, &self.plan.recipe),
        })
    }

    #[cfg(feature = "train")]
    pub(super) fn watched(&self) -> Watched {
        self.plan.watched.clone()
    }

    /// The masks, under the paths of the model.
    pub fn masks(&self) -> MaskSet {
        ModelReading::of_masks(&self.model).masks()
    }

    /// Checks that a checkpoint can be resumed. `Learner` would panic on one that cannot, or go on
    /// wrongly.
    ///
    /// `path` is the model file of a checkpoint, `model-3.bpk` for instance.
    ///
    /// # Errors
    /// When the file cannot be read, is of another model, or of another pruner or schedule
    /// ([`PruneError::RecipeMismatch`]).
    pub fn check_checkpoint(&self, path: impl AsRef<Path>) -> Result<(), PruneError> {
        super::checkpoint::check(self, path.as_ref())
    }

    /// Continues from a checkpoint: its weights, masks and step.
    ///
    /// # Errors
    /// As [`check_checkpoint`](Self::check_checkpoint); everything is as it was then.
    ///
    /// ```
    /// use burn::{module::Module, nn::LinearConfig, tensor::Device};
    /// use burn_prune::{Magnitude, PruneError, Pruner, Pruning, TrainingLength, ScheduleConfig, Span};
    ///
    /// let run = TrainingLength { epochs: 1, steps_per_epoch: 10 };
    /// let wrap = |target: f64| {
    ///     let layer = LinearConfig::new(4, 4).init(&Device::flex().autodiff());
    ///     let schedule = ScheduleConfig::cubic(target, Span::steps(0, 10, 5)).build(run)?;
    ///     Ok::<_, PruneError>(Pruning::new(layer, Pruner::new(Magnitude::l1()), schedule)?)
    /// };
    /// let folder = tempfile::tempdir().unwrap();
    /// let file = folder.path().join("model-1.bpk");
    /// let pruning = wrap(0.5)?;
    /// pruning.clone().save_file(&file).unwrap();
    ///
    /// let resumed = wrap(0.5)?.resume_from(&file)?;
    /// assert_eq!(resumed.masks(), pruning.masks());
    ///
    /// let other = wrap(0.9)?.resume_from(&file).unwrap_err();
    /// let error = other.error().to_string();
    /// assert!(error.contains(r#"`schedule.data.target` is "0.5" there and "0.9" here"#));
    /// # Ok::<(), PruneError>(())
    /// ```
    pub fn resume_from(self, path: impl AsRef<Path>) -> Result<Self, Rejected<Self>> {
        super::checkpoint::resume(self, path.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Param;
    use burn::nn::{Linear, LinearConfig};
    use burn::optim::SgdConfig;
    use burn::tensor::{DType, Device};

    use super::*;
    use crate::criterion::Magnitude;
    use crate::read_back::count;
    use crate::schedule::{ScheduleConfig, Span, TrainingLength};

    #[test]
    fn a_scheduled_update_waits_for_the_device_once() {
        let device = Device::flex().autodiff();
        let layer = |_| -> Linear {
            let mut layer = LinearConfig::new(4, 4).init(&device);
            // f32 weights of flex would be borrowed, not read.
            layer.weight = Param::from_tensor(layer.weight.val().cast(DType::F64).detach());
            layer
        };
        let layers: Vec<Linear> = (0..5).map(layer).collect();
        let run = TrainingLength {
            epochs: 1,
            steps_per_epoch: 4,
        };
        let schedule = ScheduleConfig::linear(0.5, Span::steps(0, 4, 2));
        let schedule = schedule.build(run).unwrap();
        let pruner = Pruner::new(Magnitude::l1());
        let mut pruning = Pruning::new(layers, pruner, schedule).unwrap();
        let mut optimizer = SgdConfig::new().init();
        let mut reads = Vec::new();
        for _ in 0..4 {
            count::take();
            pruning = pruning.step(&mut optimizer, 0.1, GradientsParams::new());
            reads.push(count::take());
        }
        assert_eq!(reads.iter().sum::<usize>(), 2, "{reads:?}");
        assert_eq!(pruning.sparsity(), 0.5);
    }
}
