//! From Burn's intermediate representation to our operations.

use std::fmt::{self, Debug, Write};

use burn::backend::ir::{
    ActivationOperationIr as Activation, BaseOperationIr as Base, BinaryOpIr, BoolOperationIr,
    FloatOperationIr as Float, IntOperationIr, ModuleOperationIr as Nn, NumericOperationIr as Num,
    OperationIr, ReduceDimOpIr, ScalarIr, ScalarOpIr, TensorIr, UnaryOpIr,
};

use super::OperationKind as Kind;

type Translated<'a> = (Kind, Vec<&'a TensorIr>);

/// The kind of an operation, and its inputs in the order that the kind gives.
pub(super) fn translate(operation: &OperationIr) -> Translated<'_> {
    let known = match operation {
        OperationIr::BaseFloat(base) | OperationIr::BaseInt(base) | OperationIr::BaseBool(base) => {
            self::base(base)
        }
        OperationIr::NumericFloat(_, numeric) | OperationIr::NumericInt(_, numeric) => {
            self::numeric(numeric)
        }
        OperationIr::Float(_, float) => self::float(float),
        OperationIr::Int(int) => self::int(int),
        OperationIr::Bool(bool) => self::bool(bool),
        OperationIr::Activation(activation) => self::activation(activation),
        OperationIr::Module(module) => self::module(module),
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

fn base(operation: &Base) -> Option<Translated<'_>> {
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
        Base::Cast(op) => (elementwise("cast"), vec![&op.input]),
        Base::MaskWhere(op) => (
            elementwise("mask where"),
            vec![&op.tensor, &op.mask, &op.value],
        ),
        Base::MaskFill(op) => {
            let kind = Kind::Elementwise {
                name: "mask fill".to_string(),
                scalars: vec![number(&op.value)],
            };
            (kind, vec![&op.tensor, &op.mask])
        }
        Base::Equal(op) | Base::NotEqual(op) => binary(operation, op),
        Base::EqualElem(op) | Base::NotEqualElem(op) => scalar(operation, op),
        Base::Empty(_) | Base::Ones(_) | Base::Zeros(_) => create(operation),
        Base::AllDim(op) | Base::AnyDim(op) => reduce(operation, op),
        _ => return None,
    })
}

fn numeric(operation: &Num) -> Option<Translated<'_>> {
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

fn float(operation: &Float) -> Option<Translated<'_>> {
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

fn int(operation: &IntOperationIr) -> Option<Translated<'_>> {
    match operation {
        IntOperationIr::IntoFloat(op) => Some((elementwise("into float"), vec![&op.input])),
        _ => None,
    }
}

fn bool(operation: &BoolOperationIr) -> Option<Translated<'_>> {
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

fn activation(operation: &Activation) -> Option<Translated<'_>> {
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

/// A convolution; the fields of its options have the same names for every number of axes.
macro_rules! convolution {
    ($op:expr) => {{
        let options = &$op.options;
        let kind = Kind::Convolution {
            transposed: false,
            stride: options.stride.to_vec(),
            padding: options
                .padding
                .iter()
                .map(|padding| both(*padding))
                .collect(),
            padding_out: Vec::new(),
            dilation: options.dilation.to_vec(),
            groups: options.groups,
        };
        (kind, weighted(&$op.x, &$op.weight, &$op.bias))
    }};
}

macro_rules! transposed_convolution {
    ($op:expr) => {{
        let options = &$op.options;
        let kind = Kind::Convolution {
            transposed: true,
            stride: options.stride.to_vec(),
            padding: options
                .padding
                .iter()
                .map(|padding| both(*padding))
                .collect(),
            padding_out: options.padding_out.to_vec(),
            dilation: options.dilation.to_vec(),
            groups: options.groups,
        };
        (kind, weighted(&$op.x, &$op.weight, &$op.bias))
    }};
}

macro_rules! pool {
    ($operation:expr, $op:expr, $($field:ident),+) => {{
        let mut options = String::new();
        $(write!(options, "{} {:?}, ", stringify!($field), $op.$field).expect("a string");)+
        let kind = Kind::Spatial {
            name: name($operation),
            options: options.trim_end_matches(", ").replace('_', " "),
        };
        (kind, vec![&$op.x])
    }};
}

