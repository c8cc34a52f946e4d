//! What each operation on single elements makes of values.

use std::f64::consts::{FRAC_PI_2, PI};

use super::precision::Precision;
use super::value::Value;
use crate::graph::{Elementwise as E, Number};

const ALL: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

/// What an operation makes of its inputs.
pub(super) fn elementwise(
    operation: E,
    scalars: &[Number],
    inputs: &[Value],
    same: bool,
    precision: Precision,
) -> Value {
    let value = exact(operation, scalars, inputs, same, precision);
    match operation {
        // Exact, but for sums, which are rounded as they are added.
        E::Add
        | E::Sub
        | E::AddScalar
        | E::SubScalar
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
        | E::Round
        | E::Floor
        | E::Ceil
        | E::Trunc
        | E::IsNan
        | E::IsInf
        | E::IntoInt
        | E::MaskWhere
        | E::MaskFill
        | E::Not
        | E::And
        | E::Or
        | E::Xor
        | E::Relu => value,
        _ => value.rounded(precision),
    }
}

/// The same without rounding.
fn exact(
    operation: E,
    scalars: &[Number],
    inputs: &[Value],
    same: bool,
    precision: Precision,
) -> Value {
    let a = inputs[0];
    let b = inputs.get(1).copied().unwrap_or(a);
    let scalar = |at: usize| scalars.get(at).map_or(f64::NAN, |scalar| scalar.0);
    let number = || precision.scalar(scalar(0)).untouched();
    match operation {
        E::Add => a.plus(b, precision),
        E::Sub if same && a.is_finite() => Value::exactly(0.0),
        E::Sub => a.plus(b.negated(), precision),
        E::Mul if same => power(a, 2.0),
        E::Mul => a.times(b),
        E::Div => a.divided_by(b, precision),
        E::Rem => remainder(a, b),
        E::AddScalar => a.plus(number(), precision),
        E::SubScalar => a.plus(number().negated(), precision),
        E::MulScalar => a.times(number()),
        E::DivScalar => a.divided_by(number().touched(), precision),
        E::RemScalar => remainder(a, number()),
        E::Greater => is_lower(b, a),
        E::GreaterEqual => is_lower(a, b).opposite(),
        E::Lower => is_lower(a, b),
        E::LowerEqual => is_lower(b, a).opposite(),
        // Whether it is a number.
        E::Equal if same && !a.nan => Value::exactly(1.0),
        E::NotEqual if same && !a.nan => Value::exactly(0.0),
        E::Equal => is_equal(a, b),
        E::NotEqual => is_equal(a, b).opposite(),
        E::GreaterElem => is_lower(number(), a),
        E::GreaterEqualElem => is_lower(a, number()).opposite(),
        E::LowerElem => is_lower(a, number()),
        E::LowerEqualElem => is_lower(number(), a).opposite(),
        E::EqualElem => is_equal(a, number()),
        E::NotEqualElem => is_equal(a, number()).opposite(),
        E::IsNan => truth(!a.nan, false),
        E::IsInf => truth(!a.nan && a.is_finite(), false),
        E::Not => a.truth().opposite(),
        E::And => a.truth().times(b.truth()),
        E::Or => (a.truth().opposite().times(b.truth().opposite())).opposite(),
        E::Xor => is_equal(a.truth(), b.truth()).opposite(),
        E::Powi => power_of(a, b, true),
        E::Powf => power_of(a, b, false),
        E::PowiScalar | E::PowfScalar => power(a, scalar(0)),
        E::Clamp => a.clamped(scalar(0), scalar(1)),
        E::ClampMin => a.clamped(scalar(0), f64::INFINITY),
        E::ClampMax => a.clamped(f64::NEG_INFINITY, scalar(0)),
        E::Abs => a.magnitude(),
        E::Neg => a.negated(),
        E::Sign => a.increasing(ALL, |x| if x == 0.0 { 0.0 } else { x.signum() }),
        E::Exp => a.increasing(ALL, f64::exp),
        E::Log => a.increasing((0.0, f64::INFINITY), f64::ln),
        E::Log1p => a.increasing((-1.0, f64::INFINITY), f64::ln_1p),
        // Backends have approximations that need not be 0 at 0.
        E::Erf => a
            .increasing(ALL, erf)
            .plus(Value::between(-1e-6, 1e-6), precision),
        E::Sqrt => a.increasing((0.0, f64::INFINITY), f64::sqrt),
        E::Recip => a.inverse(),
        E::Cos => periodic(a, cosine),
        E::Cosh => a.magnitude().increasing(ALL, f64::cosh),
        E::Sin => periodic(a, sine),
        E::Sinh => a.increasing(ALL, f64::sinh),
        E::Tan => periodic(a, tangent),
        E::Tanh => a.increasing(ALL, f64::tanh),
        E::ArcCos => a.negated().increasing((-1.0, 1.0), |x| (-x).acos()),
        E::ArcCosh => a.increasing((1.0, f64::INFINITY), f64::acosh),
        E::ArcSin => a.increasing((-1.0, 1.0), f64::asin),
        E::ArcSinh => a.increasing(ALL, f64::asinh),
        E::ArcTan => a.increasing(ALL, f64::atan),
        E::ArcTanh => a.increasing((-1.0, 1.0), f64::atanh),
        E::ArcTan2 => Value::between(-PI, PI).with_nan(a.nan || b.nan),
        E::Hypot => {
            let squares = power(a, 2.0).plus(power(b, 2.0), precision);
            squares.increasing((0.0, f64::INFINITY), f64::sqrt)
        }
        E::Round => a.increasing(ALL, f64::round_ties_even),
        E::Floor => a.increasing(ALL, f64::floor),
        E::Ceil => a.increasing(ALL, f64::ceil),
        E::Trunc | E::IntoInt => a.increasing(ALL, f64::trunc),
        E::IntoFloat | E::Cast => a,
        E::MaskWhere => mask(a, b, inputs.get(2).copied().unwrap_or(a)),
        E::MaskFill => mask(a, b, Value::exactly(scalar(0)).untouched()),
        E::Relu => a.clamped(0.0, f64::INFINITY),
        E::Gelu => a
            .increasing(ALL, |x| if x < 0.0 { x.max(-0.171) } else { x })
            .or_half(a)
            .with_nan(a.low == f64::NEG_INFINITY),
        E::Sigmoid => a.increasing(ALL, |x| 1.0 / (1.0 + (-x).exp())),
        E::LogSigmoid => a.increasing(ALL, |x| x.min(0.0) - (-x.abs()).exp().ln_1p()),
        E::LeakyRelu => two_slopes(a, number()),
        E::PRelu => two_slopes(a, b),
        E::HardSigmoid => {
            let line = a
                .times(number())
                .plus(precision.scalar(scalar(1)), precision);
            line.clamped(0.0, 1.0)
        }
    }
}

