//! Putting masks onto a model.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, Param, ParamId, Reparameterization, Reparameterizer};
use burn::tensor::{Int, Tensor};

use super::inventory::{Inventory, Parameter, REPARAMETERIZATION};
use crate::{Mask, WeightMask, mask::bits};

/// Attaches these masks, replacing those that are attached already.
///
/// The masks must fit: see [`Parameter::check_maskable`](super::Parameter::check_maskable).
pub(crate) fn attach<M: Module>(model: M, masks: &HashMap<ParamId, Mask>) -> M {
    // A shared parameter gets the same mask, and the same identity of it, at each place.
    let with_id = |(id, mask): (&ParamId, &Mask)| (*id, (ParamId::new(), mask.clone()));
    let masks: HashMap<_, _> = masks.iter().map(with_id).collect();

    // Burn puts a reparameterization that is there back after mapping the weight under it. So
    // masks that are there change from the inside, and attaching reaches only the others.
    let model = model.map(&mut ReplaceBits {
        masks: &masks,
        weight: None,
        in_mask: false,
    });
    model.apply_reparameterization(Attach { masks: &masks })
}

/// Masks by the id of their weight, each with an id for its bits.
type Masks = HashMap<ParamId, (ParamId, Mask)>;

struct Attach<'a> {
    masks: &'a Masks,
}

impl Reparameterizer for Attach<'_> {
    type Reparam = WeightMask;

    fn reparameterize<const D: usize>(
        &mut self,
        _path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<WeightMask>) {
        let mask = self.masks.get(&param.id);
        let mask = mask.map(|(id, mask)| WeightMask::new(mask, *id, &param.lazy_device()));
        (param, mask)
    }
}

struct ReplaceBits<'a> {
    masks: &'a Masks,
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
}

/// Writes zeros into the stored weights under the masks. Ids, load and save mappers stay.
pub(crate) fn zero_pruned<M: Module>(model: M) -> M {
    let masked = Inventory::of(&model).parameters;
    let masks = masked.into_iter().filter_map(Parameter::into_weight_mask);
    let masks = masks.collect();
    model.map(&mut ZeroPruned { masks })
}

struct ZeroPruned {
    masks: HashMap<ParamId, WeightMask>,
}

impl ModuleMapper for ZeroPruned {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.masks.get(&param.id) {
            Some(mask) => param.map(|weight| mask.apply(weight)),
            None => param,
        }
    }
}
