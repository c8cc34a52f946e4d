//! What tensors of every type have: shapes, parts, masks.

use burn::backend::ir::BaseOperationIr as Base;

use super::kinds::{binary, elementwise, number, reduce, scalar};
use super::{Kind, Translated};
use crate::graph::{Creation, Elementwise as E, Reduction};

pub(super) fn base(operation: &Base) -> Option<Translated<'_>> {
    Some(match operation {
        Base::Reshape(op) => (Kind::Reshape, vec![&op.input]),
        Base::SwapDims(op) => {
            let mut axes: Vec<usize> = (0..op.input.shape.num_dims()).collect();
            axes.swap(op.dim1, op.dim2);
            (Kind::Permute { axes }, vec![&op.input])
        }
        Base::Permute(op) => {
            let axes = op.axes.clone();
            (Kind::Permute { axes }, vec![&op.input])
        }
        Base::Flip(op) => {
            let axes = op.axes.clone();
            (Kind::Flip { axes }, vec![&op.input])
        }
        Base::Expand(op) => (Kind::Expand, vec![&op.input]),
        Base::Slice(op) => {
            let sizes = op.tensor.shape.iter().copied();
            let full = |size: usize| (0, size, 1);
            let mut ranges: Vec<_> = sizes.map(full).collect();
            for (range, slice) in ranges.iter_mut().zip(&op.ranges) {
                let (bounds, step) = slice.to_range_and_step(range.1);
                *range = (bounds.start, bounds.end, step);
            }
            (Kind::Slice { ranges }, vec![&op.tensor])
        }
        Base::Select(op) => {
            let kind = Kind::Select { axis: op.dim };
            (kind, vec![&op.tensor, &op.indices])
        }
        Base::RepeatDim(op) => {
            let (axis, times) = (op.dim, op.times);
            (Kind::Repeat { axis, times }, vec![&op.tensor])
        }
        Base::Cat(op) => {
            let kind = Kind::Concatenate { axis: op.dim };
            (kind, op.tensors.iter().collect())
        }
        Base::Cast(op) => (elementwise(E::Cast, Vec::new()), vec![&op.input]),
        Base::MaskWhere(op) => (
            elementwise(E::MaskWhere, Vec::new()),
            vec![&op.tensor, &op.mask, &op.value],
        ),
        Base::MaskFill(op) => {
            let scalars = vec![number(&op.value)];
            (
                elementwise(E::MaskFill, scalars),
                vec![&op.tensor, &op.mask],
            )
        }
        Base::Equal(op) => binary(E::Equal, op),
        Base::NotEqual(op) => binary(E::NotEqual, op),
        Base::EqualElem(op) => scalar(E::EqualElem, op),
        Base::NotEqualElem(op) => scalar(E::NotEqualElem, op),
        Base::Empty(_) => create(Creation::Empty),
        Base::Ones(_) => create(Creation::Ones),
        Base::Zeros(_) => create(Creation::Zeros),
        Base::AllDim(op) => (reduce(Reduction::AllDim, &[op.axis]), vec![&op.input]),
        Base::AnyDim(op) => (reduce(Reduction::AnyDim, &[op.axis]), vec![&op.input]),
        _ => return None,
    })
}

fn create(operation: Creation) -> Translated<'static> {
    (Kind::Create { operation }, Vec::new())
}
