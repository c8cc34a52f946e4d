//! Activations of vectors. Their errors are below 1e-6 of the result or of 1, whichever is greater;
//! SiLU and GELU: of the input, where that is greater.

use super::lanes::{Kernel, Lanes};
use crate::activation::Activation;

/// A vector of results. Numbers that are not come through.
#[inline(always)]
pub(super) unsafe fn activated<L: Lanes>(activation: Activation, x: L) -> L {
    // SAFETY: the caller has the instructions of `L`.
    unsafe {
        match activation {
            Activation::None => x,
            Activation::Relu => x.at_least(L::splat(0.0)),
            Activation::Clamp { low, high } => x.at_least(L::splat(low)).at_most(L::splat(high)),
            Activation::LeakyRelu { slope } => {
                x.where_less(L::splat(0.0), x.times(L::splat(slope)), x)
            }
            Activation::HardSwish => x.times(ramp(x, 1.0 / 6.0, 0.5)),
            Activation::HardSigmoid { alpha, beta } => ramp(x, alpha, beta),
            Activation::Silu | Activation::Sigmoid | Activation::Tanh | Activation::Gelu => {
                let mut value = x;
                let value_at = &raw mut value;
                L::apart(Curved {
                    activation,
                    value: value_at.cast(),
                });
                value
            }
        }
    }
}

/// Activations that take more than a few instructions, of the vector at `value`.
struct Curved {
    activation: Activation,
    value: *mut f32,
}

impl Kernel for Curved {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller has the instructions of `L`, and a vector there.
        unsafe {
            let x = L::load(self.value);
            let result = match self.activation {
                Activation::Silu => x.over(one_and_exp_of_negative(x)),
                Activation::Sigmoid => L::splat(1.0).over(one_and_exp_of_negative(x)),
                Activation::Tanh => tanh(x),
                _ => {
                    let half = x.times(L::splat(0.5));
                    let x = x.times(L::splat(std::f32::consts::FRAC_1_SQRT_2));
                    half.times_plus(erf(x), half)
                }
            };
            result.store(self.value);
        }
    }
}

/// `clamp(alpha · x + beta, 0, 1)`.
#[inline(always)]
unsafe fn ramp<L: Lanes>(x: L, alpha: f32, beta: f32) -> L {
    // SAFETY: the caller has the instructions of `L`.
    unsafe {
        x.times_plus(L::splat(alpha), L::splat(beta))
            .at_least(L::splat(0.0))
            .at_most(L::splat(1.0))
    }
}

/// `1 + exp(-x)`.
#[inline(always)]
unsafe fn one_and_exp_of_negative<L: Lanes>(x: L) -> L {
    // SAFETY: the caller has the instructions of `L`.
    unsafe { exp(L::splat(0.0).minus(x)).plus(L::splat(1.0)) }
}

/// Powers of e, by a polynomial of degree 7 around the nearest power of two (Cephes, `expf`).
#[inline(always)]
unsafe fn exp<L: Lanes>(x: L) -> L {
    // SAFETY: the caller has the instructions of `L`.
    unsafe {
        let x = x.at_least(L::splat(-87.0)).at_most(L::splat(88.0));
        let power = x.times(L::splat(std::f32::consts::LOG2_E)).rounded();
        // The logarithm of 2 in two parts, the first one exact when it is multiplied.
        let rest = power.times_plus(L::splat(-0.693_359_4), x);
        let rest = power.times_plus(L::splat(2.121_944_4e-4), rest);
        let tail = polynomial(
            rest,
            [
                1.987_569_1e-4,
                1.398_199_9e-3,
                8.333_452e-3,
                4.166_579_6e-2,
                0.166_666_65,
                0.5,
            ],
        );
        let result = rest.times(rest).times_plus(tail, rest).plus(L::splat(1.0));
        result.times(power.power_of_two())
    }
}

/// The hyperbolic tangent as a quotient of polynomials (that of Eigen), relative to the result.
#[inline(always)]
unsafe fn tanh<L: Lanes>(x: L) -> L {
    // SAFETY: the caller has the instructions of `L`.
    unsafe {
        // Where the quotient is 1.
        let x = x
            .at_least(L::splat(-7.905_311))
            .at_most(L::splat(7.905_311));
        let square = x.times(x);
        let above = polynomial(
            square,
            [
                -2.760_768_5e-16,
                2.000_188e-13,
                -8.604_672e-11,
                5.122_297e-8,
                1.485_722_4e-5,
                6.372_619e-4,
                4.893_524_6e-3,
            ],
        );
        let below = polynomial(
            square,
            [1.198_258_4e-6, 1.185_347_1e-4, 2.268_434_6e-3, 4.893_525e-3],
        );
        x.times(above).over(below)
    }
}

/// The error function as a quotient of polynomials (that of Eigen).
#[inline(always)]
unsafe fn erf<L: Lanes>(x: L) -> L {
    // SAFETY: the caller has the instructions of `L`.
    unsafe {
        // Where the quotient is 1.
        let x = x.at_least(L::splat(-4.0)).at_most(L::splat(4.0));
        let square = x.times(x);
        let above = polynomial(
            square,
            [
                -2.726_142_3e-10,
                2.770_681_4e-8,
                -2.101_024e-6,
                -5.692_506_4e-5,
                -7.349_906e-4,
                -2.954_6e-3,
                -1.609_603_3e-2,
            ],
        );
        let below = polynomial(
            square,
            [
                -1.456_607_2e-5,
                -2.133_740_6e-4,
                -1.682_827e-3,
                -7.373_329e-3,
                -1.426_473_9e-2,
            ],
        );
        x.times(above).over(below)
    }
}

/// The coefficient of the highest power comes first.
#[inline(always)]
unsafe fn polynomial<L: Lanes, const N: usize>(x: L, coefficients: [f32; N]) -> L {
    // SAFETY: the caller has the instructions of `L`.
    unsafe {
        let mut value = L::splat(coefficients[0]);
        for coefficient in &coefficients[1..] {
            value = value.times_plus(x, L::splat(*coefficient));
        }
        value
    }
}
