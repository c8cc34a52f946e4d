//! Masks for a model: whether they fit, and which parameters they are for.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use burn::module::Module;

use super::attach::{NewMasks, attach};
use super::place::Place;
use super::{Inventory, Parameter, zeroing};
use crate::mask::{Mask, MaskSet};
use crate::pruner::Pruner;
use crate::{PruneError, Rejected};

/// What becomes of the mask that a parameter has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attachment {
    /// What it prunes stays pruned.
    Intersect,
    /// The new one takes its place.
    Replace,
}

/// Masks that fit a model.
pub(crate) struct Fitting<'a> {
    inventory: Inventory,
    /// By the place of their parameter.
    masks: Vec<(Place, Cow<'a, Mask>)>,
    attachment: Attachment,
}

impl<'a> Fitting<'a> {
    /// The masks of a set, each for the parameter that has its path.
    pub(crate) fn of<M: Module>(
        model: &M,
        set: &'a MaskSet,
        attachment: Attachment,
    ) -> Result<Self, PruneError> {
        let mut inventory = Inventory::of(model);
        let named = set.iter().filter_map(|(path, _)| inventory.find(path));
        let named = named.map(Parameter::place).collect();
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

    /// The masks that a pruner has chosen for a model of which this has been read.
    fn chosen(inventory: Inventory, set: &'a MaskSet) -> Self {
        let masks = set.iter().map(|(path, mask)| {
            let parameter = inventory.find(path).expect("the pruner has selected it");
            (parameter.place(), Cow::Borrowed(mask))
        });
        let masks = masks.collect();
        Self {
            inventory,
            masks,
            // They prune what the masks that are there prune.
            attachment: Attachment::Replace,
        }
    }

    /// Attaches the masks, a shared parameter's at all its places.
    ///
    /// Masks that are there stay in their mode, and new ones are in the same; where that is after
    /// the step, the stored weights are zeroed. Reads nothing back.
    pub(crate) fn attach<M: Module>(self, model: M) -> M {
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
        attach(model, new, self.inventory.mask_mode())
    }

    /// Writes zeros into the stored weights that are pruned now.
    pub(crate) fn zero_pruned<M: Module>(&self, model: M) -> M {
        let changed = self.inventory.parameters.iter();
        let named: HashSet<Place> = self.masks.iter().map(|(place, _)| *place).collect();
        let changed = changed.filter(|parameter| named.contains(&parameter.place()));
        let changed = changed.map(|parameter| parameter.places.as_slice());
        zeroing::zero_pruned_of(model, &changed.collect::<Vec<_>>())
    }
}

/// Attaches the masks that a pruner chooses for a model. Weights and masks are read back together,
/// once.
pub(crate) fn prune<M: Module>(model: M, pruner: &Pruner) -> Result<M, Rejected<M>> {
    match pruner.choose(&BTreeMap::new(), &model) {
        Ok((inventory, masks)) => Ok(Fitting::chosen(inventory, &masks).attach(model)),
        Err(error) => Err(Rejected::new(model, error)),
    }
}

/// The parameter at this path, when a mask of this shape can be attached to it.
fn fitting<'a>(
    inventory: &'a Inventory,
    path: &str,
    shape: &[usize],
) -> Result<&'a Parameter, PruneError> {
    let parameter = inventory
        .find(path)
        .ok_or_else(|| PruneError::MaskFitsNothing {
            path: path.to_string(),
            found: inventory.paths(),
        })?;
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

    use crate::model::count;
    use crate::{Magnitude, MaskMode, Prunable, Pruner};

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
