//! From Burn's intermediate representation to our operations.

mod arithmetic;
mod base;
mod kinds;
mod module;
mod name;

use burn::backend::ir::{OperationIr, TensorIr};

use super::OperationKind as Kind;
use name::name;

type Translated<'a> = (Kind, Vec<&'a TensorIr>);

/// The kind of an operation, and its inputs in the order that the kind gives.
pub(in crate::graph) fn translate(operation: &OperationIr) -> Translated<'_> {
    let known = match operation {
        OperationIr::BaseFloat(base) | OperationIr::BaseInt(base) | OperationIr::BaseBool(base) => {
            base::base(base)
        }
        OperationIr::NumericFloat(_, numeric) | OperationIr::NumericInt(_, numeric) => {
            arithmetic::numeric(numeric)
        }
        OperationIr::Float(_, float) => arithmetic::float(float),
        OperationIr::Int(int) => arithmetic::int(int),
        OperationIr::Bool(bool) => arithmetic::bool(bool),
        OperationIr::Activation(activation) => arithmetic::activation(activation),
        OperationIr::Module(module) => module::module(module),
        _ => None,
    };
    known.unwrap_or_else(|| {
        let name = match operation {
            OperationIr::Custom(custom) => custom.id.clone(),
            OperationIr::BaseFloat(operation)
            | OperationIr::BaseInt(operation)
            | OperationIr::BaseBool(operation) => name(operation),
            OperationIr::NumericFloat(_, operation) | OperationIr::NumericInt(_, operation) => {
                name(operation)
            }
            OperationIr::Float(_, operation) => name(operation),
            OperationIr::Module(operation) => name(operation),
            other => name(other),
        };
        (Kind::Other { name }, operation.inputs().collect())
    })
}
