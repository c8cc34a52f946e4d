//! What can be done to a masked model.

use burn::module::{ModuleMapper, Param};
use burn::tensor::Tensor;
use proptest::prelude::*;

/// What happens to the model. Numbers are seeds.
#[derive(Debug, Clone)]
pub(super) enum Deed {
    /// Its own record, with what has drifted under the masks.
    OwnRecord,
    /// A record of the same model in which everything is other: weights, masks, mode on read.
    OnReadRecord(u64),
    /// A record without masks, of some of the layers.
    DensePartialRecord(u64),
    /// The same out of a file of another format.
    Safetensors(u64),
    MaskedRecord(u64),
    Map(Change),
    Step,
    ZeroPruned,
    Valid,
    Train,
    Clone,
    Fork,
    ToDevice,
    FreezeAndBack,
    WithMasks(Where, u64),
    ReplaceMasks(Where, u64),
    Mode(bool),
    Rewind(u64),
    /// A write to one field, which drops its mask.
    WriteField(usize),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    Add,
    Nan,
    Infinity,
    NegativeZero,
}

/// The layers that a deed is about.
pub(super) type Where = [bool; 3];

pub(super) fn deed() -> impl Strategy<Value = Deed> {
    let layers = prop::array::uniform3(any::<bool>());
    let change = prop_oneof![
        Just(Change::Add),
        Just(Change::Nan),
        Just(Change::Infinity),
        Just(Change::NegativeZero)
    ];
    let seed = 0u64..1000;
    prop_oneof![
        Just(Deed::OwnRecord),
        seed.clone().prop_map(Deed::OnReadRecord),
        seed.clone().prop_map(Deed::DensePartialRecord),
        seed.clone().prop_map(Deed::Safetensors),
        seed.clone().prop_map(Deed::MaskedRecord),
        change.prop_map(Deed::Map),
        Just(Deed::Step),
        Just(Deed::Step),
        Just(Deed::ZeroPruned),
        Just(Deed::ZeroPruned),
        Just(Deed::Valid),
        Just(Deed::Train),
        Just(Deed::Clone),
        Just(Deed::Fork),
        Just(Deed::ToDevice),
        Just(Deed::FreezeAndBack),
        (layers, seed.clone()).prop_map(|(layers, seed)| Deed::WithMasks(layers, seed)),
        (layers, seed.clone()).prop_map(|(layers, seed)| Deed::ReplaceMasks(layers, seed)),
        any::<bool>().prop_map(Deed::Mode),
        seed.prop_map(Deed::Rewind),
        (0usize..3).prop_map(Deed::WriteField),
    ]
}

pub(super) struct Mapper(pub(super) Change);

impl ModuleMapper for Mapper {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let change = self.0;
        param.map(|weight| {
            let require_grad = weight.is_require_grad();
            let weight = weight.detach().set_require_grad(false);
            let changed = match change {
                Change::Add => weight + 0.5,
                // Where they are, the sign of the weight says.
                Change::Nan => {
                    let negative = weight.clone().lower_elem(0.0);
                    weight.mask_fill(negative, f32::NAN)
                }
                Change::Infinity => {
                    let positive = weight.clone().greater_elem(0.0);
                    weight.mask_fill(positive, f32::INFINITY)
                }
                Change::NegativeZero => {
                    let positive = weight.clone().greater_elem(0.1);
                    weight.mask_fill(positive, -0.0)
                }
            };
            changed.set_require_grad(require_grad)
        })
    }
}

/// As a user would clip a weight.
pub(super) fn twice<const D: usize>(param: Param<Tensor<D>>) -> Param<Tensor<D>> {
    param.map(|weight| {
        let require_grad = weight.is_require_grad();
        let weight = weight.detach().set_require_grad(false);
        (weight * 2.0).set_require_grad(require_grad)
    })
}
