use std::ops::Range;

use super::tile::{Shaped, Start, Tile};
use super::{PANEL, Panelled};
use crate::kernel::finish::Finish;
use crate::kernel::lanes::{self, Kernel, Lanes};
use crate::kernel::{Epilogue, Input, Output, Part, Scratch, Simd};

/// Panels whose sums are kept at once. A multiple of the four that the narrowest tile has.
const CHUNK: usize = 8;

/// The product of a weight in panels.
pub(crate) fn dense_product(
    simd: Simd,
    weight: &dyn Panelled,
    part: &Part,
    input: &Input<'_>,
    epilogue: &Epilogue<'_>,
    output: &Output<'_>,
    scratch: &mut Scratch,
) {
    if part.rows.is_empty() || part.lines.is_empty() {
        return;
    }
    let is_narrow = part.lines.len() == 1 && output.planes().width <= 8;
    // Half of a wide vector would be empty.
    let simd = if is_narrow {
        simd.min(Simd::Avx2)
    } else {
        simd
    };
    lanes::run(
        simd,
        Product {
            simd,
            weight,
            part,
            input,
            epilogue,
            output,
            scratch,
        },
    );
}

struct Product<'a> {
    simd: Simd,
    weight: &'a dyn Panelled,
    part: &'a Part,
    input: &'a Input<'a>,
    epilogue: &'a Epilogue<'a>,
    output: &'a Output<'a>,
    scratch: &'a mut Scratch,
}

/// How a product is cut, so that what is read again lies in cache.
struct Blocking {
    /// Positions whose sums are kept at once: whole tiles.
    positions: usize,
    columns: usize,
}

impl Blocking {
    fn new<L: Lanes>(positions: usize, columns: usize, is_in_place: bool) -> Self {
        let tile = L::TILE * L::COUNT;
        // A row of sums is a line of a tile while all columns fit in one block; with more columns, or
        // when weights are expanded, a chunk of weights is used for more positions.
        let most = if is_in_place && columns <= 1024 {
            64
        } else {
            256
        };
        let positions = positions.next_multiple_of(L::COUNT).min(most.max(tile));
        // So that the input of a block is at most 256 KB.
        let block = (65536 / positions).max(256);
        let block = if is_in_place { block } else { block.min(512) };
        Self {
            positions,
            columns: block.min(columns).max(1),
        }
    }
}

impl Kernel for Product<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self {
            simd,
            weight,
            part,
            input,
            epilogue,
            output,
            scratch,
        } = self;
        let lines = Lines {
            part,
            row: input.row,
            epilogue,
            output,
        };
        let columns = weight.columns();
        assert_eq!(columns, input.offsets.len(), "an offset for each column");
        let first = part.lines.start * input.row;
        let count = (part.lines.len() - 1) * input.row + output.planes().width;
        let read = first + count.next_multiple_of(L::COUNT);
        let last = input.offsets.iter().max().map_or(0, |last| *last as usize);
        assert!(
            columns == 0 || last + read <= input.values.len(),
            "an input that is too short"
        );
        let in_place = weight.in_place();
        let panels = part.rows.start / PANEL..part.rows.end.div_ceil(PANEL);
        if let Some(values) = in_place {
            assert!(
                panels.end * columns * PANEL <= values.len(),
                "too few panels"
            );
        }
        let blocking = Blocking::new::<L>(count, columns, in_place.is_some());
        let room = match in_place {
            Some(_) => 0,
            None => CHUNK * PANEL * blocking.columns,
        };
        let kept = CHUNK * PANEL * blocking.positions;
        let (sums, room) = scratch.values(kept + room).split_at_mut(kept);
        for start in (0..count).step_by(blocking.positions) {
            let positions = start..count.min(start + blocking.positions);
            for chunk in panels.clone().step_by(CHUNK) {
                let chunk = chunk..panels.end.min(chunk + CHUNK);
                let mut begin = 0;
                loop {
                    let block = begin..columns.min(begin + blocking.columns);
                    let (weights, panel) = match in_place {
                        Some(values) => {
                            let panel = columns * PANEL;
                            (&values[chunk.start * panel + begin * PANEL..], panel)
                        }
                        None => {
                            let panel = block.len() * PANEL;
                            let room = &mut room[..chunk.len() * panel];
                            weight.expand(chunk.clone(), block.clone(), room);
                            (&*room, panel)
                        }
                    };
                    let tiles = Tile {
                        weights: weights.as_ptr(),
                        panel,
                        offsets: &input.offsets[block.clone()],
                        x: input.values[first + start..].as_ptr(),
                        sums: sums.as_mut_ptr(),
                        row: blocking.positions,
                        start: if begin == 0 {
                            Start::AtZero
                        } else {
                            Start::AtSums
                        },
                    };
                    // SAFETY: the weights, the input and the sums are large enough, as checked above.
                    unsafe { block_of_tiles::<L>(simd, tiles, chunk.len(), positions.len()) };
                    begin = block.end;
                    if begin >= columns {
                        break;
                    }
                }
                let rows =
                    part.rows.start.max(chunk.start * PANEL)..part.rows.end.min(chunk.end * PANEL);
                for row in rows {
                    let sums = &sums[(row - chunk.start * PANEL) * blocking.positions..];
                    // SAFETY: the caller has the instructions of `L`, and the part is its alone.
                    unsafe { lines.finish::<L>(row, positions.clone(), sums) };
                }
            }
        }
        for row in part.rows.clone() {
            output.clear_margins(row, part.lines.clone());
        }
    }
}

