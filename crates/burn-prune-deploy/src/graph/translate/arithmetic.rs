//! Arithmetic, reductions and activations.

use burn::backend::ir::{
    ActivationOperationIr as Activation, BoolOperationIr, FloatOperationIr as Float,
    IntOperationIr, NumericOperationIr as Num, PadModeIr,
};

use super::kinds::{along, binary, elementwise, number, reduce, scalar, unary};
use super::{Kind, Translated};
use crate::graph::{Along, Creation, Elementwise as E, Padding, Reduction};

pub(super) fn numeric(operation: &Num) -> Option<Translated<'_>> {
    Some(match operation {
        Num::Add(op) => binary(E::Add, op),
        Num::Sub(op) => binary(E::Sub, op),
        Num::Div(op) => binary(E::Div, op),
        Num::Rem(op) => binary(E::Rem, op),
        Num::Mul(op) => binary(E::Mul, op),
        Num::Greater(op) => binary(E::Greater, op),
        Num::GreaterEqual(op) => binary(E::GreaterEqual, op),
        Num::Lower(op) => binary(E::Lower, op),
        Num::LowerEqual(op) => binary(E::LowerEqual, op),
        Num::Powi(op) => binary(E::Powi, op),
        Num::AddScalar(op) => scalar(E::AddScalar, op),
        Num::SubScalar(op) => scalar(E::SubScalar, op),
        Num::DivScalar(op) => scalar(E::DivScalar, op),
        Num::RemScalar(op) => scalar(E::RemScalar, op),
        Num::MulScalar(op) => scalar(E::MulScalar, op),
        Num::GreaterElem(op) => scalar(E::GreaterElem, op),
        Num::GreaterEqualElem(op) => scalar(E::GreaterEqualElem, op),
        Num::LowerElem(op) => scalar(E::LowerElem, op),
        Num::LowerEqualElem(op) => scalar(E::LowerEqualElem, op),
        Num::PowiScalar(op) => scalar(E::PowiScalar, op),
        Num::ClampMin(op) => scalar(E::ClampMin, op),
        Num::ClampMax(op) => scalar(E::ClampMax, op),
        Num::Abs(op) => unary(E::Abs, op),
        Num::Neg(op) => unary(E::Neg, op),
        Num::Sign(op) => unary(E::Sign, op),
        Num::Clamp(op) => {
            let scalars = vec![number(&op.min), number(&op.max)];
            (elementwise(E::Clamp, scalars), vec![&op.tensor])
        }
        Num::Full(op) => {
            let operation = Creation::Full(number(&op.value));
            (Kind::Create { operation }, Vec::new())
        }
        Num::IntRandom(_) => {
            let operation = Creation::IntRandom;
            (Kind::Create { operation }, Vec::new())
        }
        Num::MeanDim(op) => (reduce(Reduction::MeanDim, &[op.axis]), vec![&op.input]),
        Num::SumDim(op) => (reduce(Reduction::SumDim, &[op.axis]), vec![&op.input]),
        Num::ProdDim(op) => (reduce(Reduction::ProdDim, &[op.axis]), vec![&op.input]),
        Num::ArgMax(op) => (reduce(Reduction::ArgMax, &[op.axis]), vec![&op.input]),
        Num::ArgMin(op) => (reduce(Reduction::ArgMin, &[op.axis]), vec![&op.input]),
        Num::MaxDim(op) => (reduce(Reduction::MaxDim, &[op.axis]), vec![&op.input]),
        Num::MinDim(op) => (reduce(Reduction::MinDim, &[op.axis]), vec![&op.input]),
        Num::MaxAbsDim(op) => (reduce(Reduction::MaxAbsDim, &[op.axis]), vec![&op.input]),
        Num::SumDims(op) => (reduce(Reduction::SumDims, &op.axes), vec![&op.input]),
        Num::MaxDimWithIndices(op) => (
            reduce(Reduction::MaxDimWithIndices, &[op.dim]),
            vec![&op.tensor],
        ),
        Num::MinDimWithIndices(op) => (
            reduce(Reduction::MinDimWithIndices, &[op.dim]),
            vec![&op.tensor],
        ),
        Num::Mean(op) => (reduce(Reduction::Mean, &[]), vec![&op.input]),
        Num::Sum(op) => (reduce(Reduction::Sum, &[]), vec![&op.input]),
        Num::Prod(op) => (reduce(Reduction::Prod, &[]), vec![&op.input]),
        Num::Max(op) => (reduce(Reduction::Max, &[]), vec![&op.input]),
        Num::Min(op) => (reduce(Reduction::Min, &[]), vec![&op.input]),
        Num::MaxAbs(op) => (reduce(Reduction::MaxAbs, &[]), vec![&op.input]),
        Num::CumSum(op) => (along(Along::CumSum, op.axis), vec![&op.input]),
        Num::CumProd(op) => (along(Along::CumProd, op.axis), vec![&op.input]),
        Num::CumMin(op) => (along(Along::CumMin, op.axis), vec![&op.input]),
        Num::CumMax(op) => (along(Along::CumMax, op.axis), vec![&op.input]),
        Num::Pad(op) => {
            let mut padding = op.padding.clone();
            // It is of the last axes.
            let axes = op.input.shape.num_dims();
            let missing = axes.saturating_sub(padding.len());
            padding.splice(0..0, std::iter::repeat_n((0, 0), missing));
            let mode = match &op.mode {
                PadModeIr::Constant(value) => Padding::Constant(number(value)),
                PadModeIr::Reflect => Padding::Reflect,
                PadModeIr::Edge => Padding::Edge,
            };
            (Kind::Pad { padding, mode }, vec![&op.input])
        }
        _ => return None,
    })
}

