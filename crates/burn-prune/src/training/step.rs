//! What a step of a `Pruning` does before and after the optimizer.

use std::collections::HashSet;
use std::sync::Arc;

use burn::module::{Module, ModuleDisplay, Param, ParamId};
use burn::optim::GradientsParams;
#[cfg(feature = "train")]
use burn::optim::MultiGradientsParams;
use burn::tensor::Tensor;

use super::Pruning;
use super::problem::Problem;
use super::state::GradientPass;
use crate::mask::{MaskMode, Trust};
use crate::model::{
    ModelReading, Position, WeightVisitor, attach_chosen, visit, zero_after_optimizer,
    zero_after_step, zero_pruned_gradients,
};

/// So many problems are kept; all of them are logged.
const PROBLEMS: usize = 100;

impl<M: Module + ModuleDisplay> Pruning<M> {
    pub(super) fn step_with(
        self,
        grads: GradientsParams,
        optimize: impl FnOnce(M, GradientsParams) -> M,
    ) -> Self {
        let before = Before::of(&self.model, [&grads]);
        let grads = self.masked(grads);
        self.after_optimizing(before, |model| optimize(model, grads))
    }

    #[cfg(feature = "train")]
    pub(super) fn step_multi_with(
        self,
        mut grads: MultiGradientsParams,
        optimize: impl FnOnce(M, MultiGradientsParams) -> M,
    ) -> Self {
        let before = Before::of(&self.model, grads.grads.iter().map(|(grads, _)| grads));
        for (grads, _) in &mut grads.grads {
            *grads = self.masked(std::mem::take(grads));
        }
        self.after_optimizing(before, |model| optimize(model, grads))
    }

    fn masked(&self, grads: GradientsParams) -> GradientsParams {
        match self.plan.gradients {
            GradientPass::Zeroed => zero_pruned_gradients(&self.model, grads),
            GradientPass::Dense => grads,
        }
    }

    /// Parameters without a gradient stay as they are: `Learner` still holds their tensors.
    fn after_optimizing(mut self, before: Before, optimize: impl FnOnce(M) -> M) -> Self {
        let steps = match self.resumed_at() {
            Ok(steps) => steps + 1,
            // `Learner` takes no error.
            Err(error) => panic!("{error}"),
        };
        if self.clock.steps().is_none() {
            let masks = ModelReading::of_masks(&self.model).masks();
            self.state.count(&self.model, &masks, &self.plan);
            self = self.guarded();
        }
        if !before.zeroed {
            // A checkpoint was loaded, or something else was done to the model. The optimizer must
            // see zeros, and the pass after it must know what it starts from.
            self.model = zero_after_step(self.model);
        }
        let pruning = Self {
            model: zero_after_optimizer(optimize(self.model), &before.with_gradient),
            clock: self.clock.set(steps),
            plan: self.plan,
            state: self.state,
        };
        let pruning = pruning.with_dropped_masks(steps);
        if pruning.plan.scheduled.updates_after(steps) {
            return pruning.updated(steps);
        }
        pruning
    }

    fn updated(mut self, step: usize) -> Self {
        let (reading, masks) = match self.plan.scheduled.choose_after(step, &self.model) {
            Ok(chosen) => chosen,
            // No error can be returned here: a training whose weights have become NaN goes on with
            // the masks that it has.
            Err(error) => return self.with_problem(Problem::UpdateFailed { step, error }),
        };
        log::info!("step {step}: sparsity {:.4}", masks.sparsity());
        self.model = attach_chosen(self.model, reading, &masks);
        self.state.count(&self.model, &masks, &self.plan);
        self.guarded()
    }

    pub(super) fn with_problem(mut self, problem: Problem) -> Self {
        log::error!("{problem}");
        if self.state.problems.len() < PROBLEMS {
            Arc::make_mut(&mut self.state.problems).push(problem);
        }
        self
    }
}

/// What is known before the optimizer steps.
struct Before {
    /// The parameters that have a gradient.
    with_gradient: HashSet<ParamId>,
    /// Whether all weights that are zeroed after the step are known to be zero where they are pruned.
    zeroed: bool,
}

impl Before {
    fn of<'a, M: Module>(model: &M, grads: impl IntoIterator<Item = &'a GradientsParams>) -> Self {
        let look = Look {
            grads: grads.into_iter().collect(),
            found: Self {
                with_gradient: HashSet::new(),
                zeroed: true,
            },
        };
        visit(model, look).found
    }
}

struct Look<'a> {
    grads: Vec<&'a GradientsParams>,
    found: Before,
}

impl WeightVisitor for Look<'_> {
    fn weight<const D: usize>(&mut self, _at: &Position, param: &Param<Tensor<D>>) {
        let mut grads = self.grads.iter();
        if grads.any(|grads| grads.get::<D>(param.id).is_some()) {
            self.found.with_gradient.insert(param.id);
        }
    }

    fn mask(&mut self, _at: &Position, mode: MaskMode, trust: Trust) {
        self.found.zeroed &= trust == Trust::Zeroed || mode != MaskMode::AfterStep;
    }
}
