//! What a step of a `Pruning` does before and after the optimizer.

use std::collections::HashSet;
use std::sync::Arc;

use burn::module::{Module, ModuleDisplay, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
#[cfg(feature = "train")]
use burn::optim::MultiGradientsParams;
use burn::tensor::Tensor;

use super::Pruning;
use super::problem::Problem;
use super::pruning::GradientPass;
use crate::error::PruneError;
use crate::model::{zero_after_optimizer, zero_pruned_gradients};
use crate::prunable::Prunable;

/// So many problems are kept; all of them are logged.
const PROBLEMS: usize = 100;

impl<M: Module + ModuleDisplay> Pruning<M> {
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
        let steps = match self.resumed_at() {
            Ok(steps) => steps + 1,
            // `Learner` takes no error.
            Err(error) => panic!("{error}"),
        };
        let mut state = self.state;
        if self.clock.steps().is_none() {
            state.count(&self.model, &self.model.masks(), &self.plan);
        }
        let pruning = Self {
            model: zero_after_optimizer(optimize(self.model), moved),
            clock: self.clock.set(steps),
            plan: self.plan,
            state,
        };
        if pruning.plan.scheduled.updates_after(steps) {
            return pruning.updated(steps);
        }
        pruning
    }

    fn updated(mut self, step: usize) -> Self {
        let masks = match self.plan.scheduled.masks_after(step, &self.model) {
            Ok(masks) => masks,
            Err(error) => return self.not_updated(step, error),
        };
        match self.model.with_masks(&masks) {
            Ok(model) => {
                log::info!("step {step}: sparsity {:.4}", masks.sparsity());
                self.model = model;
                self.state.count(&self.model, &masks, &self.plan);
                self
            }
            Err(rejected) => {
                let (model, error) = rejected.into_parts();
                self.model = model;
                self.not_updated(step, error)
            }
        }
    }

    /// There is nobody to return an error to: a training whose weights have become NaN goes on with
    /// the masks that it has.
    fn not_updated(mut self, step: usize, error: PruneError) -> Self {
        let problem = Problem::UpdateFailed { step, error };
        log::error!("{problem}");
        if self.state.problems.len() < PROBLEMS {
            Arc::make_mut(&mut self.state.problems).push(problem);
        }
        self
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