pub(super) fn float(operation: &Float) -> Option<Translated<'_>> {
    Some(match operation {
        Float::Exp(op) => unary(E::Exp, op),
        Float::Log(op) => unary(E::Log, op),
        Float::Log1p(op) => unary(E::Log1p, op),
        Float::Erf(op) => unary(E::Erf, op),
        Float::Sqrt(op) => unary(E::Sqrt, op),
        Float::Cos(op) => unary(E::Cos, op),
        Float::Cosh(op) => unary(E::Cosh, op),
        Float::Sin(op) => unary(E::Sin, op),
        Float::Sinh(op) => unary(E::Sinh, op),
        Float::Tan(op) => unary(E::Tan, op),
        Float::Tanh(op) => unary(E::Tanh, op),
        Float::ArcCos(op) => unary(E::ArcCos, op),
        Float::ArcCosh(op) => unary(E::ArcCosh, op),
        Float::ArcSin(op) => unary(E::ArcSin, op),
        Float::ArcSinh(op) => unary(E::ArcSinh, op),
        Float::ArcTan(op) => unary(E::ArcTan, op),
        Float::ArcTanh(op) => unary(E::ArcTanh, op),
        Float::Round(op) => unary(E::Round, op),
        Float::Floor(op) => unary(E::Floor, op),
        Float::Ceil(op) => unary(E::Ceil, op),
        Float::Trunc(op) => unary(E::Trunc, op),
        Float::Recip(op) => unary(E::Recip, op),
        Float::IsNan(op) => unary(E::IsNan, op),
        Float::IsInf(op) => unary(E::IsInf, op),
        Float::ArcTan2(op) => binary(E::ArcTan2, op),
        Float::Powf(op) => binary(E::Powf, op),
        Float::Hypot(op) => binary(E::Hypot, op),
        Float::PowfScalar(op) => scalar(E::PowfScalar, op),
        Float::IntoInt(op) => (elementwise(E::IntoInt, Vec::new()), vec![&op.input]),
        Float::Matmul(op) => (Kind::MatMul, vec![&op.lhs, &op.rhs]),
        Float::Random(_) => {
            let operation = Creation::Random;
            (Kind::Create { operation }, Vec::new())
        }
        _ => return None,
    })
}

pub(super) fn int(operation: &IntOperationIr) -> Option<Translated<'_>> {
    match operation {
        IntOperationIr::IntoFloat(op) => {
            Some((elementwise(E::IntoFloat, Vec::new()), vec![&op.input]))
        }
        _ => None,
    }
}

pub(super) fn bool(operation: &BoolOperationIr) -> Option<Translated<'_>> {
    Some(match operation {
        BoolOperationIr::IntoFloat(op) => (elementwise(E::IntoFloat, Vec::new()), vec![&op.input]),
        BoolOperationIr::IntoInt(op) => (elementwise(E::IntoInt, Vec::new()), vec![&op.input]),
        BoolOperationIr::Not(op) => unary(E::Not, op),
        BoolOperationIr::And(op) => binary(E::And, op),
        BoolOperationIr::Or(op) => binary(E::Or, op),
        BoolOperationIr::Xor(op) => binary(E::Xor, op),
    })
}

pub(super) fn activation(operation: &Activation) -> Option<Translated<'_>> {
    Some(match operation {
        Activation::Relu(op) => unary(E::Relu, op),
        Activation::Gelu(op) => unary(E::Gelu, op),
        Activation::Sigmoid(op) => unary(E::Sigmoid, op),
        Activation::LogSigmoid(op) => unary(E::LogSigmoid, op),
        Activation::LeakyRelu(op) => scalar(E::LeakyRelu, op),
        Activation::PRelu(op) => binary(E::PRelu, op),
        Activation::HardSigmoid(op) => {
            let scalars = vec![number(&op.alpha), number(&op.beta)];
            (elementwise(E::HardSigmoid, scalars), vec![&op.tensor])
        }
        Activation::Softmax(op) => (along(Along::Softmax, op.axis), vec![&op.input]),
        Activation::LogSoftmax(op) => (along(Along::LogSoftmax, op.axis), vec![&op.input]),
        Activation::Softmin(op) => (along(Along::Softmin, op.axis), vec![&op.input]),
        _ => return None,
    })
}
