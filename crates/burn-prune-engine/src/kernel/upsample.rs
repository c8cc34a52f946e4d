use std::ops::Range;

use super::{Output, Source};

/// Nearest neighbours: each value becomes a rectangle of `factors`.
pub(crate) fn upsample(
    factors: [usize; 2],
    planes: Range<usize>,
    input: Source<'_>,
    output: &Output<'_>,
) {
    let height = input.planes.height;
    for plane in planes {
        for y in 0..height {
            let from = input.line(plane, y);
            // SAFETY: these planes are the caller's alone.
            let first = unsafe { output.line_mut(plane, y * factors[0]) };
            match factors[1] {
                1 => first.copy_from_slice(from),
                2 => repeat::<2>(from, first),
                factor => {
                    for (to, value) in first.chunks_exact_mut(factor).zip(from) {
                        to.fill(*value);
                    }
                }
            }
            for copy in 1..factors[0] {
                // SAFETY: as above; it is another line.
                unsafe { output.line_mut(plane, y * factors[0] + copy) }.copy_from_slice(first);
            }
        }
        output.clear_margins(plane, 0..height * factors[0]);
    }
}

fn repeat<const FACTOR: usize>(from: &[f32], to: &mut [f32]) {
    for (to, value) in to.as_chunks_mut::<FACTOR>().0.iter_mut().zip(from) {
        *to = [*value; FACTOR];
    }
}
