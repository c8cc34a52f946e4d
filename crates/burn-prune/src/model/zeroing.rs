//! The passes of a training loop that keeps the masks after each step.

use std::any::Any;
use std::collections::{HashMap, HashSet};

use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param, ParamId, Reparameterization};
use burn::tensor::{Int, Tensor};

use super::place::{Place, Places, REPARAMETERIZATION};
use super::update::update;
use crate::mask::{Answer, MaskMode, Trust, WeightMask};

/// A mask on a model.
#[derive(Clone)]
pub(super) struct Attached {
    pub(super) place: Place,
    /// The id of the weight.
    #[cfg_attr(
        not(feature = "optim"),
        expect(dead_code, reason = "gradients have it")
    )]
    weight: ParamId,
    mask: WeightMask,
}

impl Attached {
    pub(super) fn into_mask(self) -> WeightMask {
        self.mask
    }

    fn is_after_step(&self) -> bool {
        self.mask.mode() == MaskMode::AfterStep
    }
}

/// Writes 0 into the stored weights that are pruned, in place where nothing else holds them.
///
/// Ids, load and save mappers stay.
pub(crate) fn zero_pruned<M: Module>(model: M) -> M {
    let masks = masks(&model);
    zero(model, masks)
}

/// [`zero_pruned`] for the weights at these places alone, those of one parameter together: at the
/// places of it that have no mask, that of the others.
pub(super) fn zero_pruned_of<M: Module>(model: M, parameters: &[&[Place]]) -> M {
    let mut masks: HashMap<Place, Attached> = masks(&model)
        .into_iter()
        .map(|mask| (mask.place, mask))
        .collect();
    let mut all = Vec::new();
    for places in parameters {
        let Some(other) = places.iter().find_map(|place| masks.get(place)).cloned() else {
            continue;
        };
        all.extend(places.iter().map(|place| {
            let other = || Attached {
                place: *place,
                ..other.clone()
            };
            masks.remove(place).unwrap_or_else(other)
        }));
    }
    zero(model, all)
}

/// [`zero_pruned`] for those masks that are kept after the step.
pub(crate) fn zero_after_step<M: Module>(model: M) -> M {
    let mut masks = masks(&model);
    masks.retain(Attached::is_after_step);
    zero(model, masks)
}

/// What follows a walk of a mapper that is known to have changed no weights but these: they are
/// zeroed, and the others are as they were. Masks on read are left alone.
///
/// A weight that anything else may have changed is zeroed as well.
pub(super) fn zero_after_walk<M: Module>(model: M, changed: impl Fn(Place) -> bool) -> M {
    let mut masks = masks(&model);
    masks.retain(Attached::is_after_step);
    settle(model, masks, |mask| changed(mask.place))
}

/// [`zero_after_walk`] for a step of an optimizer, which has moved these weights. Those of them
/// with a mask on read are zeroed too.
#[cfg(feature = "optim")]
pub(crate) fn zero_after_optimizer<M: Module>(model: M, moved: &HashSet<ParamId>) -> M {
    let mut masks = masks(&model);
    masks.retain(|mask| mask.is_after_step() || moved.contains(&mask.weight));
    settle(model, masks, |mask| moved.contains(&mask.weight))
}

fn settle<M: Module>(model: M, masks: Vec<Attached>, changed: impl Fn(&Attached) -> bool) -> M {
    let untouched = masks.iter().filter(|attached| {
        !changed(attached) && matches!(attached.mask.trust(), Trust::Zeroed | Trust::WalkedOnce)
    });
    let untouched = untouched.map(|attached| attached.place).collect();
    map_zero(model, masks, untouched)
}

/// [`zero_pruned`] with these masks.
fn zero<M: Module>(model: M, masks: Vec<Attached>) -> M {
    map_zero(model, masks, HashSet::new())
}

fn map_zero<M: Module>(model: M, masks: Vec<Attached>, untouched: HashSet<Place>) -> M {
    if masks.is_empty() {
        return model;
    }
    let masks = masks.into_iter();
    model.map(&mut ZeroPruned {
        masks: masks.map(|mask| (mask.place, mask.mask)).collect(),
        untouched,
        places: Places::default(),
        answer: Answer::Unchanged,
    })
}

/// The masks of a model in its order, on their device. Reads nothing back.
pub(super) fn masks<M: Module>(model: &M) -> Vec<Attached> {
    let mut masks = Masks::default();
    model.visit(&mut masks);
    masks.masks
}

#[derive(Default)]
struct Masks {
    masks: Vec<Attached>,
    places: Places,
    weight: Option<(Place, ParamId)>,
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
        self.places.enter(container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.places.exit(container);
        if container != REPARAMETERIZATION {
            return;
        }
        self.in_mask = false;
        if let (Some((place, weight)), Some((id, bits))) = (self.weight, self.bits.take()) {
            let trust = self.trust.take().unwrap_or(Trust::Unknown);
            let mask = WeightMask::from_bits(bits, id, self.mode).with_trust(trust);
            self.masks.push(Attached {
                place,
                weight,
                mask,
            });
        }
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(place) = self.places.visit() {
            self.weight = Some((place, param.id));
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
    masks: HashMap<Place, WeightMask>,
    /// Those of them whose weight is zero already.
    untouched: HashSet<Place>,
    places: Places,
    /// What is said about the last weight.
    answer: Answer,
}

impl ModuleMapper for ZeroPruned {
    fn enter_module(&mut self, _name: &str, container: &str) {
        self.places.enter(container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.places.exit(container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(place) = self.places.visit() else {
            return param;
        };
        let Some(mask) = self.masks.get(&place) else {
            self.answer = Answer::Unchanged;
            return param;
        };
        self.answer = Answer::Zeroed;
        if self.untouched.contains(&place) {
            return param;
        }
        update(param, |weight| mask.zero_pruned(weight))
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        Trust::answer(flag, self.answer)
    }
}
