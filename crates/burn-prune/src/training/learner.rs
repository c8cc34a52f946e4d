//! The connection to Burn's `Learner`: a step that does what the model does, and then what pruning
//! does.

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, ModuleDisplay};
use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};
use burn::train::{InferenceStep, TrainOutput, TrainStep};

use super::Pruning;

impl<M: TrainStep + Module + ModuleDisplay> TrainStep for Pruning<M> {
    type Input = M::Input;
    type Output = M::Output;

    fn step(&self, item: Self::Input) -> TrainOutput<Self::Output> {
        self.take_in_checkpoint();
        TrainStep::step(&self.model, item)
    }

    fn optimize(
        self,
        optim: &mut ModuleOptimizer,
        lr_module: ModuleLearningRate,
        grads: GradientsParams,
    ) -> Self {
        self.step_with(grads, |model, grads| {
            model.optimize(optim, lr_module, grads)
        })
    }

    fn optimize_multi(
        self,
        optim: &mut ModuleOptimizer,
        lr_module: ModuleLearningRate,
        grads: MultiGradientsParams,
    ) -> Self {
        self.step_multi_with(grads, |model, grads| {
            model.optimize_multi(optim, lr_module, grads)
        })
    }
}

impl<M: InferenceStep + Module + ModuleDisplay> InferenceStep for Pruning<M> {
    type Input = M::Input;
    type Output = M::Output;

    fn step(&self, item: Self::Input) -> Self::Output {
        InferenceStep::step(&self.model, item)
    }
}
