//! Convolutions in which each output channel reads one input channel.

use super::finish::Finish;
use super::lanes::{self, Kernel, Lanes};
use super::{Epilogue, Output, Part, Simd, Source};
use crate::window::Window;

/// A depthwise convolution: row `r` of the weights, `[row][y][x]`, reads channel `r / multiplier`. The
/// input has margins as wide as the padding.
#[allow(clippy::too_many_arguments)]
pub(crate) fn depthwise(
    simd: Simd,
    window: &Window,
    weights: &[f32],
    multiplier: usize,
    part: &Part,
    input: Source<'_>,
    epilogue: &Epilogue<'_>,
    output: &Output<'_>,
) {
    let planes = output.planes();
    let reach = |axis: usize, size: usize| {
        (size - 1) * window.stride[axis] + (window.kernel[axis] - 1) * window.dilation[axis]
    };
    let [(above, _), (left, _)] = window.padding;
    let margins = input.planes;
    assert!(
        above <= margins.top && left <= margins.left,
        "margins narrower than the padding"
    );
    if part.rows.is_empty() || part.lines.is_empty() {
        return;
    }
    // From the first value that the window of line 0 and column 0 reads.
    let first = (margins.top - above) * margins.row + margins.left - left;
    let last_channel = (part.rows.end - 1) / multiplier;
    let last = last_channel * margins.plane
        + first
        + reach(0, planes.height) * margins.row
        + reach(1, planes.width);
    assert!(last < input.values.len(), "a window outside of the input");
    assert!(
        part.rows.end * window.kernel[0] * window.kernel[1] <= weights.len(),
        "too few weights"
    );
    lanes::run(
        simd,
        Depthwise {
            window,
            weights,
            multiplier,
            part,
            input,
            first,
            epilogue,
            output,
        },
    );
}

struct Depthwise<'a> {
    window: &'a Window,
    weights: &'a [f32],
    multiplier: usize,
    part: &'a Part,
    input: Source<'a>,
    first: usize,
    epilogue: &'a Epilogue<'a>,
    output: &'a Output<'a>,
}

impl Kernel for Depthwise<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let [height, width] = self.window.kernel;
        let [down, right] = self.window.stride;
        let [below, beside] = self.window.dilation;
        let row = self.input.planes.row;
        let columns = self.output.planes().width;
        for plane in self.part.rows.clone() {
            let weights = &self.weights[plane * height * width..][..height * width];
            let channel = plane / self.multiplier * self.input.planes.plane + self.first;
            for line in self.part.lines.clone() {
                let from = channel + line * down * row;
                let finish = Finish::new(self.epilogue, self.output, plane, line);
                let mut at = 0;
                while at < columns {
                    let count = L::COUNT.min(columns - at);
                    // SAFETY: the windows are inside of the input, and the line is the caller's alone.
                    unsafe {
                        let mut sum = L::splat(0.0);
                        for (y, weights) in weights.chunks_exact(width).enumerate() {
                            let from = self.input.values.as_ptr().add(from + y * below * row);
                            for (x, weight) in weights.iter().enumerate() {
                                let from = from.add(at * right + x * beside);
                                let values = every::<L>(from, right, count);
                                sum = values.times_plus(L::splat(*weight), sum);
                            }
                        }
                        finish.store(sum, at, count);
                    }
                    at += L::COUNT;
                }
            }
            self.output.clear_margins(plane, self.part.lines.clone());
        }
    }
}

/// So many values, `stride` apart.
#[inline(always)]
unsafe fn every<L: Lanes>(from: *const f32, stride: usize, count: usize) -> L {
    // SAFETY: the caller has the instructions, and these values are readable.
    unsafe {
        match stride {
            1 if count == L::COUNT => L::load(from),
            1 => L::load_first(from, count),
            2 if count == L::COUNT => {
                // The last one of the second vector is not read by the window.
                let behind = L::load_first(from.add(L::COUNT), L::COUNT - 1);
                L::load(from).halves(behind).0
            }
            2 => {
                let values = 2 * count - 1;
                let behind = values.saturating_sub(L::COUNT);
                let first = L::load_first(from, values.min(L::COUNT));
                let next = L::load_first(from.wrapping_add(L::COUNT), behind);
                first.halves(next).0
            }
            _ => {
                let mut values = [0.0; 16];
                for (i, value) in values.iter_mut().enumerate().take(count) {
                    *value = from.add(i * stride).read();
                }
                L::load(values.as_ptr())
            }
        }
    }
}
