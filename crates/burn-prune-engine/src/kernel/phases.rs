//! A strided product as one without a stride: over the phases of its input.

use std::ops::Range;

use super::lanes::{self, Kernel, Lanes};
use super::{Output, Simd, Source};

/// How planes are split. With padding `(t, l)` and stride `(s, q)`, the value at line `y` and column `x`
/// of phase `(i, j)` is that of the input at line `y · s + i - t` and column `x · q + j - l`, or 0
/// outside of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Split {
    pub stride: [usize; 2],
    /// Zeros before the first line and column.
    pub padding: [usize; 2],
    /// Phases that are kept of each axis: fewer than the stride where the kernel is smaller.
    pub kept: [usize; 2],
}

/// Splits these channels of an image. Phase `(i, j)` of channel `c` is plane
/// `(c · kept[0] + i) · kept[1] + j`. It reads no margins.
pub(crate) fn phases(
    simd: Simd,
    split: &Split,
    channels: Range<usize>,
    input: Source<'_>,
    output: &Output<'_>,
) {
    lanes::run(
        simd,
        Phases {
            split: *split,
            channels,
            input,
            output,
        },
    );
}

struct Phases<'a> {
    split: Split,
    channels: Range<usize>,
    input: Source<'a>,
    output: &'a Output<'a>,
}

impl Kernel for Phases<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Split {
            stride,
            padding,
            kept,
        } = self.split;
        let height = self.output.planes().height;
        for channel in self.channels {
            for i in 0..kept[0] {
                for j in 0..kept[1] {
                    let plane = (channel * kept[0] + i) * kept[1] + j;
                    for y in 0..height {
                        // SAFETY: these planes are the caller's alone.
                        let to = unsafe { self.output.line_mut(plane, y) };
                        let line = (y * stride[0] + i).wrapping_sub(padding[0]);
                        if line >= self.input.planes.height {
                            to.fill(0.0);
                            continue;
                        }
                        let from = self.input.line(channel, line);
                        // SAFETY: the caller has the instructions of `L`.
                        unsafe { every::<L>(from, stride[1], padding[1], j, to) };
                    }
                    self.output.clear_margins(plane, 0..height);
                }
            }
        }
    }
}

/// `to[x] = from[x · stride + j - padding]`, or 0 where that is outside.
#[inline(always)]
unsafe fn every<L: Lanes>(from: &[f32], stride: usize, padding: usize, j: usize, to: &mut [f32]) {
    let before = padding.saturating_sub(j).div_ceil(stride).min(to.len());
    // Where all is padding, nothing is read.
    let first = (before * stride + j).saturating_sub(padding);
    let inside = from
        .len()
        .saturating_sub(first)
        .div_ceil(stride)
        .min(to.len() - before);
    let (zeros, rest) = to.split_at_mut(before);
    let (to, zeros_behind) = rest.split_at_mut(inside);
    zeros.fill(0.0);
    zeros_behind.fill(0.0);
    if inside == 0 {
        return;
    }
    let from = &from[first..];
    if stride == 1 {
        to.copy_from_slice(&from[..inside]);
        return;
    }
    let mut at = 0;
    if stride == 2 {
        while at + L::COUNT <= inside && 2 * (at + L::COUNT) <= from.len() {
            // SAFETY: two vectors from `2 · at` on, and one to `at`, are inside.
            unsafe {
                let next = L::load(from.as_ptr().add(2 * at + L::COUNT));
                let (even, _) = L::load(from.as_ptr().add(2 * at)).halves(next);
                even.store(to.as_mut_ptr().add(at));
            }
            at += L::COUNT;
        }
    }
    for (x, to) in to.iter_mut().enumerate().skip(at) {
        *to = from[x * stride];
    }
}
