//! Masks that a model has dropped within a step.

use std::sync::Arc;

use burn::module::{Module, ModuleDisplay};

use super::Pruning;
use super::problem::Problem;
use crate::error::PruneError;
use crate::guard::MaskGuard;

impl<M: Module + ModuleDisplay> Pruning<M> {
    /// Remembers the masks that there are. Touches no tensor.
    pub(super) fn guarded(mut self) -> Self {
        self.state.guard = Arc::new(MaskGuard::of(&self.model));
        self
    }

    /// Puts back the masks that the model has dropped in this step, its own `optimize` for instance
    /// by a write to one field. Touches no tensor where there are none.
    pub(super) fn with_dropped_masks(mut self, step: usize) -> Self {
        if self.state.guard.has_all(&self.model) {
            return self;
        }
        let Err(PruneError::MasksLost { paths }) = self.state.guard.check(&self.model) else {
            return self;
        };
        match self.state.guard.restore(self.model) {
            Ok(model) => {
                self.model = model;
                self.with_problem(Problem::MasksDropped { step, paths })
            }
            Err(rejected) => {
                let (model, error) = rejected.into_parts();
                self.model = model;
                // Those that are left are guarded from here on.
                self.with_problem(Problem::MasksLost { step, paths, error })
                    .guarded()
            }
        }
    }
}