fn module(operation: &Nn) -> Option<Translated<'_>> {
    Some(match operation {
        Nn::Conv1d(op) => convolution!(op),
        Nn::Conv2d(op) => convolution!(op),
        Nn::Conv3d(op) => convolution!(op),
        Nn::ConvTranspose1d(op) => transposed_convolution!(op),
        Nn::ConvTranspose2d(op) => transposed_convolution!(op),
        Nn::ConvTranspose3d(op) => transposed_convolution!(op),
        Nn::Linear(op) => (Kind::Linear, weighted(&op.x, &op.weight, &op.bias)),
        Nn::BatchNorm(op) => {
            let kind = Kind::BatchNorm {
                epsilon: number(&op.epsilon),
            };
            (
                kind,
                vec![&op.x, &op.gamma, &op.beta, &op.mean, &op.variance],
            )
        }
        Nn::LayerNorm(op) => {
            let kind = Kind::LayerNorm {
                epsilon: number(&op.epsilon),
            };
            (kind, weighted(&op.input, &op.gamma, &op.beta))
        }
        Nn::Embedding(op) => (Kind::Embedding, vec![&op.weights, &op.indices]),
        Nn::Attention(op) => {
            let inputs = [&op.query, &op.key, &op.value].into_iter();
            let inputs = inputs.chain(&op.mask).chain(&op.attn_bias);
            let options = format!("{:?}", op.options);
            (Kind::Attention { options }, inputs.collect())
        }
        Nn::AvgPool1d(op) => pool!(operation, op, kernel_size, stride, padding, ceil_mode),
        Nn::AvgPool2d(op) => pool!(operation, op, kernel_size, stride, padding, ceil_mode),
        Nn::MaxPool1d(op) => pool!(operation, op, kernel_size, stride, padding, dilation),
        Nn::MaxPool2d(op) => pool!(operation, op, kernel_size, stride, padding, dilation),
        Nn::MaxPool1dWithIndices(op) => pool!(operation, op, kernel_size, stride, padding),
        Nn::MaxPool2dWithIndices(op) => pool!(operation, op, kernel_size, stride, padding),
        Nn::AdaptiveAvgPool1d(op) => pool!(operation, op, output_size),
        Nn::AdaptiveAvgPool2d(op) => pool!(operation, op, output_size),
        Nn::AdaptiveAvgPool3d(op) => pool!(operation, op, output_size),
        Nn::Interpolate(op) => pool!(operation, op, output_size, options),
        _ => return None,
    })
}

/// Zeros before and after, however Burn writes them down.
fn both(padding: impl Into<Padding>) -> (usize, usize) {
    padding.into().0
}

struct Padding((usize, usize));

impl From<usize> for Padding {
    fn from(padding: usize) -> Self {
        Self((padding, padding))
    }
}

impl From<(usize, usize)> for Padding {
    fn from(padding: (usize, usize)) -> Self {
        Self(padding)
    }
}

fn weighted<'a>(
    signal: &'a TensorIr,
    weight: &'a TensorIr,
    bias: &'a Option<TensorIr>,
) -> Vec<&'a TensorIr> {
    [signal, weight].into_iter().chain(bias).collect()
}

fn elementwise(name: &str) -> Kind {
    Kind::Elementwise {
        name: name.to_string(),
        scalars: Vec::new(),
    }
}

fn unary<'a>(operation: &impl Debug, op: &'a UnaryOpIr) -> Translated<'a> {
    (elementwise(&name(operation)), vec![&op.input])
}

fn binary<'a>(operation: &impl Debug, op: &'a BinaryOpIr) -> Translated<'a> {
    (elementwise(&name(operation)), vec![&op.lhs, &op.rhs])
}

fn scalar<'a>(operation: &impl Debug, op: &'a ScalarOpIr) -> Translated<'a> {
    let kind = Kind::Elementwise {
        name: name(operation),
        scalars: vec![number(&op.rhs)],
    };
    (kind, vec![&op.lhs])
}

fn reduce<'a>(operation: &impl Debug, op: &'a ReduceDimOpIr) -> Translated<'a> {
    let kind = Kind::Reduce {
        name: name(operation),
        axes: vec![op.axis],
    };
    (kind, vec![&op.input])
}

fn along(operation: &impl Debug, axis: usize) -> Kind {
    Kind::Along {
        name: name(operation),
        axis,
    }
}

fn create(operation: &impl Debug) -> Translated<'static> {
    let name = name(operation);
    (Kind::Create { name }, Vec::new())
}

fn number(scalar: &ScalarIr) -> f64 {
    match scalar {
        ScalarIr::Float(value) => *value,
        ScalarIr::Int(value) => *value as f64,
        ScalarIr::UInt(value) => *value as f64,
        ScalarIr::Bool(value) => f64::from(u8::from(*value)),
    }
}

/// The name of an enum variant in lower case, with spaces between its words.
fn name(variant: &impl Debug) -> String {
    let mut name = Name(String::new());
    // Ends with an error behind the name, before the contents are formatted.
    let _ = write!(name, "{variant:?}");
    name.0
}

struct Name(String);

impl Write for Name {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            if !letter.is_ascii_alphanumeric() {
                return Err(fmt::Error);
            }
            if letter.is_ascii_uppercase() && !self.0.is_empty() {
                self.0.push(' ');
            }
            self.0.push(letter.to_ascii_lowercase());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words() {
        #[derive(Debug)]
        #[allow(dead_code)]
        enum Operation {
            Relu,
            MaxPool2d(usize),
            AddScalar { scalar: f64 },
        }
        assert_eq!(name(&Operation::Relu), "relu");
        assert_eq!(name(&Operation::MaxPool2d(1)), "max pool2d");
        assert_eq!(name(&Operation::AddScalar { scalar: 1.0 }), "add scalar");
    }
}