/// 0 for false and 1 for true, where that is known.
fn truth(is_false: bool, is_true: bool) -> Value {
    Value::between(f64::from(is_true), f64::from(!is_false))
}

fn is_lower(a: Value, b: Value) -> Value {
    let (a, b) = (a.unfilled(), b.unfilled());
    let is_known = !a.nan && !b.nan;
    truth(is_known && a.low >= b.high, is_known && a.high < b.low)
}

fn is_equal(a: Value, b: Value) -> Value {
    let (a, b) = (a.unfilled(), b.unfilled());
    let is_known = !a.nan && !b.nan;
    let is_same = is_known && a.low == a.high && b.low == b.high && a.low == b.low;
    truth(is_known && (a.high < b.low || b.high < a.low), is_same)
}

impl Value {
    /// 0 for false and 1 for true.
    fn truth(self) -> Self {
        self.clamped(0.0, 1.0)
    }

    /// The other truth.
    fn opposite(self) -> Self {
        Self::between(1.0 - self.high, 1.0 - self.low)
    }

    /// Down to half of what it was made of, as long as that is positive.
    fn or_half(self, of: Self) -> Self {
        let low = if of.low > 0.0 { of.low / 2.0 } else { self.low };
        let high = if of.high < 0.0 { 0.0 } else { self.high };
        Self { low, high, ..self }
    }
}

/// Where a mask leads to minus infinity that is not touched, other entries stay.
fn mask(kept: Value, mask: Value, filling: Value) -> Value {
    if mask.truth().high == 0.0 {
        return kept;
    }
    if mask.truth().low == 1.0 {
        return filling;
    }
    let is_fill = filling.low == f64::NEG_INFINITY && filling.high == f64::NEG_INFINITY;
    if is_fill && mask.untouched && filling.untouched {
        return Value {
            filled: true,
            ..kept
        };
    }
    let untouched = kept.untouched && mask.untouched && filling.untouched;
    let either = kept.unfilled().or(filling.unfilled());
    Value {
        untouched,
        ..either
    }
}

