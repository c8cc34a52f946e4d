//! Kinds that many operations have.

use burn::backend::ir::{BinaryOpIr, ScalarIr, ScalarOpIr, UnaryOpIr};

use super::{Kind, Translated};
use crate::graph::{Along, Elementwise, Number, Reduction};

pub(super) fn elementwise(operation: Elementwise, scalars: Vec<Number>) -> Kind {
    Kind::Elementwise { operation, scalars }
}

pub(super) fn unary(operation: Elementwise, op: &UnaryOpIr) -> Translated<'_> {
    (elementwise(operation, Vec::new()), vec![&op.input])
}

pub(super) fn binary(operation: Elementwise, op: &BinaryOpIr) -> Translated<'_> {
    (elementwise(operation, Vec::new()), vec![&op.lhs, &op.rhs])
}

pub(super) fn scalar(operation: Elementwise, op: &ScalarOpIr) -> Translated<'_> {
    let scalars = vec![number(&op.rhs)];
    (elementwise(operation, scalars), vec![&op.lhs])
}

pub(super) fn reduce(operation: Reduction, axes: &[usize]) -> Kind {
    let axes = axes.to_vec();
    Kind::Reduce { operation, axes }
}

pub(super) fn along(operation: Along, axis: usize) -> Kind {
    Kind::Along { operation, axis }
}

pub(super) fn number(scalar: &ScalarIr) -> Number {
    Number(match scalar {
        ScalarIr::Float(value) => *value,
        ScalarIr::Int(value) => *value as f64,
        ScalarIr::UInt(value) => *value as f64,
        ScalarIr::Bool(value) => f64::from(u8::from(*value)),
    })
}
