//! From sums to outputs: bias, residual and activation on the way.

use super::activate::activated;
use super::lanes::Lanes;
use super::{Epilogue, Output, ResidualPlace};
use crate::activation::Activation;

/// Where the sums of one line of a plane go.
pub(super) struct Finish {
    to: *mut f32,
    bias: f32,
    activation: Activation,
    residual: Option<(*const f32, ResidualPlace)>,
}

impl Finish {
    #[inline(always)]
    pub(super) fn new(
        epilogue: &Epilogue<'_>,
        output: &Output<'_>,
        plane: usize,
        line: usize,
    ) -> Self {
        let width = output.planes().width;
        let residual = epilogue.residual.map(|residual| {
            let line = &residual.values[residual.planes.value(plane, line, 0)..][..width];
            (line.as_ptr(), residual.place)
        });
        Self {
            to: output.line(plane, line),
            bias: epilogue.bias[plane],
            activation: epilogue.activation,
            residual,
        }
    }

    /// Writes the first `count` of these sums, from column `at` on.
    ///
    /// # Safety
    ///
    /// The columns are inside of the line, which is the caller's alone, as the instructions of `L` are.
    #[inline(always)]
    pub(super) unsafe fn store<L: Lanes>(&self, sums: L, at: usize, count: usize) {
        // SAFETY: the caller's promise; the residual has as many columns as the output.
        unsafe {
            let sums = sums.plus(L::splat(self.bias));
            let result = match self.residual {
                None => activated(self.activation, sums),
                Some((from, place)) => {
                    let added = if count == L::COUNT {
                        L::load(from.add(at))
                    } else {
                        L::load_first(from.add(at), count)
                    };
                    match place {
                        ResidualPlace::Inside => activated(self.activation, sums.plus(added)),
                        ResidualPlace::Outside => activated(self.activation, sums).plus(added),
                    }
                }
            };
            if count == L::COUNT {
                result.store(self.to.add(at));
            } else {
                result.store_first(self.to.add(at), count);
            }
        }
    }
}
