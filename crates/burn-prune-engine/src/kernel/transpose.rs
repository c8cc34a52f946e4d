use std::ops::Range;

use super::{Output, Source};

/// Lines that are read together, so that each line of cache that is written is filled at once.
const BLOCK: usize = 16;

/// `n` planes of one line of `f` values as `f` planes of one line of `n` values: Burn's `[n, f]` to
/// features by positions, and back. The planes are those of the output.
pub(crate) fn transpose(planes: Range<usize>, input: Source<'_>, output: &Output<'_>) {
    let count = output.planes().width;
    let mut done = 0;
    while done < count {
        let block = BLOCK.min(count - done);
        let lines: [&[f32]; BLOCK] =
            std::array::from_fn(|i| input.line(done + i.min(block - 1), 0));
        for plane in planes.clone() {
            // SAFETY: these planes are the caller's alone.
            let to = unsafe { output.line_mut(plane, 0) };
            for (to, line) in to[done..done + block].iter_mut().zip(&lines) {
                *to = line[plane];
            }
        }
        done += block;
    }
    for plane in planes {
        output.clear_margins(plane, 0..1);
    }
}
