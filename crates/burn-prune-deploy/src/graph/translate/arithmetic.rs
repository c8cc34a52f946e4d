//! Arithmetic, reductions and activations.

use burn::backend::ir::{
    ActivationOperationIr as Activation, BoolOperationIr, FloatOperationIr as Float,
    IntOperationIr, NumericOperationIr as Num,
};

use super::kinds::{along, binary, create, elementwise, number, reduce, scalar, unary};
use super::name::name;
use super::{Kind, Translated};

pub(super) fn numeric(operation: &Num) -> Option<Translated<'_>> {
    Some(match operation {
        Num::Add(op)
        | Num::Sub(op)
        | Num::Div(op)
        | Num::Rem(op)
        | Num::Mul(op)
        | Num::Greater(op)
        | Num::GreaterEqual(op)
        | Num::Lower(op)
        | Num::LowerEqual(op)
        | Num::Powi(op) => binary(operation, op),
        Num::AddScalar(op)
        | Num::SubScalar(op)
        | Num::DivScalar(op)
        | Num::RemScalar(op)
        | Num::MulScalar(op)
        | Num::GreaterElem(op)
        | Num::GreaterEqualElem(op)
        | Num::LowerElem(op)
        | Num::LowerEqualElem(op)
        | Num::PowiScalar(op)
        | Num::ClampMin(op)
        | Num::ClampMax(op) => scalar(operation, op),
        Num::Abs(op) | Num::Neg(op) | Num::Sign(op) => unary(operation, op),
        Num::Clamp(op) => {
            let kind = Kind::Elementwise {
                name: "clamp".to_string(),
                scalars: vec![number(&op.min), number(&op.max)],
            };
            (kind, vec![&op.tensor])
        }
        Num::Full(op) => {
            let name = format!("full of {}", number(&op.value));
            (Kind::Create { name }, Vec::new())
        }
        Num::IntRandom(_) => create(operation),
        Num::MeanDim(op)
        | Num::SumDim(op)
        | Num::ProdDim(op)
        | Num::ArgMax(op)
        | Num::ArgMin(op)
        | Num::MaxDim(op)
        | Num::MinDim(op)
        | Num::MaxAbsDim(op) => reduce(operation, op),
        Num::SumDims(op) => {
            let kind = Kind::Reduce {
                name: name(operation),
                axes: op.axes.clone(),
            };
            (kind, vec![&op.input])
        }
        Num::MaxDimWithIndices(op) | Num::MinDimWithIndices(op) => {
            let kind = Kind::Reduce {
                name: name(operation),
                axes: vec![op.dim],
            };
            (kind, vec![&op.tensor])
        }
        Num::Mean(op)
        | Num::Sum(op)
        | Num::Prod(op)
        | Num::Max(op)
        | Num::Min(op)
        | Num::MaxAbs(op) => {
            let kind = Kind::Reduce {
                name: name(operation),
                axes: Vec::new(),
            };
            (kind, vec![&op.input])
        }
        Num::CumSum(op) | Num::CumProd(op) | Num::CumMin(op) | Num::CumMax(op) => {
            (along(operation, op.axis), vec![&op.input])
        }
        Num::Pad(op) => {
            let mut padding = op.padding.clone();
            // It is of the last axes.
            let axes = op.input.shape.num_dims();
            let missing = axes.saturating_sub(padding.len());
            padding.splice(0..0, std::iter::repeat_n((0, 0), missing));
            let mode = format!("{:?}", op.mode);
            (Kind::Pad { padding, mode }, vec![&op.input])
        }
        _ => return None,
    })
}

pub(super) fn float(operation: &Float) -> Option<Translated<'_>> {
    Some(match operation {
        Float::Exp(op)
        | Float::Log(op)
        | Float::Log1p(op)
        | Float::Erf(op)
        | Float::Sqrt(op)
        | Float::Cos(op)
        | Float::Cosh(op)
        | Float::Sin(op)
        | Float::Sinh(op)
        | Float::Tan(op)
        | Float::Tanh(op)
        | Float::ArcCos(op)
        | Float::ArcCosh(op)
        | Float::ArcSin(op)
        | Float::ArcSinh(op)
        | Float::ArcTan(op)
        | Float::ArcTanh(op)
        | Float::Round(op)
        | Float::Floor(op)
        | Float::Ceil(op)
        | Float::Trunc(op)
        | Float::Recip(op)
        | Float::IsNan(op)
        | Float::IsInf(op) => unary(operation, op),
        Float::ArcTan2(op) | Float::Powf(op) | Float::Hypot(op) => binary(operation, op),
        Float::PowfScalar(op) => scalar(operation, op),
        Float::IntoInt(op) => (elementwise("into int"), vec![&op.input]),
        Float::Matmul(op) => (Kind::MatMul, vec![&op.lhs, &op.rhs]),
        Float::Random(_) => create(operation),
        _ => return None,
    })
}

pub(super) fn int(operation: &IntOperationIr) -> Option<Translated<'_>> {
    match operation {
        IntOperationIr::IntoFloat(op) => Some((elementwise("into float"), vec![&op.input])),
        _ => None,
    }
}

pub(super) fn bool(operation: &BoolOperationIr) -> Option<Translated<'_>> {
    Some(match operation {
        BoolOperationIr::IntoFloat(op) | BoolOperationIr::IntoInt(op) => {
            (elementwise(&name(operation)), vec![&op.input])
        }
        BoolOperationIr::Not(op) => unary(operation, op),
        BoolOperationIr::And(op) | BoolOperationIr::Or(op) | BoolOperationIr::Xor(op) => {
            binary(operation, op)
        }
    })
}

pub(super) fn activation(operation: &Activation) -> Option<Translated<'_>> {
    Some(match operation {
        Activation::Relu(op)
        | Activation::Gelu(op)
        | Activation::Sigmoid(op)
        | Activation::LogSigmoid(op) => unary(operation, op),
        Activation::LeakyRelu(op) => scalar(operation, op),
        Activation::PRelu(op) => binary(operation, op),
        Activation::HardSigmoid(op) => {
            let kind = Kind::Elementwise {
                name: name(operation),
                scalars: vec![number(&op.alpha), number(&op.beta)],
            };
            (kind, vec![&op.tensor])
        }
        Activation::Softmax(op) | Activation::LogSoftmax(op) | Activation::Softmin(op) => {
            (along(operation, op.axis), vec![&op.input])
        }
        _ => return None,
    })
}
