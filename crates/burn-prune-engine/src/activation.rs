use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

/// What a kernel applies to its result before it stores it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) enum Activation {
    /// Nothing.
    #[default]
    None,
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, low), high)`, as ReLU6.
    Clamp {
        /// The least result.
        low: f32,
        /// The greatest result.
        high: f32,
    },
    /// `x` or, where it is negative, `slope · x`.
    LeakyRelu {
        /// The factor of negative values.
        slope: f32,
    },
    /// `x · sigmoid(x)`, also called swish.
    Silu,
    /// `x · clamp(x / 6 + 0.5, 0, 1)`.
    HardSwish,
    /// `clamp(alpha · x + beta, 0, 1)`.
    HardSigmoid {
        /// The factor.
        alpha: f32,
        /// The summand.
        beta: f32,
    },
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// `x / 2 · (1 + erf(x / √2))`.
    Gelu,
}

impl Activation {
    /// Its value for one number, as the formulas say. NaN stays NaN.
    pub(crate) fn apply(self, x: f32) -> f32 {
        match self {
            Self::None => x,
            Self::Relu => {
                if x < 0.0 {
                    0.0
                } else {
                    x
                }
            }
            Self::Clamp { low, high } => {
                if x < low {
                    low
                } else if x > high {
                    high
                } else {
                    x
                }
            }
            Self::LeakyRelu { slope } => {
                if x < 0.0 {
                    slope * x
                } else {
                    x
                }
            }
            Self::Silu => x / (1.0 + (-x).exp()),
            Self::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Self::HardSigmoid { alpha, beta } => (alpha * x + beta).clamp(0.0, 1.0),
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Tanh => x.tanh(),
            Self::Gelu => (f64::from(x) * 0.5 * (1.0 + erf(f64::from(x) * FRAC_1_SQRT_2))) as f32,
        }
    }
}

/// The error function, within 1e-15: its Taylor series where that is short, a continued fraction beyond.
fn erf(x: f64) -> f64 {
    let size = x.abs();
    if size > 6.0 {
        return x.signum();
    }
    if size < 2.5 {
        // 2/√π · e^(-x²) · Σ 2^n x^(2n+1) / (1 · 3 · .. · (2n+1))
        let (mut term, mut sum, mut n) = (x, x, 0.0);
        while term.abs() > 1e-17 * sum.abs() {
            n += 1.0;
            term *= 2.0 * x * x / (2.0 * n + 1.0);
            sum += term;
        }
        return FRAC_2_SQRT_PI * (-x * x).exp() * sum;
    }
    // erfc(x) = e^(-x²) / √π · 1 / (x + (1/2) / (x + (2/2) / (x + ..)))
    let fraction = (1..60)
        .rev()
        .fold(size, |below, k| size + f64::from(k) / 2.0 / below);
    let tail = (-size * size).exp() * FRAC_2_SQRT_PI / 2.0 / fraction;
    x.signum() * (1.0 - tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_function_has_its_known_values() {
        for (x, y) in [
            (0.0, 0.0),
            (0.5, 0.520_499_877_813_046_5),
            (1.0, 0.842_700_792_949_714_9),
            (2.0, 0.995_322_265_018_952_7),
            (2.5, 0.999_593_047_982_555),
            (3.0, 0.999_977_909_503_001_4),
            (7.0, 1.0),
        ] {
            assert!((erf(x) - y).abs() < 1e-14, "{x}");
            assert!((erf(-x) + y).abs() < 1e-14, "-{x}");
        }
    }

    #[test]
    fn activations_are_their_formulas() {
        let values =
            |activation: Activation| [-4.0, -1.0, 0.0, 2.0, 8.0].map(|x| activation.apply(x));
        assert_eq!(values(Activation::None), [-4.0, -1.0, 0.0, 2.0, 8.0]);
        assert_eq!(values(Activation::Relu), [0.0, 0.0, 0.0, 2.0, 8.0]);
        let (low, high) = (-1.5, 6.0);
        assert_eq!(
            values(Activation::Clamp { low, high }),
            [-1.5, -1.0, 0.0, 2.0, 6.0]
        );
        let slope = 0.5;
        assert_eq!(
            values(Activation::LeakyRelu { slope }),
            [-2.0, -0.5, 0.0, 2.0, 8.0]
        );
        let hard = values(Activation::HardSwish);
        assert_eq!([hard[0], hard[2], hard[4]], [0.0, 0.0, 8.0]);
        let (alpha, beta) = (0.25, 0.5);
        let sigmoid = values(Activation::HardSigmoid { alpha, beta });
        assert_eq!(sigmoid, [0.0, 0.25, 0.5, 1.0, 1.0]);
        assert!((Activation::Silu.apply(1.0) - 0.731_058_6).abs() < 1e-6);
        assert!((Activation::Sigmoid.apply(-1.0) - 0.268_941_42).abs() < 1e-6);
        assert!((Activation::Tanh.apply(0.5) - 0.462_117_16).abs() < 1e-6);
        assert!((Activation::Gelu.apply(1.0) - 0.841_344_7).abs() < 1e-6);
        assert_eq!(Activation::Gelu.apply(-30.0), 0.0);
        for activation in [
            Activation::Relu,
            Activation::Clamp { low, high },
            Activation::HardSigmoid { alpha, beta },
            Activation::HardSwish,
            Activation::Gelu,
        ] {
            assert!(activation.apply(f32::NAN).is_nan(), "{activation:?}");
        }
    }
}
