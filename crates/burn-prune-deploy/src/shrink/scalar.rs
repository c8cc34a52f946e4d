//! Operations on single numbers, as far as they are continuous: rounding on a device must not
//! decide what a number is.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use crate::graph::{Elementwise as E, Number};

/// Whether [`elementwise`] computes an operation.
pub(super) fn is_known(operation: E) -> bool {
    // Any numbers do: which they are decides nothing.
    elementwise(operation, &[Number(1.0); 2], &[1.0; 2]).is_some()
}

/// What an operation makes of numbers; `None` for one that is not known, or where the result is
/// infinite or not a number.
pub(super) fn elementwise(operation: E, scalars: &[Number], of: &[f64]) -> Option<f64> {
    exact(operation, scalars, of).filter(|value| value.is_finite())
}

fn exact(operation: E, scalars: &[Number], of: &[f64]) -> Option<f64> {
    let a = *of.first()?;
    let b = || of.get(1).copied();
    let scalar = |at: usize| scalars.get(at).map(|number| number.0);
    Some(match operation {
        E::Add => a + b()?,
        E::Sub => a - b()?,
        E::Mul => a * b()?,
        E::Div => a / b()?,
        E::AddScalar => a + scalar(0)?,
        E::SubScalar => a - scalar(0)?,
        E::MulScalar => a * scalar(0)?,
        E::DivScalar => a / scalar(0)?,
        E::PowiScalar | E::PowfScalar => a.powf(scalar(0)?),
        E::Clamp => a.min(scalar(1)?).max(scalar(0)?),
        E::ClampMin => a.max(scalar(0)?),
        E::ClampMax => a.min(scalar(0)?),
        E::Abs => a.abs(),
        E::Neg => -a,
        E::Exp => a.exp(),
        E::Log => a.ln(),
        E::Log1p => a.ln_1p(),
        E::Erf => erf(a),
        E::Sqrt => a.sqrt(),
        E::Recip => 1.0 / a,
        E::Cos => a.cos(),
        E::Cosh => a.cosh(),
        E::Sin => a.sin(),
        E::Sinh => a.sinh(),
        E::Tanh => a.tanh(),
        E::ArcSinh => a.asinh(),
        E::ArcTan => a.atan(),
        E::Hypot => a.hypot(b()?),
        E::Relu => a.max(0.0),
        E::Gelu => 0.5 * a * (1.0 + erf(a * FRAC_1_SQRT_2)),
        E::Sigmoid => 1.0 / (1.0 + (-a).exp()),
        E::LogSigmoid => a.min(0.0) - (-a.abs()).exp().ln_1p(),
        E::LeakyRelu => a.max(0.0) + scalar(0)? * a.min(0.0),
        E::PRelu => a.max(0.0) + b()? * a.min(0.0),
        E::HardSigmoid => (scalar(0)? * a + scalar(1)?).clamp(0.0, 1.0),
        // Another precision rounds, which the result is compared with anyway.
        E::Cast => a,
        // Steps, poles and truth values.
        E::Rem
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
        | E::Powi
        | E::Powf
        | E::Sign
        | E::Tan
        | E::ArcCos
        | E::ArcCosh
        | E::ArcSin
        | E::ArcTanh
        | E::ArcTan2
        | E::Round
        | E::Floor
        | E::Ceil
        | E::Trunc
        | E::IsNan
        | E::IsInf
        | E::IntoInt
        | E::IntoFloat
        | E::MaskWhere
        | E::MaskFill
        | E::Not
        | E::And
        | E::Or
        | E::Xor => return None,
    })
}

/// The error function, by its series without cancellation (Abramowitz and Stegun 1964, 7.1.6).
fn erf(x: f64) -> f64 {
    // Beyond it, 1 to the last digit.
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= 2.0 * x * x / f64::from(2 * n + 1);
        sum += term;
    }
    2.0 / PI.sqrt() * (-x * x).exp() * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_function_is_that_of_tables() {
        for (x, expected) in [
            (0.0, 0.0),
            (0.5, 0.520_499_877_813_046_5),
            (-1.0, -0.842_700_792_949_714_9),
            (3.0, 0.999_977_909_503_001_4),
            (5.9, 1.0),
            (7.0, 1.0),
        ] {
            assert!((erf(x) - expected).abs() < 1e-14, "{x}: {}", erf(x));
        }
    }

    #[test]
    fn what_jumps_is_not_known() {
        for operation in [E::Sign, E::Round, E::Greater, E::Rem] {
            assert!(!is_known(operation), "{operation}");
        }
        assert!(is_known(E::Clamp) && is_known(E::HardSigmoid));
    }

    #[test]
    fn an_activation_is_that_of_its_formula() {
        let of = |operation, scalars: &[f64], a: f64| {
            let scalars: Vec<Number> = scalars.iter().copied().map(Number).collect();
            elementwise(operation, &scalars, &[a]).unwrap()
        };
        assert_eq!(of(E::Relu, &[], -2.0), 0.0);
        assert_eq!(of(E::LeakyRelu, &[0.5], -2.0), -1.0);
        assert_eq!(of(E::HardSigmoid, &[0.25, 0.5], 1.0), 0.75);
        assert_eq!(of(E::Sigmoid, &[], 0.0), 0.5);
        assert!((of(E::LogSigmoid, &[], -40.0) + 40.0).abs() < 1e-12);
        assert!((of(E::Gelu, &[], 1.0) - 0.841_344_746).abs() < 1e-9);
        assert_eq!(of(E::Clamp, &[0.0, 6.0], 7.0), 6.0);
    }
}
