//! From the sums of a tile to the output: bias, residual, activation and margins.

use std::ops::Range;

use crate::activation::Activation;
use crate::kernel::finish::Finish;
use crate::kernel::lanes::{self, Kernel, Lanes};
use crate::kernel::{Epilogue, Output, ResidualPlace, Simd};

/// Where the sums of positions go, counted from the first line of a part.
pub(super) struct Store<'a> {
    epilogue: &'a Epilogue<'a>,
    output: &'a Output<'a>,
    lines: Range<usize>,
    /// From one line of positions to the next one.
    row: usize,
    width: usize,
    /// `min(max(x, low), high)`, when positions lie in the output, and in the residual, as they do in sums.
    direct: Option<(f32, f32)>,
}

/// Where the positions of a tile are, and which of them are in lines.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a> {
    pub(super) at: usize,
    /// Positions that are wanted.
    pub(super) used: usize,
    /// For each position of the tile, all bits where it is in a line, else none.
    mask: &'a [f32],
}

impl<'a> Tile<'a> {
    /// With a mask in these values, one for each position of the tile.
    pub(super) fn new(mask: &'a mut [f32], at: usize, used: usize, store: &Store<'_>) -> Self {
        if store.width < store.row {
            let mut x = at % store.row;
            for mask in mask.iter_mut() {
                *mask = f32::from_bits(if x < store.width { u32::MAX } else { 0 });
                x = if x + 1 == store.row { 0 } else { x + 1 };
            }
        }
        Self { at, used, mask }
    }
}

impl<'a> Store<'a> {
    pub(super) fn new(
        epilogue: &'a Epilogue<'a>,
        output: &'a Output<'a>,
        lines: Range<usize>,
        row: usize,
    ) -> Self {
        let planes = output.planes();
        let is_line = lines.len() == 1;
        let fits = |other: usize| is_line || other == row;
        let residual = epilogue
            .residual
            .is_none_or(|residual| fits(residual.planes.row));
        let bounds = match epilogue.activation {
            Activation::None => Some((f32::NEG_INFINITY, f32::INFINITY)),
            Activation::Relu => Some((0.0, f32::INFINITY)),
            Activation::Clamp { low, high } => Some((low, high)),
            _ => None,
        };
        Self {
            epilogue,
            output,
            row: if is_line { planes.width } else { row },
            width: planes.width,
            lines,
            direct: bounds.filter(|_| fits(planes.row) && residual),
        }
    }

    /// The bounds of the activation where [`direct`](Self::direct) can be used.
    #[inline(always)]
    pub(super) fn bounds(&self) -> Option<(f32, f32)> {
        self.direct
    }

    /// Writes the sums of a row where they lie as they do in the output: everything in registers.
    ///
    /// # Safety
    ///
    /// The lines are the caller's alone, the positions in them, more than `N - 2` vectors, and the
    /// instructions of `L` are there.
    #[inline(always)]
    pub(super) unsafe fn direct<L: Lanes, const N: usize>(
        &self,
        mut sums: [L; N],
        plane: usize,
        tile: &Tile<'_>,
        (low, high): (f32, f32),
    ) {
        // SAFETY: the caller's promise; the last line of the part is checked to be in the output.
        unsafe {
            self.output.line(plane, self.lines.end - 1);
            let to = self.output.line(plane, self.lines.start).add(tile.at);
            let residual = self.epilogue.residual.map(|residual| {
                let planes = residual.planes;
                let from = planes.value(plane, self.lines.start, 0);
                let end = planes.value(plane, self.lines.end - 1, planes.width);
                let from = residual.values[from..end].as_ptr().add(tile.at);
                (from, residual.place)
            });
            let bias = L::splat(self.epilogue.bias[plane]);
            for sum in &mut sums {
                *sum = sum.plus(bias);
            }
            if let Some((from, ResidualPlace::Inside)) = residual {
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = sum.plus(L::load_some(
                        from.add(i * L::COUNT),
                        count::<L, N>(i, tile.used),
                    ));
                }
            }
            let (low, high) = (L::splat(low), L::splat(high));
            for sum in &mut sums {
                *sum = sum.at_least(low).at_most(high);
            }
            if let Some((from, ResidualPlace::Outside)) = residual {
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = sum.plus(L::load_some(
                        from.add(i * L::COUNT),
                        count::<L, N>(i, tile.used),
                    ));
                }
            }
            if self.width < self.row {
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = sum.masked(L::load(tile.mask.as_ptr().add(i * L::COUNT)));
                }
            }
            for (i, sum) in sums.into_iter().enumerate() {
                sum.store_some(to.add(i * L::COUNT), count::<L, N>(i, tile.used));
            }
            if tile.at == 0 {
                self.output.clear_ends(plane, self.lines.clone());
            }
        }
    }

    /// Writes the sums of a row line by line, from memory.
    pub(super) fn lines(&self, simd: Simd, sums: &[f32], plane: usize, tile: &Tile<'_>) {
        let (at, used) = (tile.at, tile.used);
        lanes::run(
            simd,
            Lines {
                store: self,
                sums: &sums[..used],
                plane,
                at,
            },
        );
    }
}

/// Wanted positions in vector `i` of `N`. All but the last two are full.
#[inline(always)]
fn count<L: Lanes, const N: usize>(i: usize, used: usize) -> usize {
    if i + 2 < N {
        L::COUNT
    } else {
        used.saturating_sub(i * L::COUNT).min(L::COUNT)
    }
}

struct Lines<'a> {
    store: &'a Store<'a>,
    sums: &'a [f32],
    plane: usize,
    at: usize,
}

impl Kernel for Lines<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Store { row, width, .. } = *self.store;
        let output = self.store.output;
        // A line may begin before the one above ends, where both have the same margin.
        let end = self.at + self.sums.len();
        let first = (self.at + row).saturating_sub(width) / row;
        for y in first..self.store.lines.len() {
            let start = y * row;
            if start >= end {
                break;
            }
            let from = self.at.max(start);
            let count = end.min(start + width).saturating_sub(from);
            let line = self.store.lines.start + y;
            let finish = Finish::new(self.store.epilogue, output, self.plane, line);
            let mut done = 0;
            while done < count {
                let part = (count - done).min(L::COUNT);
                // SAFETY: the columns are in the line, which is the caller's alone.
                unsafe {
                    let sums = self.sums.as_ptr().add(from - self.at + done);
                    let sums = L::load_some(sums, part);
                    finish.store(sums, from - start + done, part);
                }
                done += part;
            }
            if count > 0 && from + count == start + width {
                output.clear_margins(self.plane, line..line + 1);
            }
        }
    }
}
