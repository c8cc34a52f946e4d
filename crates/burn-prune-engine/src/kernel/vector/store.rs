use std::ops::Range;

use crate::kernel::activate::activated;
use crate::kernel::lanes::{Kernel, Lanes, run};
use crate::kernel::{Epilogue, Output, ResidualPlace, Simd};

/// Writes outputs of one position each: bias, residual and activation for the sums of these rows.
pub(crate) fn store_vector(
    simd: Simd,
    rows: Range<usize>,
    sums: &[f32],
    epilogue: &Epilogue<'_>,
    output: &Output<'_>,
) {
    if rows.is_empty() {
        return;
    }
    assert_eq!(sums.len(), rows.len());
    let residual = epilogue.residual.map(|residual| {
        let step = residual.planes.plane;
        let first = residual.planes.value(rows.start, 0, 0);
        (&residual.values[first..], step, residual.place)
    });
    let is_dense = output.planes().plane == 1 && residual.is_none_or(|(_, step, _)| step == 1);
    if is_dense {
        let last = output.line(rows.end - 1, 0);
        let to = output.line(rows.start, 0);
        debug_assert_eq!(last, to.wrapping_add(rows.len() - 1));
        run(
            simd,
            Store {
                sums,
                bias: &epilogue.bias[rows.clone()],
                residual: residual.map(|(values, _, place)| (&values[..rows.len()], place)),
                epilogue,
                to,
            },
        );
        return;
    }
    for (at, row) in rows.enumerate() {
        let sum = sums[at] + epilogue.bias[row];
        let result = match residual {
            None => epilogue.activation.apply(sum),
            Some((values, step, ResidualPlace::Inside)) => {
                epilogue.activation.apply(sum + values[at * step])
            }
            Some((values, step, ResidualPlace::Outside)) => {
                epilogue.activation.apply(sum) + values[at * step]
            }
        };
        // SAFETY: `line` gives the start of a line of at least one value, which is this row's.
        unsafe { *output.line(row, 0) = result };
        output.clear_margins(row, 0..1);
    }
}

/// Values one behind the other.
struct Store<'a> {
    sums: &'a [f32],
    bias: &'a [f32],
    residual: Option<(&'a [f32], ResidualPlace)>,
    epilogue: &'a Epilogue<'a>,
    to: *mut f32,
}

impl Kernel for Store<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let activation = self.epilogue.activation;
        for at in (0..self.sums.len()).step_by(L::COUNT) {
            let count = L::COUNT.min(self.sums.len() - at);
            // SAFETY: `count` values at `at` are within each slice, and `to` has as many; the
            // instructions are there.
            unsafe {
                let sums = L::load_first(self.sums.as_ptr().add(at), count);
                let sums = sums.plus(L::load_first(self.bias.as_ptr().add(at), count));
                let result = match self.residual {
                    None => activated(activation, sums),
                    Some((values, place)) => {
                        let added = L::load_first(values.as_ptr().add(at), count);
                        match place {
                            ResidualPlace::Inside => activated(activation, sums.plus(added)),
                            ResidualPlace::Outside => activated(activation, sums).plus(added),
                        }
                    }
                };
                result.store_first(self.to.add(at), count);
            }
        }
    }
}
