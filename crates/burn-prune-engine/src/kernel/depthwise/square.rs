use super::Depthwise;
use crate::kernel::finish::Finish;
use crate::kernel::lanes::{Kernel, Lanes};

/// Windows of `SIZE x SIZE`, `STRIDE` apart. Several lines of outputs are summed together, so that each
/// input is loaded once for all of them.
pub(super) struct Square<'a, const SIZE: usize, const STRIDE: usize>(pub Depthwise<'a>);

impl<const SIZE: usize, const STRIDE: usize> Kernel for Square<'_, SIZE, STRIDE> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let it = self.0;
        let row = it.input.planes.row;
        for plane in it.part.rows.clone() {
            let weights = &it.weights[plane * SIZE * SIZE..][..SIZE * SIZE];
            let channel = plane / it.multiplier * it.input.planes.plane + it.first;
            let mut line = it.part.lines.start;
            while line < it.part.lines.end {
                let from = it.input.values[channel + line * STRIDE * row..].as_ptr();
                // SAFETY: the windows are inside of the input, and the lines are the caller's alone.
                line += unsafe {
                    match it.part.lines.end - line {
                        // Small images have a multiple of 7 lines.
                        7.. if SIZE == 5 && STRIDE == 1 && L::COUNT == 8 => {
                            lines::<L, SIZE, STRIDE, 7>(&it, plane, line, weights, from)
                        }
                        4.. => lines::<L, SIZE, STRIDE, 4>(&it, plane, line, weights, from),
                        2.. => lines::<L, SIZE, STRIDE, 2>(&it, plane, line, weights, from),
                        _ => lines::<L, SIZE, STRIDE, 1>(&it, plane, line, weights, from),
                    }
                };
            }
            it.output.clear_margins(plane, it.part.lines.clone());
        }
    }
}

/// `LINES` lines of outputs, whose first window begins at `from`; says how many.
#[inline(always)]
unsafe fn lines<L: Lanes, const SIZE: usize, const STRIDE: usize, const LINES: usize>(
    it: &Depthwise<'_>,
    plane: usize,
    line: usize,
    weights: &[f32],
    from: *const f32,
) -> usize {
    let finish: [Finish; LINES] =
        std::array::from_fn(|i| Finish::new(it.epilogue, it.output, plane, line + i));
    let row = it.input.planes.row;
    let columns = it.output.planes().width;
    // SAFETY: the caller's promises.
    unsafe {
        let mut factors = [[L::splat(0.0); SIZE]; SIZE];
        for (y, factors) in factors.iter_mut().enumerate() {
            for (x, factor) in factors.iter_mut().enumerate() {
                *factor = L::splat(weights[y * SIZE + x]);
            }
        }
        let mut at = 0;
        while at + L::COUNT <= columns {
            let from = from.add(at * STRIDE);
            let sums = windows::<L, All, SIZE, STRIDE, LINES>(All, &factors, from, row);
            for (sums, finish) in sums.into_iter().zip(&finish) {
                finish.store(sums, at, L::COUNT);
            }
            at += L::COUNT;
        }
        if at < columns {
            let first = First(columns - at);
            let from = from.add(at * STRIDE);
            let sums = windows::<L, First, SIZE, STRIDE, LINES>(first, &factors, from, row);
            for (sums, finish) in sums.into_iter().zip(&finish) {
                finish.store(sums, at, columns - at);
            }
        }
    }
    LINES
}

/// The sums of one vector of windows in each of the lines.
#[inline(always)]
unsafe fn windows<
    L: Lanes,
    C: Columns,
    const SIZE: usize,
    const STRIDE: usize,
    const LINES: usize,
>(
    columns: C,
    factors: &[[L; SIZE]; SIZE],
    from: *const f32,
    row: usize,
) -> [L; LINES] {
    // SAFETY: the caller's promises.
    unsafe {
        let mut sums = [L::splat(0.0); LINES];
        for y in 0..(LINES - 1) * STRIDE + SIZE {
            let from = from.add(y * row);
            let mut values = [L::splat(0.0); SIZE];
            if STRIDE == 1 {
                for (x, value) in values.iter_mut().enumerate() {
                    *value = columns.load(from.add(x));
                }
            } else {
                for x in (0..SIZE).step_by(2) {
                    if x + 1 < SIZE {
                        (values[x], values[x + 1]) = columns.load_pairs(from.add(x));
                    } else {
                        values[x] = columns.load_evens(from.add(x));
                    }
                }
            }
            for (line, sum) in sums.iter_mut().enumerate() {
                if y >= line * STRIDE && y < line * STRIDE + SIZE {
                    for (value, factor) in values.iter().zip(&factors[y - line * STRIDE]) {
                        *sum = value.times_plus(*factor, *sum);
                    }
                }
            }
        }
        sums
    }
}

/// Which windows of a vector exist.
trait Columns: Copy {
    unsafe fn load<L: Lanes>(self, from: *const f32) -> L;

    /// Every second value, and those behind them.
    unsafe fn load_pairs<L: Lanes>(self, from: *const f32) -> (L, L);

    /// Every second value; the one behind the last of them is not read.
    unsafe fn load_evens<L: Lanes>(self, from: *const f32) -> L;
}

/// All of them.
#[derive(Clone, Copy)]
struct All;

impl Columns for All {
    #[inline(always)]
    unsafe fn load<L: Lanes>(self, from: *const f32) -> L {
        // SAFETY: the caller's promises.
        unsafe { L::load(from) }
    }

    #[inline(always)]
    unsafe fn load_pairs<L: Lanes>(self, from: *const f32) -> (L, L) {
        // SAFETY: the caller's promises.
        unsafe { L::load(from).halves(L::load(from.add(L::COUNT))) }
    }

    #[inline(always)]
    unsafe fn load_evens<L: Lanes>(self, from: *const f32) -> L {
        // SAFETY: the caller's promises.
        unsafe {
            let behind = L::load_first(from.add(L::COUNT), L::COUNT - 1);
            L::load(from).halves(behind).0
        }
    }
}

/// So many.
#[derive(Clone, Copy)]
struct First(usize);

impl First {
    #[inline(always)]
    unsafe fn load_values<L: Lanes>(from: *const f32, values: usize) -> (L, L) {
        let behind = values.saturating_sub(L::COUNT);
        // SAFETY: the caller's promises; nothing is read from where nothing is behind.
        unsafe {
            let first = L::load_first(from, values.min(L::COUNT));
            first.halves(L::load_first(from.wrapping_add(L::COUNT), behind))
        }
    }
}

impl Columns for First {
    #[inline(always)]
    unsafe fn load<L: Lanes>(self, from: *const f32) -> L {
        // SAFETY: the caller's promises.
        unsafe { L::load_first(from, self.0) }
    }

    #[inline(always)]
    unsafe fn load_pairs<L: Lanes>(self, from: *const f32) -> (L, L) {
        // SAFETY: the caller's promises.
        unsafe { Self::load_values(from, 2 * self.0) }
    }

    #[inline(always)]
    unsafe fn load_evens<L: Lanes>(self, from: *const f32) -> L {
        // SAFETY: the caller's promises.
        unsafe { Self::load_values(from, 2 * self.0 - 1).0 }
    }
}
