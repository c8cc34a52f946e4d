use std::collections::HashSet;
use std::sync::Arc;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, ModuleDisplay, ModuleVisitor, Param, ParamId};
#[cfg(feature = "train")]
use burn::optim::MultiGradientsParams;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;

use super::clock::Clock;
use super::progress::Progress;
use crate::{
    MaskMode, MaskSet, Prunable, PruneError, Pruner, Rejected, Schedule,
    model::{check_trainable, prune, zero_after_optimizer, zero_pruned_gradients},
};

/// A model whose masks move on a schedule while it trains: the callback for Burn's `Learner`.
///
/// A wrapper around the model, which stays as it is: `Pruning<M>` is a module, and where `M` can be
/// trained by `Learner` so can `Pruning<M>`. After each step of the optimizer it zeroes what is
/// pruned ([`MaskMode::AfterStep`]), counts the step, and updates the masks when the schedule says
/// so. The model's own `TrainStep::optimize` is called, and parameter groups match as without the
/// wrapper.
///
/// Its checkpoints hold masks, step and recipe, so a resumed training goes on where it was;
/// [`check_checkpoint`](Self::check_checkpoint) tells beforehand whether one fits, as `Learner` can
/// only panic. [`Prunable::load_checkpoint`] loads one into the bare model.
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
/// use burn_prune::{Magnitude, Prunable, Pruner, Pruning, Run, ScheduleConfig, Span};
///
/// let device = Device::flex().autodiff();
/// let layer = LinearConfig::new(8, 4).init(&device);
/// let run = Run { epochs: 1, steps_per_epoch: 10 };
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
    clock: Clock,
    #[module(skip)]
    plan: Plan,
}

/// What does not change in a training.
#[derive(Debug, Clone)]
struct Plan {
    pruner: Arc<Pruner>,
    schedule: Arc<dyn Schedule>,
    /// Both as text.
    recipe: Arc<str>,
    gradients: GradientPass,
    progress: Progress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GradientPass {
    Zeroed,
    Dense,
}

impl<M: Module + ModuleDisplay> Pruning<M> {
    /// Wraps a model. The pruner needs no amount: the schedule gives it.
    ///
    /// Every parameter that the pruner selects gets a mask now, if only one that keeps everything,
    /// so that all checkpoints have the same tensors. Where the schedule says so the model is pruned
    /// at once.
    ///
    /// # Errors
    /// When nothing is selected, a selected parameter cannot carry a mask, another parameter has a
    /// LoRA adapter, or the first update or the last one would fail.
    pub fn new(model: M, pruner: Pruner, schedule: Box<dyn Schedule>) -> Result<Self, Rejected<M>> {
        let schedule: Arc<dyn Schedule> = schedule.into();
        if let Err(error) = check_trainable(&model) {
            return Err(Rejected::new(model, error));
        }
        // What cannot be done in the end is refused now, not logged then.
        let last = schedule
            .last_update()
            .map(|step| schedule.sparsity_after(step));
        if let Some(sparsity) = last
            && let Err(error) = pruner.to_scheduled(sparsity).masks(&model)
        {
            return Err(Rejected::new(model, error));
        }
        let masks = match schedule.updates_after(0) {
            true => pruner
                .to_scheduled(schedule.sparsity_after(0))
                .masks(&model),
            false => pruner.selection(&model),
        };
        let masks = match masks {
            Ok(masks) => masks,
            Err(error) => return Err(Rejected::new(model, error)),
        };
        let model = model
            .with_masks(&masks)?
            .with_mask_mode(MaskMode::AfterStep)?;
        let recipe: Arc<str> = format!("{pruner:?} {schedule:?}").into();
        let device = model.devices().into_iter().next().unwrap_or_default();
        let plan = Plan {
            pruner: Arc::new(pruner),
            schedule,
            recipe: Arc::clone(&recipe),
            gradients: GradientPass::Zeroed,
            progress: Progress::default(),
        };
        plan.progress.set(&model.masks());
        Ok(Self {
            model,
            clock: Clock::new(&recipe, &device),
            plan,
        })
    }

    /// Leaves the gradients of pruned weights as they are, which saves a pass.
    ///
    /// The weights are the same with optimizers that treat each weight by itself, without clipping
    /// by norm; see [`Prunable::with_mask_mode`].
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
        match self.model.with_mask_mode(MaskMode::OnRead) {
            Ok(model) => model,
            // Another reparameterization has been attached since: the mode stays, and is safe.
            Err(rejected) => rejected.into_model().zero_pruned(),
        }
    }

    /// Finished steps of the optimizer. Reads the device once after a checkpoint was loaded.
    pub fn steps(&self) -> usize {
        self.clock.steps().unwrap_or_else(|| self.clock.read().0)
    }

    /// Fraction of the selected weights that is pruned, in `[0, 1]`. Reads the device after a
    /// checkpoint was loaded, until the first step.
    pub fn sparsity(&self) -> f64 {
        self.take_in_checkpoint();
        self.plan.progress.sparsity(None)
    }