/// Itself above 0, and a multiple of it below.
fn two_slopes(a: Value, slope: Value) -> Value {
    if a.is_zero() {
        return a.with_nan(!slope.is_finite());
    }
    let below = a.clamped(f64::NEG_INFINITY, 0.0).times(slope);
    a.clamped(0.0, f64::INFINITY).or(below)
}

fn remainder(a: Value, b: Value) -> Value {
    let undefined = b.contains(0.0) && !b.untouched;
    let undefined = undefined || !a.is_finite() || b.nan;
    let largest = b.magnitude().high;
    if a.is_zero() {
        a.with_nan(undefined)
    } else {
        Value {
            cause: a.cause.or(b.cause),
            ..Value::between(-largest, largest)
        }
        .with_nan(undefined)
    }
}

/// To the power of a number.
fn power(a: Value, exponent: f64) -> Value {
    if exponent == 0.0 {
        return Value::exactly(1.0);
    }
    if exponent < 0.0 {
        return power(a, -exponent).inverse();
    }
    let raise = |x: f64| x.powf(exponent);
    if exponent.fract() != 0.0 {
        return a.increasing((0.0, f64::INFINITY), raise);
    }
    if exponent % 2.0 == 0.0 {
        a.magnitude().increasing(ALL, raise)
    } else {
        a.increasing(ALL, raise)
    }
}

/// To the power of what is in a tensor.
fn power_of(a: Value, b: Value, is_integer: bool) -> Value {
    if is_integer && b.low == b.high && b.is_finite() {
        return power(a, b.low);
    }
    let cause = a.cause.or(b.cause);
    // Not all powers of a negative number are defined; 0 has no negative ones, and on some backends
    // no 0th one.
    let is_defined = a.low > 0.0 || (a.low == 0.0 && b.low > 0.0);
    if !is_defined || !a.is_finite() || !b.is_finite() {
        return Value {
            cause,
            ..Value::anything()
        };
    }
    let ends = [
        a.low.powf(b.low),
        a.low.powf(b.high),
        a.high.powf(b.low),
        a.high.powf(b.high),
    ];
    let low = ends.iter().copied().fold(f64::INFINITY, f64::min);
    let high = ends.iter().copied().fold(0.0, f64::max);
    Value {
        cause,
        ..Value::between(low, high)
    }
}

/// A function of an angle: its lowest and highest value between two angles that are finite.
fn periodic(a: Value, range: impl Fn(f64, f64) -> (f64, f64)) -> Value {
    let value = a.unfilled();
    let infinite = !value.low.is_finite() || !value.high.is_finite();
    let (low, high) = if infinite {
        (-1.0, 1.0)
    } else {
        range(value.low, value.high)
    };
    Value { low, high, ..value }.with_nan(infinite)
}

fn sine(low: f64, high: f64) -> (f64, f64) {
    if -FRAC_PI_2 <= low && high <= FRAC_PI_2 {
        (low.sin(), high.sin())
    } else {
        (-1.0, 1.0)
    }
}

fn cosine(low: f64, high: f64) -> (f64, f64) {
    if low < -PI || high > PI {
        return (-1.0, 1.0);
    }
    let ends = (low.cos(), high.cos());
    let top = if low <= 0.0 && high >= 0.0 {
        1.0
    } else {
        ends.0.max(ends.1)
    };
    (ends.0.min(ends.1), top)
}

/// Where it leads over a pole, or so near to one that rounding may.
fn tangent(low: f64, high: f64) -> (f64, f64) {
    let inner = FRAC_PI_2 - 1e-3;
    if -inner <= low && high <= inner {
        (low.tan(), high.tan())
    } else {
        (f64::NEG_INFINITY, f64::INFINITY)
    }
}

/// The error function, to 1e-7 (Abramowitz and Stegun 1964, 7.1.26).
fn erf(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let coefficients = [
        1.061_405_429,
        -1.453_152_027,
        1.421_413_741,
        -0.284_496_736,
        0.254_829_592,
    ];
    let polynomial = coefficients.iter().fold(0.0, |sum, next| sum * t + next) * t;
    x.signum() * (1.0 - polynomial * (-x * x).exp())
}
