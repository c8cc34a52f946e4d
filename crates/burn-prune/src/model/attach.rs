//! Putting masks onto a model.

use std::collections::{HashMap, HashSet};

use burn::module::{
    Flag, Module, ModuleMapper, Param, ParamId, Reparameterization, Reparameterizer,
};
use burn::tensor::{DType, Device, Int, Tensor};

use super::fitting::Attachment;
use super::place::{Place, Places, REPARAMETERIZATION, paths};
use super::shared::MaskIds;
use super::{Parameter, zeroing};
use crate::mask::{Answer, Mask, MaskMode, Trust, WeightMask, bits};

/// New masks by the place of their weight.
#[derive(Default)]
pub(super) struct NewMasks<'a> {
    masks: Vec<NewMask<'a>>,
    /// The index of the mask, and that of the place among those of the mask.
    by_place: HashMap<Place, (usize, usize)>,
    by_path: HashMap<&'a str, Place>,
}

/// A new mask of one or several places.
struct NewMask<'a> {
    ids: MaskIds,
    mask: &'a Mask,
    /// The mask that it is intersected with.
    before: Option<Tensor<1, Int>>,
    /// On the devices that it has been asked for.
    bits: Vec<(Device, Tensor<1, Int>)>,
}

impl<'a> NewMasks<'a> {
    /// The mask of a parameter, at all its places.
    pub(super) fn add(&mut self, parameter: &'a Parameter, mask: &'a Mask, attachment: Attachment) {
        let places = parameter.paths.iter().zip(&parameter.places);
        for (index, (path, place)) in places.enumerate() {
            self.by_place.insert(*place, (self.masks.len(), index));
            self.by_path.insert(path, *place);
        }
        let before = parameter.bits();
        self.masks.push(NewMask {
            ids: MaskIds::new(parameter.places.len()),
            mask,
            before: before.filter(|_| attachment == Attachment::Intersect),
            bits: Vec::new(),
        });
    }

    /// The id and the bits of the mask at this place, if there is one.
    fn at(&mut self, place: Place, device: &Device) -> Option<(ParamId, Tensor<1, Int>)> {
        let (mask, index) = *self.by_place.get(&place)?;
        let mask = &mut self.masks[mask];
        Some((mask.ids.at(index), mask.on(device)))
    }
}

impl NewMask<'_> {
    fn on(&mut self, device: &Device) -> Tensor<1, Int> {
        let same = |known: &Device| known == device && known.is_autodiff() == device.is_autodiff();
        if let Some((_, bits)) = self.bits.iter().find(|(known, _)| same(known)) {
            return bits.clone();
        }
        let new = bits(self.mask, device);
        let bits = match &self.before {
            // The intersection is made where the bits are: reading them would be a wait.
            Some(before) => {
                let plain = device.clone().without_autodiff();
                let before = before.clone().without_autodiff().to_device(&plain);
                let both = before.cast(DType::I32).bitwise_and(new.without_autodiff());
                if device.is_autodiff() {
                    Tensor::from_inner(both)
                } else {
                    both
                }
            }
            None => new,
        };
        self.bits.push((device.clone(), bits.clone()));
        bits
    }
}

/// Attaches these masks, a shared parameter's at all its places.
///
/// Masks that are there stay in their mode, and new ones are in this one; where that is after the
/// step, the stored weights are zeroed. Reads nothing back.
pub(super) fn attach<M: Module>(model: M, mut masks: NewMasks<'_>, mode: MaskMode) -> M {
    // Burn puts a reparameterization that is there back after mapping the weight under it. So
    // masks that are there change from the inside, and attaching reaches only the others.
    let model = model.map(&mut ReplaceBits {
        masks: &mut masks,
        places: Places::default(),
        in_mask: false,
    });
    let model = model.apply_reparameterization(Attach(|path: &str, device: &Device| {
        let place = *masks.by_path.get(path)?;
        let (id, bits) = masks.at(place, device)?;
        Some(WeightMask::from_bits(bits, id, mode))
    }));
    // Attaching was a walk over the weights that are masked already.
    zeroing::zero_after_walk(model, |place| masks.by_place.contains_key(&place))
}

/// Takes the masks off, which writes their zeros, and attaches them in this mode.
///
/// There must be no other reparameterization: Burn would merge it into its weight.
pub(crate) fn set_mode<M: Module>(model: M, mode: MaskMode) -> M {
    let masks = zeroing::masks(&model).into_iter();
    let masks: HashMap<Place, WeightMask> = masks
        .map(|attached| (attached.place, attached.into_mask().in_mode(mode)))
        .collect();
    let paths: HashMap<String, Place> = paths(&model).into_iter().collect();
    let model = model.materialize();
    let model = model.apply_reparameterization(Attach(|path: &str, _: &Device| {
        masks.get(paths.get(path)?).cloned()
    }));
    // What was kept after the step may have drifted.
    zeroing::zero_after_step(model)
}

/// Attaches these masks, by the path of their weight, where there are none.
pub(crate) fn attach_bits<M: Module>(model: M, masks: &HashMap<String, WeightMask>) -> M {
    model.apply_reparameterization(Attach(|path: &str, _: &Device| masks.get(path).cloned()))
}

/// Attaches the masks that this gives for the path and the device of a weight, where there are none.
/// Where it is after the step, the stored weights are zeroed.
pub(crate) fn attach_at<M: Module>(
    model: M,
    mask: impl Fn(&str, &Device) -> Option<WeightMask>,
) -> M {
    let mut attached = HashSet::new();
    let model = model.apply_reparameterization(Attach(|path: &str, device: &Device| {
        let mask = mask(path, device)?;
        attached.insert(path.to_string());
        Some(mask)
    }));
    let places = paths(&model).into_iter();
    let attached: HashSet<Place> = places
        .filter(|(path, _)| attached.contains(path))
        .map(|(_, place)| place)
        .collect();
    zeroing::zero_after_walk(model, |place| attached.contains(&place))
}

/// Attaches the mask that this gives for the path and the device of a weight.
struct Attach<F>(F);

impl<F: FnMut(&str, &Device) -> Option<WeightMask>> Reparameterizer for Attach<F> {
    type Reparam = WeightMask;

    fn reparameterize<const D: usize>(
        &mut self,
        path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<WeightMask>) {
        let mask = (self.0)(path, &param.lazy_device());
        (param, mask)
    }
}

struct ReplaceBits<'a, 'm> {
    masks: &'a mut NewMasks<'m>,
    places: Places,
    in_mask: bool,
}

impl ModuleMapper for ReplaceBits<'_, '_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.places.enter(container);
        self.in_mask |= container == REPARAMETERIZATION && name == WeightMask::NAME;
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.places.exit(container);
        self.in_mask &= container != REPARAMETERIZATION;
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.places.visit();
        param
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        let place = self.places.last().filter(|_| self.in_mask);
        let device = param.lazy_device();
        match place.and_then(|place| self.masks.at(place, &device)) {
            Some((id, bits)) => Param::initialized(id, bits.reshape(param.lazy_shape())),
            None => param,
        }
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        Trust::answer(flag, Answer::Unchanged)
    }
}
