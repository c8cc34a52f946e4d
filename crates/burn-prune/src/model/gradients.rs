//! The gradients of pruned weights.

use std::collections::HashMap;

use burn::module::{Module, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use super::attached::attached;
use super::walk::{Place, Position, WeightVisitor, visit};
use crate::mask::WeightMask;

/// Writes 0 into the gradients of pruned weights, in place where nothing else holds them.
///
/// Burn keeps gradients by the id of their parameter. Where several places of one id are trained,
/// it is unknown whose gradient it is, so it is 0 where all of them are pruned: what one of them
/// keeps is never left without its gradient.
pub(crate) fn zero_pruned_gradients<M: Module>(
    model: &M,
    grads: GradientsParams,
) -> GradientsParams {
    let masks: HashMap<Place, WeightMask> = attached(model)
        .into_iter()
        .map(|attached| (attached.place, attached.mask))
        .collect();
    if masks.is_empty() {
        return grads;
    }
    let owners = Owners {
        masks: &masks,
        found: HashMap::new(),
    };
    let pass = ZeroGradients {
        masks: visit(model, owners).into_masks(),
        grads,
    };
    visit(model, pass).grads
}

/// Finds the masks of the places that a gradient may belong to.
struct Owners<'a> {
    masks: &'a HashMap<Place, WeightMask>,
    found: HashMap<ParamId, Owned<'a>>,
}

/// The places of one id.
#[derive(Default)]
struct Owned<'a> {
    trained: Vec<Option<&'a WeightMask>>,
    others: Vec<Option<&'a WeightMask>>,
}

impl Owners<'_> {
    fn into_masks(self) -> HashMap<ParamId, WeightMask> {
        let masks = self.found.into_iter().filter_map(|(id, owned)| {
            let owners = if owned.trained.is_empty() {
                owned.others
            } else {
                owned.trained
            };
            let mut owners = owners.into_iter();
            let first = owners.next()??.clone();
            let union = owners.try_fold(first, |union, mask| union.union(mask?))?;
            Some((id, union))
        });
        masks.collect()
    }
}

impl WeightVisitor for Owners<'_> {
    fn weight<const D: usize>(&mut self, at: &Position, param: &Param<Tensor<D>>) {
        let owned = self.found.entry(param.id).or_default();
        let mask = self.masks.get(&at.place());
        // What has not been initialized has not been used.
        if param.is_initialized() && param.base().is_require_grad() {
            owned.trained.push(mask);
        } else {
            owned.others.push(mask);
        }
    }
}

struct ZeroGradients {
    masks: HashMap<ParamId, WeightMask>,
    grads: GradientsParams,
}

impl WeightVisitor for ZeroGradients {
    fn weight<const D: usize>(&mut self, _at: &Position, param: &Param<Tensor<D>>) {
        // Once for each id.
        let Some(mask) = self.masks.remove(&param.id) else {
            return;
        };
        if let Some(gradient) = self.grads.remove::<D>(param.id) {
            // With sharded optimizers gradients are where their part of the optimizer is.
            let gradient = mask.zero_pruned_on_its_device(gradient);
            self.grads.register::<D>(param.id, gradient);
        }
    }
}
