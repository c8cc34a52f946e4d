//! Masks for a model: whether they fit, and which parameters they are for.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use burn::module::Module;

use super::inventory::Inventory;
use super::new_masks::{Attachment, NewMasks};
use super::parameter::Parameter;
use super::reading::ModelReading;
use super::walk::Place;
use crate::error::PruneError;
use crate::mask::{Mask, MaskMode, MaskSet};

/// Masks that fit a model.
pub(super) struct Fitting<'a> {
    inventory: Inventory,
    /// By the place of their parameter.
    masks: Vec<(Place, Cow<'a, Mask>)>,
    attachment: Attachment,
}

impl<'a> Fitting<'a> {
    /// The masks of a set, each for the parameter that has its path.
    pub(super) fn of<M: Module>(
        model: &M,
        set: &'a MaskSet,
        attachment: Attachment,
    ) -> Result<Self, PruneError> {
        let mut inventory = Inventory::of(model);
        let named = set
            .iter()
            .filter_map(|(path, _)| inventory.find(path))
            .map(Parameter::place)
            .collect();
        inventory.decide(model, &named);
        let mut masks: Vec<(Place, Cow<'a, Mask>)> = Vec::with_capacity(set.len());
        let mut known: HashMap<Place, (usize, &str)> = HashMap::new();
        for (path, mask) in set.iter() {
            let place = fitting(&inventory, path, mask.shape())?.place();
            let Some(&(index, other)) = known.get(&place) else {
                known.insert(place, (masks.len(), path));
                masks.push((place, Cow::Borrowed(mask)));
                continue;
            };
            let before = &mut masks[index].1;
            match attachment {
                Attachment::Intersect => {
                    *before = Cow::Owned(before.clone().into_owned().intersect(mask)?);
                }
                Attachment::Replace if before.as_ref() == mask => {}
                Attachment::Replace => {
                    return Err(PruneError::MasksDiffer {
                        path: path.to_string(),
                        other: other.to_string(),
                    });
                }
            }
        }
        if masks.is_empty() {
            return Err(PruneError::NoMasks);
        }
        Ok(Self {
            inventory,
            masks,
            attachment,
        })
    }

    /// The masks that were chosen for a model of which this has been read.
    pub(super) fn chosen(reading: ModelReading, set: &'a MaskSet) -> Self {
        let inventory = reading.into_inventory();
        let masks = set.iter().map(|(path, mask)| {
            let parameter = inventory.find(path).expect("the pruner has selected it");
            (parameter.place(), Cow::Borrowed(mask))
        });
        Self {
            masks: masks.collect(),
            inventory,
            // They prune what the masks that are there prune.
            attachment: Attachment::Replace,
        }
    }

    /// The mode of the masks that are there, which new masks get too.
    pub(super) fn mask_mode(&self) -> MaskMode {
        self.inventory.mask_mode()
    }

    /// The masks at all places of their parameters.
    pub(super) fn new_masks(&self) -> NewMasks<'_> {
        let by_place: HashMap<Place, &Parameter> = self
            .inventory
            .parameters
            .iter()
            .map(|parameter| (parameter.place(), parameter))
            .collect();
        let mut new = NewMasks::default();
        for (place, mask) in &self.masks {
            new.add(by_place[place], mask, self.attachment);
        }
        new
    }

    /// The places of each parameter that a mask is for.
    pub(super) fn places(&self) -> Vec<&[Place]> {
        let named: HashSet<Place> = self.masks.iter().map(|(place, _)| *place).collect();
        self.inventory
            .parameters
            .iter()
            .filter(|parameter| named.contains(&parameter.place()))
            .map(|parameter| parameter.places.as_slice())
            .collect()
    }
}

/// The parameter at this path, when a mask of this shape can be attached to it.
fn fitting<'a>(
    inventory: &'a Inventory,
    path: &str,
    shape: &[usize],
) -> Result<&'a Parameter, PruneError> {
    let parameter = inventory.at(path)?;
    parameter.check_maskable()?;
    if parameter.shape != shape {
        return Err(PruneError::MaskShape {
            path: path.to_string(),
            expected: parameter.shape.clone(),
            found: shape.to_vec(),
        });
    }
    Ok(parameter)
}

#[cfg(test)]
mod tests {
    use burn::module::Param;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::{DType, Device};

    use crate::criterion::Magnitude;
    use crate::mask::MaskMode;
    use crate::prunable::Prunable;
    use crate::pruner::Pruner;
    use crate::read_back::count;

    /// f32 weights of flex would be borrowed, not read.
    fn layers(count: usize) -> Vec<Linear> {
        let layer = |_| -> Linear {
            let mut layer = LinearConfig::new(8, 8).init(&Device::flex());
            layer.weight = Param::from_tensor(layer.weight.val().cast(DType::F64));
            layer
        };
        (0..count).map(layer).collect()
    }

    fn to_sparsity(sparsity: f64) -> Pruner {
        Pruner::new(Magnitude::l1()).to_sparsity(sparsity)
    }

    #[test]
    fn an_update_waits_for_the_device_once_however_many_masks_there_are() {
        for mode in [MaskMode::OnRead, MaskMode::AfterStep] {
            let layers = layers(5).prune(&to_sparsity(0.25)).unwrap();
            let layers = layers.with_mask_mode(mode).unwrap();
            count::take();
            let masks = to_sparsity(0.5).masks(&layers).unwrap();
            let layers = layers.with_masks(&masks).unwrap();
            assert_eq!(count::take(), 1);
            let layers = layers.prune(&to_sparsity(0.75)).unwrap();
            assert_eq!(count::take(), 1);
            assert!((layers.masks().sparsity() - 0.75).abs() < 1e-9);
        }
    }

    #[test]
    fn places_of_one_id_are_compared_in_the_read_back_that_there_is_anyway() {
        let mut layers = layers(3);
        layers[2] = layers[0].clone();
        count::take();
        let layers = layers.prune(&to_sparsity(0.5)).unwrap();
        assert_eq!(count::take(), 1);
        // Their common mask says the rest.
        let masks = to_sparsity(0.75).masks(&layers).unwrap();
        assert_eq!(masks.len(), 2);
        drop(layers.with_masks(&masks).unwrap());
        assert_eq!(count::take(), 1);
    }
}
