//! From sums to outputs: bias, residual and activation on the way.

use std::ops::Range;

use crate::kernel::{Epilogue, Output, ResidualPlace};

/// Writes lines of one row whose sums lie at `sums[(line - lines.start) * row + x]`, margins included.
pub(super) fn finish(
    sums: &[f32],
    row: usize,
    plane: usize,
    lines: Range<usize>,
    epilogue: &Epilogue<'_>,
    output: &Output<'_>,
) {
    let width = output.planes().width;
    let bias = epilogue.bias[plane];
    let activation = epilogue.activation;
    for (y, line) in lines.clone().enumerate() {
        // SAFETY: the line is inside of the output, and its part is the caller's alone.
        let to = unsafe { std::slice::from_raw_parts_mut(output.line(plane, line), width) };
        let sums = &sums[y * row..][..width];
        match epilogue.residual {
            None => {
                for (to, sum) in to.iter_mut().zip(sums) {
                    *to = activation.apply(sum + bias);
                }
            }
            Some(residual) => {
                let added = &residual.values[residual.planes.value(plane, line, 0)..][..width];
                for ((to, sum), added) in to.iter_mut().zip(sums).zip(added) {
                    *to = match residual.place {
                        ResidualPlace::Inside => activation.apply(sum + bias + added),
                        ResidualPlace::Outside => activation.apply(sum + bias) + added,
                    };
                }
            }
        }
    }
    output.clear_margins(plane, lines);
}
