//! Writing zeros into stored weights: the passes of a loop that zeroes weights after each step.

use std::collections::{HashMap, HashSet};

#[cfg(feature = "optim")]
use burn::module::ParamId;
use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::attached::{Attached, attached};
use super::update::update;
use super::walk::{Place, Position, WeightMapper, map};
use crate::mask::{Answer, Trust, WeightMask};

/// Writes 0 into the stored weights that are pruned, in place where nothing else holds them.
///
/// Ids, load and save mappers stay.
pub(crate) fn zero_pruned<M: Module>(model: M) -> M {
    let masks = attached(&model);
    zero(model, masks)
}

/// [`zero_pruned`] for the weights at these places alone, grouped by parameter. A place without a
/// mask gets the mask of the other places of its parameter.
pub(super) fn zero_pruned_of<M: Module>(model: M, parameters: &[&[Place]]) -> M {
    let mut masks: HashMap<Place, Attached> = attached(&model)
        .into_iter()
        .map(|mask| (mask.place, mask))
        .collect();
    let mut all = Vec::new();
    for places in parameters {
        let Some(other) = places.iter().find_map(|place| masks.get(place)).cloned() else {
            continue;
        };
        all.extend(places.iter().map(|place| {
            let other = || Attached {
                place: *place,
                ..other.clone()
            };
            masks.remove(place).unwrap_or_else(other)
        }));
    }
    zero(model, all)
}

/// [`zero_pruned`] for those masks that are kept after the step.
pub(crate) fn zero_after_step<M: Module>(model: M) -> M {
    let mut masks = attached(&model);
    masks.retain(Attached::is_after_step);
    zero(model, masks)
}

/// What follows a walk of a mapper that is known to have changed no weights but these: they are
/// zeroed, and the others are as they were. Masks on read are left alone.
///
/// A weight that anything else may have changed is zeroed as well.
pub(super) fn zero_after_walk<M: Module>(model: M, changed: impl Fn(Place) -> bool) -> M {
    let mut masks = attached(&model);
    masks.retain(Attached::is_after_step);
    settle(model, masks, |mask| changed(mask.place))
}

/// [`zero_after_walk`] for a step of an optimizer, which has moved these weights. Those of them
/// with a mask on read are zeroed too.
#[cfg(feature = "optim")]
pub(crate) fn zero_after_optimizer<M: Module>(model: M, moved: &HashSet<ParamId>) -> M {
    let mut masks = attached(&model);
    masks.retain(|mask| mask.is_after_step() || moved.contains(&mask.weight));
    settle(model, masks, |mask| moved.contains(&mask.weight))
}

fn settle<M: Module>(model: M, masks: Vec<Attached>, changed: impl Fn(&Attached) -> bool) -> M {
    let is_known = |mask: &WeightMask| matches!(mask.trust(), Trust::Zeroed | Trust::WalkedOnce);
    let untouched = masks
        .iter()
        .filter(|attached| !changed(attached) && is_known(&attached.mask))
        .map(|attached| attached.place)
        .collect();
    map_zero(model, masks, untouched)
}

/// [`zero_pruned`] with these masks.
fn zero<M: Module>(model: M, masks: Vec<Attached>) -> M {
    map_zero(model, masks, HashSet::new())
}

fn map_zero<M: Module>(model: M, masks: Vec<Attached>, untouched: HashSet<Place>) -> M {
    if masks.is_empty() {
        return model;
    }
    let zeroing = ZeroPruned {
        masks: masks
            .into_iter()
            .map(|attached| (attached.place, attached.mask))
            .collect(),
        untouched,
        answer: Answer::Unchanged,
    };
    map(model, zeroing)
}

struct ZeroPruned {
    masks: HashMap<Place, WeightMask>,
    /// Those of them whose weight is zero already.
    untouched: HashSet<Place>,
    /// What is said about the last weight.
    answer: Answer,
}

impl WeightMapper for ZeroPruned {
    fn weight<const D: usize>(
        &mut self,
        at: &Position,
        param: Param<Tensor<D>>,
    ) -> Param<Tensor<D>> {
        let Some(mask) = self.masks.get(&at.place()) else {
            self.answer = Answer::Unchanged;
            return param;
        };
        self.answer = Answer::Zeroed;
        if self.untouched.contains(&at.place()) {
            return param;
        }
        update(param, |weight| mask.zero_pruned(weight))
    }

    fn answer(&self) -> Option<Answer> {
        Some(self.answer)
    }
}
