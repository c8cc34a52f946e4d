//! Putting masks onto a model and taking them off.

use std::collections::{HashMap, HashSet};

use burn::module::{Module, Param, Reparameterizer};
use burn::tensor::{Device, Int, Tensor};

use super::attached::attached;
use super::fitting::Fitting;
use super::inventory::Inventory;
use super::new_masks::{Attachment, NewMasks};
use super::reading::ModelReading;
use super::walk::{Place, Position, WeightMapper, map, paths};
use super::zeroing::{zero_after_step, zero_after_walk, zero_pruned_of};
use crate::error::PruneError;
use crate::mask::{Answer, MaskMode, MaskSet, WeightMask};
use crate::rejected::{Rejected, accept};

/// Attaches masks, each intersected with the mask that is there.
pub(crate) fn with_masks<M: Module>(model: M, masks: &MaskSet) -> Result<M, Rejected<M>> {
    let fitting = Fitting::of(&model, masks, Attachment::Intersect);
    let (fitting, model) = accept(fitting, model)?;
    Ok(attach(model, &fitting))
}

/// Attaches masks in the place of those that are there. What comes back starts at 0.
pub(crate) fn replace_masks<M: Module>(model: M, masks: &MaskSet) -> Result<M, Rejected<M>> {
    let fitting = Fitting::of(&model, masks, Attachment::Replace);
    let (fitting, model) = accept(fitting, model)?;
    let model = zero_pruned_of(model, &fitting.places());
    Ok(attach(model, &fitting))
}

/// Attaches the masks that were chosen for a model of which this has been read, which prune all
/// that is pruned already. The model is not looked at again.
pub(crate) fn attach_chosen<M: Module>(model: M, reading: ModelReading, masks: &MaskSet) -> M {
    attach(model, &Fitting::chosen(reading, masks))
}

/// Changes when the zeros are put in: takes the masks off, which writes their zeros, and attaches
/// them in this mode.
pub(crate) fn with_mask_mode<M: Module>(model: M, mode: MaskMode) -> Result<M, Rejected<M>> {
    let ((), model) = accept(check_detachable(&model), model)?;
    let masks: HashMap<Place, WeightMask> = attached(&model)
        .into_iter()
        .map(|attached| (attached.place, attached.mask.in_mode(mode)))
        .collect();
    let paths: HashMap<String, Place> = paths(&model).into_iter().collect();
    let model = model
        .materialize()
        .apply_reparameterization(Attach(|path: &str, _: &Device| {
            masks.get(paths.get(path)?).cloned()
        }));
    // What was kept after the step may have drifted.
    Ok(zero_after_step(model))
}

/// Writes the zeros into the weights, and takes the masks off.
pub(crate) fn make_permanent<M: Module>(model: M) -> Result<M, Rejected<M>> {
    let ((), model) = accept(check_detachable(&model), model)?;
    // A weight that is kept after the step may have drifted since.
    Ok(zero_after_step(model).materialize())
}

/// Takes the masks off. What is stored stays, bit for bit.
pub(crate) fn detach_masks<M: Module>(model: M) -> Result<M, Rejected<M>> {
    let ((), model) = accept(check_detachable(&model), model)?;
    // Burn removes a reparameterization only by storing what is read. So let what is read be what
    // is stored.
    Ok(map(model, ReadAsStored).materialize())
}

/// Burn would merge any other reparameterization into its weight along with the masks.
fn check_detachable<M: Module>(model: &M) -> Result<(), PruneError> {
    Inventory::of(model).check_detachable()
}

struct ReadAsStored;

impl WeightMapper for ReadAsStored {
    fn answer(&self) -> Option<Answer> {
        Some(Answer::AsStored)
    }
}

/// Attaches masks that fit, a shared parameter's at all its places.
///
/// Masks that are there stay in their mode, and new ones are in the same; where that is after the
/// step, the stored weights are zeroed. Reads nothing back.
fn attach<M: Module>(model: M, fitting: &Fitting<'_>) -> M {
    let mode = fitting.mask_mode();
    let mut masks = fitting.new_masks();
    // Burn puts an existing reparameterization back after it has mapped the weight. So existing
    // masks are changed from the inside, and attaching reaches only the other weights.
    let model = map(model, ReplaceBits(&mut masks));
    let model = model.apply_reparameterization(Attach(|path: &str, device: &Device| {
        let place = masks.place(path)?;
        let (id, bits) = masks.at(place, device)?;
        Some(WeightMask::from_bits(bits, id, mode))
    }));
    // Attaching was a walk over the weights that are masked already.
    zero_after_walk(model, |place| masks.has(place))
}

/// Changes the masks that are there.
struct ReplaceBits<'a, 'm>(&'a mut NewMasks<'m>);

impl WeightMapper for ReplaceBits<'_, '_> {
    fn bits<const D: usize>(
        &mut self,
        at: &Position,
        bits: Param<Tensor<D, Int>>,
    ) -> Param<Tensor<D, Int>> {
        let device = bits.lazy_device();
        match self.0.at(at.place(), &device) {
            Some((id, new)) => Param::initialized(id, new.reshape(bits.lazy_shape())),
            None => bits,
        }
    }

    fn answer(&self) -> Option<Answer> {
        Some(Answer::Unchanged)
    }
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
    let attached: HashSet<Place> = paths(&model)
        .into_iter()
        .filter_map(|(path, place)| attached.contains(&path).then_some(place))
        .collect();
    zero_after_walk(model, |place| attached.contains(&place))
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