/// The lines that sums belong to.
struct Lines<'a> {
    part: &'a Part,
    /// From one line of positions to the next one.
    row: usize,
    epilogue: &'a Epilogue<'a>,
    output: &'a Output<'a>,
}

impl Lines<'_> {
    /// Writes what these positions have of each line.
    #[inline(always)]
    unsafe fn finish<L: Lanes>(&self, row: usize, positions: Range<usize>, sums: &[f32]) {
        let width = self.output.planes().width;
        // A line may begin before the one above ends, where both have the same margin.
        let first = (positions.start + self.row).saturating_sub(width) / self.row;
        for y in first..self.part.lines.len() {
            let begin = y * self.row;
            if begin >= positions.end {
                break;
            }
            let from = positions.start.max(begin);
            let count = positions.end.min(begin + width).saturating_sub(from);
            let line = self.part.lines.start + y;
            let finish = Finish::new(self.epilogue, self.output, row, line);
            let sums = &sums[from - positions.start..][..count];
            let mut at = 0;
            while at < count {
                let part = L::COUNT.min(count - at);
                // SAFETY: these columns are inside of the line, and as many sums are left.
                unsafe {
                    let sums = L::load_some(sums.as_ptr().add(at), part);
                    finish.store(sums, from - begin + at, part);
                }
                at += part;
            }
        }
    }
}

/// All tiles of some panels by some positions.
///
/// # Safety
///
/// As for a tile; the input is readable up to the end of the last vector.
#[inline(always)]
unsafe fn block_of_tiles<L: Lanes>(simd: Simd, all: Tile<'_>, panels: usize, positions: usize) {
    let vectors = positions.div_ceil(L::COUNT);
    let mut vector = 0;
    while vector < vectors {
        let wide = (vectors - vector).min(L::TILE);
        let mut panel = 0;
        while panel < panels {
            let left = panels - panel;
            // SAFETY: within what the caller has.
            let tile = unsafe {
                Tile {
                    weights: all.weights.add(panel * all.panel),
                    x: all.x.add(vector * L::COUNT),
                    sums: all.sums.add(panel * PANEL * all.row + vector * L::COUNT),
                    ..all
                }
            };
            // As many sums as there are registers for.
            panel += match (L::TILE, wide, left) {
                (4, 1, 4..) => shaped::<4, 1>(simd, tile),
                (4, 1, 2..) | (2, 1, 2..) => shaped::<2, 1>(simd, tile),
                (4, 2, 2..) => shaped::<2, 2>(simd, tile),
                (_, 4, _) => shaped::<1, 4>(simd, tile),
                (_, 3, _) => shaped::<1, 3>(simd, tile),
                (_, 2, _) => shaped::<1, 2>(simd, tile),
                _ => shaped::<1, 1>(simd, tile),
            };
        }
        vector += wide;
    }
}

/// Runs a tile, and says how many panels it had.
fn shaped<const PANELS: usize, const VECTORS: usize>(simd: Simd, tile: Tile<'_>) -> usize {
    lanes::run(simd, Shaped::<PANELS, VECTORS>(tile));
    PANELS
}
