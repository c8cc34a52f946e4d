//! What a `Pruning` has besides its model and its clock.

use std::collections::HashSet;
use std::sync::Arc;

use burn::module::{Module, ParamId};
use serde_json::Value;

use super::problem::Problem;
use super::progress::Counts;
#[cfg(feature = "train")]
use super::progress::Watched;
use super::scheduled::Scheduled;
use crate::guard::MaskGuard;
use crate::mask::MaskSet;

/// What does not change in a training.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub scheduled: Arc<Scheduled>,
    /// Both as data.
    pub recipe: Arc<Value>,
    /// The paths of the selected parameters.
    pub selected: Arc<HashSet<String>>,
    pub gradients: GradientPass,
    #[cfg(feature = "train")]
    pub watched: Watched,
}

/// What is known of this instance and not in its checkpoints.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// Of the masks with these ids.
    pub counts: Counts,
    pub masks: Arc<[ParamId]>,
    pub problems: Arc<Vec<Problem>>,
    /// The masks as they were last changed.
    pub guard: Arc<MaskGuard>,
}

impl State {
    /// Counts the masks that a model has.
    pub(super) fn count<M: Module>(&mut self, model: &M, masks: &MaskSet, plan: &Plan) {
        self.counts = Counts::of(masks, &plan.selected);
        self.masks = MaskGuard::of(model).ids().collect();
        #[cfg(feature = "train")]
        plan.watched.set(self.counts.clone());
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GradientPass {
    Zeroed,
    Dense,
}
