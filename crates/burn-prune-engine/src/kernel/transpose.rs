use std::ops::Range;

use super::lanes::{self, Kernel, Lanes};
use super::{Output, Simd, Source};

/// `n` planes of one line of `f` values as `f` planes of one line of `n` values: Burn's `[n, f]` to
/// features by positions, and back. The planes are those of the output.
pub(crate) fn transpose(simd: Simd, planes: Range<usize>, input: Source<'_>, output: &Output<'_>) {
    if planes.is_empty() {
        return;
    }
    let lines = output.planes().width;
    assert!(
        planes.end <= input.planes.width,
        "a plane for each value of a line"
    );
    assert!(
        lines == 0 || input.planes.value(lines - 1, 0, planes.end - 1) < input.values.len(),
        "lines outside of the input"
    );
    lanes::run(
        simd,
        Transpose {
            planes,
            input,
            output,
        },
    );
}

struct Transpose<'a> {
    planes: Range<usize>,
    input: Source<'a>,
    output: &'a Output<'a>,
}

impl Kernel for Transpose<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let lines = self.output.planes().width;
        let (line, next) = (self.input.planes.plane, self.output.planes().plane);
        let mut plane = self.planes.start;
        while plane < self.planes.end {
            let count = (self.planes.end - plane).min(8);
            // Both ends of what is written; between them are whole planes.
            let to = self.output.line(plane, 0);
            self.output.line(plane + count - 1, 0);
            let from = self.input.values[self.input.planes.value(0, 0, plane)..].as_ptr();
            let mut at = 0;
            // SAFETY: all lines have these planes as values, and the planes are the caller's alone.
            unsafe {
                while count == 8 && at + 8 <= lines {
                    L::transpose_eight(from.add(at * line), line, to.add(at), next);
                    at += 8;
                }
                for at in at..lines {
                    for i in 0..count {
                        to.add(i * next + at).write(from.add(at * line + i).read());
                    }
                }
            }
            plane += count;
        }
        for plane in self.planes {
            self.output.clear_margins(plane, 0..1);
        }
    }
}
