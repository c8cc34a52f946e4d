//! The masks that are attached to a model.

use burn::module::{Module, Param, ParamId};
use burn::tensor::{Int, Tensor};

use super::walk::{Place, Position, WeightVisitor, visit};
use crate::mask::{MaskMode, Trust, WeightMask};

/// A mask on a model, on its device.
#[derive(Clone)]
pub(super) struct Attached {
    pub place: Place,
    /// The id of the weight.
    #[cfg_attr(
        not(feature = "optim"),
        expect(dead_code, reason = "gradients have it")
    )]
    pub weight: ParamId,
    pub mask: WeightMask,
}

impl Attached {
    pub(super) fn is_after_step(&self) -> bool {
        self.mask.mode() == MaskMode::AfterStep
    }
}

/// The masks of a model in its order. Reads nothing back.
pub(super) fn attached<M: Module>(model: &M) -> Vec<Attached> {
    visit(model, Collector::default()).masks
}

#[derive(Default)]
struct Collector {
    masks: Vec<Attached>,
    /// The id of the weight that was visited last.
    weight: Option<ParamId>,
    bits: Option<(ParamId, Tensor<1, Int>)>,
}

impl WeightVisitor for Collector {
    fn weight<const D: usize>(&mut self, _at: &Position, param: &Param<Tensor<D>>) {
        self.weight = Some(param.id);
    }

    fn bits(&mut self, _at: &Position, bits: &Param<Tensor<1, Int>>) {
        self.bits = Some((bits.id, bits.val()));
    }

    fn mask(&mut self, at: &Position, mode: MaskMode, trust: Trust) {
        if let (Some(weight), Some((id, bits))) = (self.weight, self.bits.take()) {
            self.masks.push(Attached {
                place: at.place(),
                weight,
                mask: WeightMask::from_bits(bits, id, mode).with_trust(trust),
            });
        }
    }
}
