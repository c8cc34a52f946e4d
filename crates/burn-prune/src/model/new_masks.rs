//! Masks that are about to be attached, on the devices of their weights.

use std::collections::HashMap;

use burn::module::ParamId;
use burn::tensor::{DType, Device, Int, Tensor};

use super::mask_ids::MaskIds;
use super::parameter::Parameter;
use super::walk::Place;
use crate::mask::{Mask, bits};

/// What becomes of the mask that a parameter has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Attachment {
    /// What it prunes stays pruned.
    Intersect,
    /// The new one takes its place.
    Replace,
}

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

    /// Whether there is a mask for this place.
    pub(super) fn has(&self, place: Place) -> bool {
        self.by_place.contains_key(&place)
    }

    /// The place of the weight at this path, if there is a mask for it.
    pub(super) fn place(&self, path: &str) -> Option<Place> {
        self.by_path.get(path).copied()
    }

    /// The id and the bits of the mask at this place, if there is one.
    pub(super) fn at(
        &mut self,
        place: Place,
        device: &Device,
    ) -> Option<(ParamId, Tensor<1, Int>)> {
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
        let bits = self.made_on(device);
        self.bits.push((device.clone(), bits.clone()));
        bits
    }

    fn made_on(&self, device: &Device) -> Tensor<1, Int> {
        let new = bits(self.mask, device);
        let Some(before) = &self.before else {
            return new;
        };
        // The intersection is made where the bits are: reading them would be a wait.
        let plain = device.clone().without_autodiff();
        let before = before.clone().without_autodiff().to_device(&plain);
        let both = before.cast(DType::I32).bitwise_and(new.without_autodiff());
        if device.is_autodiff() {
            Tensor::from_inner(both)
        } else {
            both
        }
    }
}
