//! The passes of a training loop that keeps the masks after each step.

use std::any::Any;
use std::collections::{HashMap, HashSet};

use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param, ParamId, Reparameterization};
#[cfg(feature = "optim")]
use burn::optim::GradientsParams;
use burn::tensor::{Int, Tensor};

use super::inventory::REPARAMETERIZATION;
use super::update::update;
use crate::mask::{Answer, MaskMode, Trust, WeightMask};

/// Writes 0 into the stored weights that are pruned, in place where nothing else holds them.
///
/// Ids, load and save mappers stay.
pub(crate) fn zero_pruned<M: Module>(model: M) -> M {
    let masks = masks(&model);
    zero(model, masks)
}

/// [`zero_pruned`] for these weights alone.
pub(crate) fn zero_pruned_of<M: Module>(model: M, weights: &HashSet<ParamId>) -> M {
    let mut masks = masks(&model);
    masks.retain(|weight, _| weights.contains(weight));
    zero(model, masks)
}

/// [`zero_pruned`] for those masks that are kept after the step.
pub(crate) fn zero_after_step<M: Module>(model: M) -> M {
    let mut masks = masks(&model);
    masks.retain(|_, mask| mask.mode() == MaskMode::AfterStep);
    zero(model, masks)
}

/// What follows a walk of a mapper that is known to have changed no weights but these: they are
/// zeroed, and the others are as they were. Masks on read are left alone.
///
/// A weight that anything else may have changed is zeroed as well.
pub(crate) fn zero_after_walk<M: Module>(model: M, changed: impl Fn(ParamId) -> bool) -> M {
    let mut masks = masks(&model);
    masks.retain(|_, mask| mask.mode() == MaskMode::AfterStep);
    settle(model, masks, changed)
}

/// [`zero_after_walk`] for a step of an optimizer, which has moved these weights. Those of them
/// with a mask on read are zeroed too.
#[cfg(feature = "optim")]
pub(crate) fn zero_after_optimizer<M: Module>(model: M, moved: &HashSet<ParamId>) -> M {
    let mut masks = masks(&model);
    masks.retain(|weight, mask| mask.mode() == MaskMode::AfterStep || moved.contains(weight));
    settle(model, masks, |weight| moved.contains(&weight))
}

fn settle<M: Module>(
    model: M,
    masks: HashMap<ParamId, WeightMask>,
    changed: impl Fn(ParamId) -> bool,
) -> M {
    let untouched = masks.iter().filter(|(weight, mask)| {
        !changed(**weight) && matches!(mask.trust(), Trust::Zeroed | Trust::WalkedOnce)
    });
    let untouched = untouched.map(|(weight, _)| *weight).collect();
    map_zero(model, masks, untouched)
}

/// [`zero_pruned`] with these masks, by the id of their weight.
fn zero<M: Module>(model: M, masks: HashMap<ParamId, WeightMask>) -> M {
    map_zero(model, masks, HashSet::new())
}

fn map_zero<M: Module>(
    model: M,
    masks: HashMap<ParamId, WeightMask>,
    untouched: HashSet<ParamId>,
) -> M {
    if masks.is_empty() {
        return model;
    }
    model.map(&mut ZeroPruned {
        masks,
        untouched,
        answer: Answer::Unchanged,
    })
}

/// Writes 0 into the gradients of pruned weights, in place where nothing else holds them.
#[cfg(feature = "optim")]
pub(crate) fn zero_pruned_gradients<M: Module>(
    model: &M,
    grads: GradientsParams,
) -> GradientsParams {
    let masks = masks(model);
    let mut pass = ZeroGradients { masks, grads };
    model.visit(&mut pass);
    pass.grads
}

/// The masks of a model by the id of their weight, on their device. Reads nothing back.
pub(crate) fn masks<M: Module>(model: &M) -> HashMap<ParamId, WeightMask> {
    let mut masks = Masks::default();
    model.visit(&mut masks);
    masks.masks
}

#[derive(Default)]
struct Masks {
    masks: HashMap<ParamId, WeightMask>,
    weight: Option<ParamId>,
    in_mask: bool,
    bits: Option<(ParamId, Tensor<1, Int>)>,
    mode: MaskMode,
    trust: Option<Trust>,
}

impl ModuleVisitor for Masks {
    fn enter_module(&mut self, name: &str, container: &str) {
        if container == REPARAMETERIZATION {
            self.in_mask = name == WeightMask::NAME;
            self.mode = MaskMode::OnRead;
        } else if self.in_mask && (container, name) == WeightMask::AFTER_STEP {
            self.mode = MaskMode::AfterStep;
        } else if self.in_mask {
            self.trust = Trust::shown(name, container).or(self.trust);
        }
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        if container != REPARAMETERIZATION {
            return;
        }
        self.in_mask = false;
        if let (Some(weight), Some((id, bits))) = (self.weight, self.bits.take()) {
            let trust = self.trust.take().unwrap_or(Trust::Unknown);
            let mask = WeightMask::from_bits(bits, id, self.mode).with_trust(trust);
            self.masks.insert(weight, mask);
        }
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.in_mask {
            self.weight = Some(param.id);
        }
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        // Bits are of rank 1. A reshape would be an operation on the device.
        let bits = (param as &dyn Any).downcast_ref::<Param<Tensor<1, Int>>>();
        if let Some(bits) = bits.filter(|_| self.in_mask) {
            self.bits = Some((bits.id, bits.val()));
        }
    }
}

struct ZeroPruned {
    masks: HashMap<ParamId, WeightMask>,
    /// Those of them whose weight is zero already.
    untouched: HashSet<ParamId>,
    /// What is said about the last weight.
    answer: Answer,
}

impl ModuleMapper for ZeroPruned {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(mask) = self.masks.get(&param.id) else {
            self.answer = Answer::Unchanged;
            return param;
        };
        self.answer = Answer::Zeroed;
        if self.untouched.contains(&param.id) {
            return param;
        }
        update(param, |weight| mask.zero_pruned(weight))
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        Trust::answer(flag, self.answer)
    }
}

#[cfg(feature = "optim")]
struct ZeroGradients {
    masks: HashMap<ParamId, WeightMask>,
    grads: GradientsParams,
}

#[cfg(feature = "optim")]
impl ModuleVisitor for ZeroGradients {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(mask) = self.masks.get(&param.id) else {
            return;
        };
        if let Some(gradient) = self.grads.remove::<D>(param.id) {
            // With sharded optimizers gradients are where their part of the optimizer is.
            let gradient = mask.zero_pruned_on_its_device(gradient);
            self.grads.register::<D>(param.id, gradient);
        }
    }
}
