//! Activations, which Burn captures as one operation or as several.

use burn::backend::ir::{
    ActivationOperationIr as Nonlinear, BinaryOpIr, FloatOperationIr as Float,
    NumericOperationIr as Numeric, OperationIr, TensorId,
};

use super::pass::Pass;
use super::scalar::number;
use crate::activation::Activation;

impl Pass<'_> {
    /// The activation that a tensor is made with, and of what.
    pub(super) fn activation(&self, tensor: TensorId) -> Option<(Activation, TensorId)> {
        match self.maker(tensor)? {
            OperationIr::Activation(operation) => Some(match operation {
                Nonlinear::Relu(op) => (Activation::Relu, op.input.id),
                Nonlinear::Gelu(op) => (Activation::Gelu, op.input.id),
                Nonlinear::Sigmoid(op) => (Activation::Sigmoid, op.input.id),
                Nonlinear::LeakyRelu(op) => {
                    let slope = number(&op.rhs) as f32;
                    (Activation::LeakyRelu { slope }, op.lhs.id)
                }
                Nonlinear::HardSigmoid(op) => {
                    let (alpha, beta) = (number(&op.alpha) as f32, number(&op.beta) as f32);
                    (Activation::HardSigmoid { alpha, beta }, op.tensor.id)
                }
                _ => return None,
            }),
            OperationIr::Float(_, Float::Tanh(op)) => Some((Activation::Tanh, op.input.id)),
            OperationIr::NumericFloat(_, operation) => match operation {
                Numeric::Clamp(op) => {
                    let bounds = (number(&op.min), number(&op.max));
                    self.clamp(bounds, op.tensor.id)
                }
                Numeric::ClampMin(op) => self.clamp((number(&op.rhs), f64::INFINITY), op.lhs.id),
                Numeric::ClampMax(op) => {
                    self.clamp((f64::NEG_INFINITY, number(&op.rhs)), op.lhs.id)
                }
                Numeric::Mul(op) => self
                    .gate(op.lhs.id, op.rhs.id)
                    .or_else(|| self.gate(op.rhs.id, op.lhs.id)),
                Numeric::Sub(op) => self.relu_difference(op),
                Numeric::MulScalar(op) => self.sixth(op.lhs.id, number(&op.rhs)),
                Numeric::DivScalar(op) => self.sixth(op.lhs.id, 1.0 / number(&op.rhs)),
                _ => None,
            },
            _ => None,
        }
    }

    /// Bounds of an activation that has bounds itself become one.
    fn clamp(&self, (low, high): (f64, f64), input: TensorId) -> Option<(Activation, TensorId)> {
        let (low, high) = (low as f32, high as f32);
        if low.is_nan() || high.is_nan() || low > high {
            return None;
        }
        let inner = match self.activation(input) {
            Some((Activation::Relu, input)) => Some((0.0, f32::INFINITY, input)),
            Some((Activation::Clamp { low, high }, input)) => Some((low, high, input)),
            _ => None,
        };
        let (low, high, input) = match inner {
            // The bounds overlap, so it does not matter which come first.
            Some((least, most, input)) if least <= high && low <= most => {
                (low.max(least), high.min(most), input)
            }
            _ => (low, high, input),
        };
        let activation = if (low, high) == (0.0, f32::INFINITY) {
            Activation::Relu
        } else {
            Activation::Clamp { low, high }
        };
        Some((activation, input))
    }

    /// `x · gate(x)`.
    fn gate(&self, x: TensorId, gate: TensorId) -> Option<(Activation, TensorId)> {
        // No gate is a product; long chains of them would be walked again and again.
        if let OperationIr::NumericFloat(_, Numeric::Mul(_)) = self.maker(gate)? {
            return None;
        }
        match self.activation(gate)? {
            (Activation::Sigmoid, input) if input == x => Some((Activation::Silu, x)),
            (Activation::HardSigmoid { alpha, beta }, input)
                if input == x && is_sixth(alpha) && beta == 0.5 =>
            {
                Some((Activation::HardSwish, x))
            }
            _ => None,
        }
    }

    /// `relu(x) - relu(x - high)`.
    fn relu_difference(&self, op: &BinaryOpIr) -> Option<(Activation, TensorId)> {
        let relu = |tensor| match self.activation(tensor) {
            Some((Activation::Relu, input)) => Some(input),
            _ => None,
        };
        let x = relu(op.lhs.id)?;
        let (shifted, shift) = self.shifted(relu(op.rhs.id)?)?;
        let high = -shift as f32;
        (shifted == x && high >= 0.0).then_some((Activation::Clamp { low: 0.0, high }, x))
    }

    /// `clamp(x + 3, 0, 6) / 6`, and `x` times that.
    fn sixth(&self, tensor: TensorId, factor: f64) -> Option<(Activation, TensorId)> {
        if !is_sixth(factor as f32) {
            return None;
        }
        if let Some(x) = self.clamp_of_shifted(tensor) {
            let (alpha, beta) = (1.0 / 6.0, 0.5);
            return Some((Activation::HardSigmoid { alpha, beta }, x));
        }
        let OperationIr::NumericFloat(_, Numeric::Mul(op)) = self.maker(tensor)? else {
            return None;
        };
        let (a, b) = (op.lhs.id, op.rhs.id);
        let is_gated = self.clamp_of_shifted(b) == Some(a);
        if is_gated {
            return Some((Activation::HardSwish, a));
        }
        (self.clamp_of_shifted(a) == Some(b)).then_some((Activation::HardSwish, b))
    }

    /// The `x` of `clamp(x + 3, 0, 6)`.
    fn clamp_of_shifted(&self, tensor: TensorId) -> Option<TensorId> {
        let (activation, input) = self.activation(tensor)?;
        let is_clamp = activation
            == Activation::Clamp {
                low: 0.0,
                high: 6.0,
            };
        let (x, shift) = self.shifted(input)?;
        (is_clamp && shift == 3.0).then_some(x)
    }

    /// `x` and `s` of `x + s`.
    fn shifted(&self, tensor: TensorId) -> Option<(TensorId, f64)> {
        match self.maker(tensor)? {
            OperationIr::NumericFloat(_, Numeric::AddScalar(op)) => {
                Some((op.lhs.id, number(&op.rhs)))
            }
            OperationIr::NumericFloat(_, Numeric::SubScalar(op)) => {
                Some((op.lhs.id, -number(&op.rhs)))
            }
            _ => None,
        }
    }
}

fn is_sixth(value: f32) -> bool {
    (value - 1.0 / 6.0).abs() < 1e-7
}
