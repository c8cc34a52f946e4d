//! One scale and shift a channel.

use std::ops::Range;

use super::activate::activated;
use super::lanes::{self, Kernel, Lanes};
use super::{Output, Simd, Source};
use crate::activation::Activation;

/// `activation(scale · x + shift)`, one of each a plane.
pub(crate) fn affine(
    simd: Simd,
    scale: &[f32],
    shift: &[f32],
    activation: Activation,
    planes: Range<usize>,
    input: Source<'_>,
    output: &Output<'_>,
) {
    let factor = |plane: usize| (scale[plane], shift[plane]);
    lanes::run(
        simd,
        Affine {
            factor,
            activation,
            planes,
            input,
            output,
        },
    );
}

/// Each plane by its factor: the only value of a plane of `factors`.
pub(crate) fn multiply_channels(
    simd: Simd,
    planes: Range<usize>,
    input: Source<'_>,
    factors: Source<'_>,
    output: &Output<'_>,
) {
    // Minus zero changes no product.
    let factor = |plane: usize| (factors.line(plane, 0)[0], -0.0);
    let activation = Activation::None;
    lanes::run(
        simd,
        Affine {
            factor,
            activation,
            planes,
            input,
            output,
        },
    );
}

struct Affine<'a, F> {
    factor: F,
    activation: Activation,
    planes: Range<usize>,
    input: Source<'a>,
    output: &'a Output<'a>,
}

impl<F: Fn(usize) -> (f32, f32)> Kernel for Affine<'_, F> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let height = self.output.planes().height;
        for plane in self.planes {
            let (scale, shift) = (self.factor)(plane);
            for y in 0..height {
                let from = self.input.line(plane, y);
                // SAFETY: these planes are the caller's alone, who has the instructions of `L`.
                unsafe {
                    let to = self.output.line_mut(plane, y);
                    line::<L>(scale, shift, self.activation, from, to);
                }
            }
            self.output.clear_margins(plane, 0..height);
        }
    }
}

#[inline(always)]
unsafe fn line<L: Lanes>(
    scale: f32,
    shift: f32,
    activation: Activation,
    from: &[f32],
    to: &mut [f32],
) {
    let count = to.len();
    assert_eq!(from.len(), count, "lines of one length");
    let (from, to) = (from.as_ptr(), to.as_mut_ptr());
    let whole = count - count % L::COUNT;
    // SAFETY: both have `count` values.
    unsafe {
        let (scale, shift) = (L::splat(scale), L::splat(shift));
        let mut at = 0;
        while at < whole {
            let x = L::load(from.add(at)).times_plus(scale, shift);
            activated(activation, x).store(to.add(at));
            at += L::COUNT;
        }
        if whole < count {
            let rest = count - whole;
            let x = L::load_first(from.add(whole), rest).times_plus(scale, shift);
            activated(activation, x).store_first(to.add(whole), rest);
        }
    }
}
