//! Kinds that many operations have.

use std::fmt::Debug;

use burn::backend::ir::{BinaryOpIr, ReduceDimOpIr, ScalarIr, ScalarOpIr, UnaryOpIr};

use super::name::name;
use super::{Kind, Translated};
use crate::graph::operation::Number;

pub(super) fn elementwise(name: &str) -> Kind {
    Kind::Elementwise {
        name: name.to_string(),
        scalars: Vec::new(),
    }
}

pub(super) fn unary<'a>(operation: &impl Debug, op: &'a UnaryOpIr) -> Translated<'a> {
    (elementwise(&name(operation)), vec![&op.input])
}

pub(super) fn binary<'a>(operation: &impl Debug, op: &'a BinaryOpIr) -> Translated<'a> {
    (elementwise(&name(operation)), vec![&op.lhs, &op.rhs])
}

pub(super) fn scalar<'a>(operation: &impl Debug, op: &'a ScalarOpIr) -> Translated<'a> {
    let kind = Kind::Elementwise {
        name: name(operation),
        scalars: vec![number(&op.rhs)],
    };
    (kind, vec![&op.lhs])
}

pub(super) fn reduce<'a>(operation: &impl Debug, op: &'a ReduceDimOpIr) -> Translated<'a> {
    let kind = Kind::Reduce {
        name: name(operation),
        axes: vec![op.axis],
    };
    (kind, vec![&op.input])
}

pub(super) fn along(operation: &impl Debug, axis: usize) -> Kind {
    Kind::Along {
        name: name(operation),
        axis,
    }
}

pub(super) fn create(operation: &impl Debug) -> Translated<'static> {
    let name = name(operation);
    (Kind::Create { name }, Vec::new())
}

pub(super) fn number(scalar: &ScalarIr) -> Number {
    Number(match scalar {
        ScalarIr::Float(value) => *value,
        ScalarIr::Int(value) => *value as f64,
        ScalarIr::UInt(value) => *value as f64,
        ScalarIr::Bool(value) => f64::from(u8::from(*value)),
    })
}
