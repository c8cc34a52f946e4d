//! Putting masks onto a model.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};

use burn::module::{
    Flag, Module, ModuleMapper, Param, ParamId, Reparameterization, Reparameterizer,
};
use burn::tensor::{Device, Int, Tensor};

use super::inventory::REPARAMETERIZATION;
use super::step;
use crate::mask::{Answer, Mask, MaskMode, Trust, WeightMask, bits};

/// Attaches these masks, replacing those that are attached already.
///
/// The masks must fit: see [`Parameter::check_maskable`](super::Parameter::check_maskable). New
/// ones are in this mode, the others stay in theirs; where it is after the step, the stored weights
/// are zeroed.
pub(crate) fn attach<M: Module, R: Borrow<Mask>>(
    model: M,
    masks: &HashMap<ParamId, R>,
    mode: MaskMode,
) -> M {
    // A shared parameter gets the same mask, and the same identity of it, at each place.
    let masks = masks
        .iter()
        .map(|(id, mask)| (*id, (ParamId::new(), mask.borrow())));
    let masks: HashMap<ParamId, (ParamId, &Mask)> = masks.collect();

    // Burn puts a reparameterization that is there back after mapping the weight under it. So
    // masks that are there change from the inside, and attaching reaches only the others.
    let model = model.map(&mut ReplaceBits {
        masks: &masks,
        weight: None,
        in_mask: false,
    });
    let model = model.apply_reparameterization(Attach(|weight, device: &Device| {
        let (id, mask) = masks.get(&weight)?;
        Some(WeightMask::new(mask, *id, device, mode))
    }));
    // Attaching was a walk over the weights that are masked already.
    step::zero_after_walk(model, |weight| masks.contains_key(&weight))
}

/// Takes the masks off, which writes their zeros, and attaches them in this mode.
///
/// There must be no other reparameterization: Burn would merge it into its weight.
pub(crate) fn set_mode<M: Module>(model: M, mode: MaskMode) -> M {
    let masks = step::masks(&model);
    let model = model.materialize();
    let model = model.apply_reparameterization(Attach(|weight, _: &Device| {
        Some(masks.get(&weight)?.in_mode(mode))
    }));
    // What was kept after the step may have drifted, and a shared weight may have had its mask at
    // one of its places.
    step::zero_after_step(model)
}

/// Attaches these masks, by the id of their weight, where there are none.
pub(crate) fn attach_bits<M: Module>(model: M, masks: &HashMap<ParamId, WeightMask>) -> M {
    model.apply_reparameterization(Attach(|weight, _: &Device| masks.get(&weight).cloned()))
}

/// Attaches the masks that this gives for the path and the device of a weight, where there are none.
/// Where it is after the step, the stored weights are zeroed.
pub(crate) fn attach_at<M: Module>(
    model: M,
    mask: impl Fn(&str, &Device) -> Option<WeightMask>,
) -> M {
    let mut attached = HashSet::new();
    let model = model.apply_reparameterization(AttachAt {
        mask,
        attached: &mut attached,
    });
    step::zero_after_walk(model, |weight| attached.contains(&weight))
}

struct AttachAt<'a, F> {
    mask: F,
    attached: &'a mut HashSet<ParamId>,
}

impl<F: Fn(&str, &Device) -> Option<WeightMask>> Reparameterizer for AttachAt<'_, F> {
    type Reparam = WeightMask;

    fn reparameterize<const D: usize>(
        &mut self,
        path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<WeightMask>) {
        let mask = (self.mask)(path, &param.lazy_device());
        if mask.is_some() {
            self.attached.insert(param.id);
        }
        (param, mask)
    }
}

/// Attaches the mask that this gives for the id and the device of a weight.
struct Attach<F>(F);

impl<F: FnMut(ParamId, &Device) -> Option<WeightMask>> Reparameterizer for Attach<F> {
    type Reparam = WeightMask;

    fn reparameterize<const D: usize>(
        &mut self,
        _path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<WeightMask>) {
        let mask = (self.0)(param.id, &param.lazy_device());
        (param, mask)
    }
}

struct ReplaceBits<'a> {
    /// Masks by the id of their weight, each with an id for its bits.
    masks: &'a HashMap<ParamId, (ParamId, &'a Mask)>,
    /// The weight whose reparameterization is being mapped.
    weight: Option<ParamId>,
    in_mask: bool,
}

impl ModuleMapper for ReplaceBits<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.in_mask |= container == REPARAMETERIZATION && name == WeightMask::NAME;
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.in_mask &= container != REPARAMETERIZATION;
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.weight = Some(param.id);
        param
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        let weight = self.weight.filter(|_| self.in_mask);
        match weight.and_then(|weight| self.masks.get(&weight)) {
            Some((id, mask)) => {
                let bits = bits(mask, &param.lazy_device());
                Param::initialized(*id, bits.reshape(param.lazy_shape()))
            }
            None => param,
        }
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        Trust::answer(flag, Answer::Unchanged)
    }
}
