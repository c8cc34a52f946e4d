//! Convolutions in which each output channel reads one input channel.

mod any;
mod square;

use any::Any;
use square::Square;

use super::{Epilogue, Output, Part, Simd, Source, lanes};
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
    let depthwise = Depthwise {
        window,
        weights,
        multiplier,
        part,
        input,
        first,
        epilogue,
        output,
    };
    // A line that is shorter would leave most of a wide vector empty.
    let simd = if planes.width <= 8 && window.stride[1] == 1 {
        simd.min(Simd::Avx2)
    } else {
        simd
    };
    match (window.kernel, window.stride, window.dilation) {
        ([3, 3], [1, 1], [1, 1]) => lanes::run(simd, Square::<3, 1>(depthwise)),
        ([3, 3], [2, 2], [1, 1]) => lanes::run(simd, Square::<3, 2>(depthwise)),
        ([5, 5], [1, 1], [1, 1]) => lanes::run(simd, Square::<5, 1>(depthwise)),
        ([5, 5], [2, 2], [1, 1]) => lanes::run(simd, Square::<5, 2>(depthwise)),
        _ => lanes::run(simd, Any(depthwise)),
    }
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
