use std::ops::Range;

use super::tile::{AndHalf, Shaped, Start, Tile};
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
        let read = first + count + L::COUNT;
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
        // Lines one by one where that leaves out more garbage between them than it adds at their ends.
        let width = output.planes().width;
        let step = L::COUNT.min(L::Half::COUNT);
        let line_by_line = part.lines.len() * width.next_multiple_of(step);
        let is_padded = in_place.is_some() && line_by_line < count.next_multiple_of(step);
        let (pieces, length) = if is_padded {
            (part.lines.len(), width)
        } else {
            (1, count)
        };
        let blocking = Blocking::new::<L>(length, columns, in_place.is_some());
        let starts = (0..pieces).flat_map(|piece| {
            let from = piece * input.row;
            let starts = (0..length).step_by(blocking.positions);
            starts.map(move |start| from + start..from + length.min(start + blocking.positions))
        });
        let room = match in_place {
            Some(_) => 0,
            None => CHUNK * PANEL * blocking.columns,
        };
        let kept = CHUNK * PANEL * blocking.positions;
        let (sums, room) = scratch.values(kept + room).split_at_mut(kept);
        for positions in starts {
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
                        x: input.values[first + positions.start..].as_ptr(),
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
        // Lines that are longer than it is from one to the next have positions in common.
        let first = match positions.start.checked_sub(width) {
            Some(behind) => behind / self.row + 1,
            None => 0,
        };
        let lines = first..self.part.lines.len();
        for line in lines.take_while(|line| line * self.row < positions.end) {
            let begin = line * self.row;
            let from = positions.start.max(begin);
            let to = positions.end.min(begin + width);
            let line = self.part.lines.start + line;
            let finish = Finish::new(self.epilogue, self.output, row, line);
            let mut at = from;
            while at < to {
                let count = L::COUNT.min(to - at);
                let sums = &sums[at - positions.start..];
                assert!(count <= sums.len(), "as many sums as positions");
                // SAFETY: these columns are inside of the line, and as many sums are left.
                unsafe {
                    let sums = if count == L::COUNT {
                        L::load(sums.as_ptr())
                    } else {
                        L::load_first(sums.as_ptr(), count)
                    };
                    finish.store(sums, at - begin, count);
                }
                at += L::COUNT;
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
    let rest = positions % L::COUNT;
    let has_half = L::Half::COUNT < L::COUNT && rest > 0 && rest <= L::Half::COUNT;
    let vectors = positions.div_ceil(L::COUNT);
    let mut vector = 0;
    while vector < vectors {
        let left = vectors - vector;
        // A half goes with the vectors before it; one that comes alone is a vector.
        let is_half_next = has_half && (2..=L::TILE).contains(&left);
        let wide = left.min(L::TILE);
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
                _ if is_half_next => and_half(simd, tile, wide - 1),
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

/// Runs a tile of so many vectors and a half, and says how many panels it had.
fn and_half(simd: Simd, tile: Tile<'_>, vectors: usize) -> usize {
    match vectors {
        1 => lanes::run(simd, AndHalf::<1>(tile)),
        2 => lanes::run(simd, AndHalf::<2>(tile)),
        _ => lanes::run(simd, AndHalf::<3>(tile)),
    }
    1
}
