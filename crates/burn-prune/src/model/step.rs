//! The passes of a training loop that keeps the masks after each step.

use std::collections::{HashMap, HashSet};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId, Reparameterization};
#[cfg(feature = "optim")]
use burn::optim::GradientsParams;
use burn::tensor::{Int, Tensor};

use super::inventory::REPARAMETERIZATION;
use super::update::update;
use crate::{MaskMode, WeightMask};

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

/// [`zero_pruned`] with these masks, by the id of their weight.
pub(super) fn zero<M: Module>(model: M, masks: HashMap<ParamId, WeightMask>) -> M {
    match masks.is_empty() {
        true => model,
        false => model.map(&mut ZeroPruned { masks }),
    }
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
}

impl ModuleVisitor for Masks {
    fn enter_module(&mut self, name: &str, container: &str) {
        if container == REPARAMETERIZATION {
            self.in_mask = name == WeightMask::NAME;
            self.mode = MaskMode::OnRead;
        } else if self.in_mask && (container, name) == WeightMask::AFTER_STEP {
            self.mode = MaskMode::AfterStep;
        }
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        if container != REPARAMETERIZATION {
            return;
        }
        self.in_mask = false;
        if let (Some(weight), Some((id, bits))) = (self.weight, self.bits.take()) {
            let mask = WeightMask::from_bits(bits, id, self.mode);
            self.masks.insert(weight, mask);
        }
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.in_mask {
            self.weight = Some(param.id);
        }
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        if self.in_mask {
            let words = param.lazy_shape().num_elements();
            self.bits = Some((param.id, param.val().reshape([words])));
        }
    }
}

struct ZeroPruned {
    masks: HashMap<ParamId, WeightMask>,
}

impl ModuleMapper for ZeroPruned {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(mask) = self.masks.get(&param.id) else {
            return param;
        };
        update(param, |weight| mask.zero_pruned(weight))
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