    /// Shows what a loaded checkpoint has brought to those who watch.
    pub(super) fn take_in_checkpoint(&self) {
        if self.clock.steps().is_none() {
            self.plan.progress.set(&self.masks());
        }
    }

    /// One step: the gradients masked, the optimizer, the parameters masked, and the masks updated
    /// when it is time. For a loop of your own; `Learner` gets there by `TrainStep::optimize`.
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

    pub(super) fn step_with(
        self,
        grads: GradientsParams,
        optimize: impl FnOnce(M, GradientsParams) -> M,
    ) -> Self {
        let moved = WithGradient::of(&self.model, [&grads]);
        let grads = self.masked(grads);
        self.after_optimizing(&moved, |model| optimize(model, grads))
    }

    #[cfg(feature = "train")]
    pub(super) fn step_multi_with(
        self,
        mut grads: MultiGradientsParams,
        optimize: impl FnOnce(M, MultiGradientsParams) -> M,
    ) -> Self {
        let moved = WithGradient::of(&self.model, grads.grads.iter().map(|(grads, _)| grads));
        for (grads, _) in &mut grads.grads {
            *grads = self.masked(std::mem::take(grads));
        }
        self.after_optimizing(&moved, |model| optimize(model, grads))
    }

    fn masked(&self, grads: GradientsParams) -> GradientsParams {
        match self.plan.gradients {
            GradientPass::Zeroed => zero_pruned_gradients(&self.model, grads),
            GradientPass::Dense => grads,
        }
    }

    /// Parameters without a gradient stay as they are: `Learner` still holds their tensors.
    fn after_optimizing(self, moved: &HashSet<ParamId>, optimize: impl FnOnce(M) -> M) -> Self {
        let steps = self.resumed_at() + 1;
        let Self { model, clock, plan } = self;
        let model = zero_after_optimizer(optimize(model), moved);
        let clock = clock.set(steps);
        Self { model, clock, plan }.updated(steps)
    }

    /// Finished steps, after taking in a checkpoint that was loaded.
    fn resumed_at(&self) -> usize {
        if let Some(steps) = self.clock.steps() {
            return steps;
        }
        let (steps, recipe) = self.clock.read();
        let own = self.recipe();
        assert!(
            recipe == own,
            "the loaded checkpoint was made with another pruning recipe; use \
             `Pruning::check_checkpoint` beforehand\n  there: {recipe}\n  here:  {own}"
        );
        self.plan.progress.set(&self.model.masks());
        steps
    }

    fn updated(self, steps: usize) -> Self {
        let Self { model, clock, plan } = self;
        if !plan.schedule.updates_after(steps) {
            return Self { model, clock, plan };
        }
        let sparsity = plan.schedule.sparsity_after(steps);
        // There is nobody to return an error to: a training whose weights have become NaN goes on
        // with the masks that it has.
        let failed = |error| log::error!("step {steps}: the masks stay as they are: {error}");
        let model = match prune(model, &plan.pruner.to_scheduled(sparsity)) {
            Ok((model, masks)) => {
                log::info!("step {steps}: sparsity {:.4}", masks.sparsity());
                plan.progress.set(&masks);
                model
            }
            Err((model, error)) => {
                failed(error);
                model
            }
        };
        Self { model, clock, plan }
    }

    #[cfg(feature = "train")]
    pub(super) fn progress(&self) -> Progress {
        self.plan.progress.clone()
    }

    /// What of the plan decides over the masks, as text.
    pub(super) fn recipe(&self) -> &str {
        &self.plan.recipe
    }

    /// The masks, under the paths of the model.
    pub fn masks(&self) -> MaskSet {
        Prunable::masks(&self.model)
    }

    /// Refuses a checkpoint that a `Learner` would panic on, or that would train on wrongly.
    ///
    /// `path` is the model file of a checkpoint, `model-3.bpk` for instance.
    ///
    /// # Errors
    /// When the file cannot be read, is of another model, or of another pruner or schedule
    /// ([`PruneError::OtherRecipe`]).
    pub fn check_checkpoint(&self, path: impl AsRef<std::path::Path>) -> Result<(), PruneError> {
        super::checkpoint::check(self, path.as_ref())
    }
}

/// The parameters that have a gradient.
struct WithGradient<'a> {
    grads: Vec<&'a GradientsParams>,
    ids: HashSet<ParamId>,
}

impl<'a> WithGradient<'a> {
    fn of<M: Module>(
        model: &M,
        grads: impl IntoIterator<Item = &'a GradientsParams>,
    ) -> HashSet<ParamId> {
        let mut visitor = Self {
            grads: grads.into_iter().collect(),
            ids: HashSet::new(),
        };
        model.visit(&mut visitor);
        visitor.ids
    }
}

impl ModuleVisitor for WithGradient<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let mut grads = self.grads.iter();
        if grads.any(|grads| grads.get::<D>(param.id).is_some()) {
            self.ids.insert(param.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::{Linear, LinearConfig};
    use burn::optim::SgdConfig;
    use burn::tensor::{DType, Device};

    use super::*;
    use crate::model::count;
    use crate::{Magnitude, Run, ScheduleConfig, Span};

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
        let run = Run {
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
