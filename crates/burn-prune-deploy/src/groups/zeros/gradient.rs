//! Where the gradient of an operation is infinite or not a number.

use super::precision::Precision;
use super::value::Value;
use crate::graph::{Elementwise as E, Number};

/// Whether the gradient of what input number `place` is may be infinite or not a number. It is
/// multiplied with 0 behind a masked channel, and that is not a number either.
///
/// As Burn computes it: the formulas are those of burn-autodiff.
pub(super) fn diverges(
    operation: E,
    scalars: &[Number],
    inputs: &[Value],
    place: usize,
    precision: Precision,
) -> bool {
    let a = inputs[0];
    let b = inputs.get(1).copied().unwrap_or(a);
    let scalar = scalars.first().map_or(f64::NAN, |scalar| scalar.0);
    let x = inputs[place];
    // The square of a divisor is divided by.
    let square_may_vanish = |value: Value| value.magnitude().low <= precision.square_root_of_tiny();
    let is_fraction = |exponent: f64| exponent.fract() != 0.0;
    match operation {
        E::Sqrt => x.low <= 0.0,
        E::Log => x.low <= 0.0,
        E::Log1p => x.low <= -1.0,
        E::Recip => square_may_vanish(x),
        E::Div => !b.untouched && square_may_vanish(b),
        E::Rem => !b.untouched && b.contains(0.0),
        E::PowiScalar | E::PowfScalar if is_fraction(scalar) => {
            if scalar < 1.0 {
                x.low <= 0.0
            } else {
                x.low < 0.0
            }
        }
        E::PowiScalar | E::PowfScalar => scalar < 0.0 && x.contains(0.0),
        // With the logarithm of the base.
        E::Powi | E::Powf => a.low <= 0.0,
        E::ArcCos | E::ArcSin | E::ArcTanh => x.low <= -1.0 || x.high >= 1.0,
        E::ArcCosh => x.low <= 1.0,
        E::Tan => {
            let edge = std::f64::consts::FRAC_PI_2;
            x.low <= -edge || x.high >= edge
        }
        E::Hypot | E::ArcTan2 => a.contains(0.0) && b.contains(0.0),
        E::Add
        | E::Sub
        | E::Mul
        | E::AddScalar
        | E::SubScalar
        | E::MulScalar
        | E::DivScalar
        | E::RemScalar
        | E::Greater
        | E::GreaterEqual
        | E::Lower
        | E::LowerEqual
        | E::Equal
        | E::NotEqual
        | E::GreaterElem
        | E::GreaterEqualElem
        | E::LowerElem
        | E::LowerEqualElem
        | E::EqualElem
        | E::NotEqualElem
        | E::Clamp
        | E::ClampMin
        | E::ClampMax
        | E::Abs
        | E::Neg
        | E::Sign
        | E::Exp
        | E::Erf
        | E::Cos
        | E::Cosh
        | E::Sin
        | E::Sinh
        | E::Tanh
        | E::ArcSinh
        | E::ArcTan
        | E::Round
        | E::Floor
        | E::Ceil
        | E::Trunc
        | E::IsNan
        | E::IsInf
        | E::IntoInt
        | E::IntoFloat
        | E::Cast
        | E::MaskWhere
        | E::MaskFill
        | E::Not
        | E::And
        | E::Or
        | E::Xor
        | E::Relu
        | E::Gelu
        | E::Sigmoid
        | E::LogSigmoid
        | E::LeakyRelu
        | E::PRelu
        | E::HardSigmoid => false,
    }
}
