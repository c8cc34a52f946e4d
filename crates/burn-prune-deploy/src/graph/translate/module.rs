//! Operations of whole layers.

use std::fmt::Write;

use burn::backend::ir::{ModuleOperationIr as Nn, TensorIr};

use super::kinds::number;
use super::{Kind, Translated};
use crate::graph::Spatial;

/// A convolution, transposed when it has a padding of its output; the fields of its options have the
/// same names for every number of axes.
macro_rules! convolution {
    ($op:expr $(, $padding_out:ident)?) => {{
        let options = &$op.options;
        let padding = options.padding.iter();
        let padding_out: Option<Vec<usize>> = None $(.or(Some(options.$padding_out.to_vec())))?;
        let kind = Kind::Convolution {
            transposed: padding_out.is_some(),
            stride: options.stride.to_vec(),
            padding: padding.map(|padding| both(*padding)).collect(),
            padding_out: padding_out.unwrap_or_default(),
            dilation: options.dilation.to_vec(),
            groups: options.groups,
        };
        (kind, weighted(&$op.x, &$op.weight, &$op.bias))
    }};
}

macro_rules! pool {
    ($operation:ident, $op:expr, $($field:ident),+) => {{
        let mut options = String::new();
        $(write!(options, "{} {:?}, ", stringify!($field), $op.$field).expect("a string");)+
        let kind = Kind::Spatial {
            operation: Spatial::$operation,
            options: options.trim_end_matches(", ").replace('_', " "),
        };
        (kind, vec![&$op.x])
    }};
}

pub(super) fn module(operation: &Nn) -> Option<Translated<'_>> {
    Some(match operation {
        Nn::Conv1d(op) => convolution!(op),
        Nn::Conv2d(op) => convolution!(op),
        Nn::Conv3d(op) => convolution!(op),
        Nn::ConvTranspose1d(op) => convolution!(op, padding_out),
        Nn::ConvTranspose2d(op) => convolution!(op, padding_out),
        Nn::ConvTranspose3d(op) => convolution!(op, padding_out),
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
            let inputs = [&op.query, &op.key, &op.value]
                .into_iter()
                .chain(&op.mask)
                .chain(&op.attn_bias);
            let options = format!("{:?}", op.options);
            (Kind::Attention { options }, inputs.collect())
        }
        Nn::AvgPool1d(op) => pool!(AvgPool1d, op, kernel_size, stride, padding, ceil_mode),
        Nn::AvgPool2d(op) => pool!(AvgPool2d, op, kernel_size, stride, padding, ceil_mode),
        Nn::MaxPool1d(op) => pool!(MaxPool1d, op, kernel_size, stride, padding, dilation),
        Nn::MaxPool2d(op) => pool!(MaxPool2d, op, kernel_size, stride, padding, dilation),
        Nn::MaxPool1dWithIndices(op) => {
            pool!(MaxPool1dWithIndices, op, kernel_size, stride, padding)
        }
        Nn::MaxPool2dWithIndices(op) => {
            pool!(MaxPool2dWithIndices, op, kernel_size, stride, padding)
        }
        Nn::AdaptiveAvgPool1d(op) => pool!(AdaptiveAvgPool1d, op, output_size),
        Nn::AdaptiveAvgPool2d(op) => pool!(AdaptiveAvgPool2d, op, output_size),
        Nn::AdaptiveAvgPool3d(op) => pool!(AdaptiveAvgPool3d, op, output_size),
        Nn::Interpolate(op) => pool!(Interpolate, op, output_size, options),
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
