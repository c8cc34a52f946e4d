//! Products with so many columns that the inputs of a tile do not stay in cache: block by block of the
//! columns, with the sums of many rows in memory meanwhile.

use super::store::{Store, Tile};
use super::tile::add_block;
use super::{Cut, Nonzeros};
use crate::kernel::lanes::{self, Kernel, Lanes};
use crate::kernel::{Epilogue, Input, Output, Part, Scratch, Simd, Value};

/// Rows whose sums are kept at once.
const ROWS: usize = 512;

/// Vectors of positions in a tile.
const VECTORS: usize = 4;

/// Inputs of a tile beyond which they are read block by block: 128 KB of them.
const INPUTS: usize = 1 << 15;

/// Whether this is faster than reading all columns of one row after the other. The sums are the same.
pub(super) fn is_wide(cut: &Cut, positions: usize) -> bool {
    cut.classes == 1 && cut.blocks() > 1 && cut.columns * positions.min(128) > INPUTS
}

/// A product by many positions, whose operands are checked.
pub(super) fn wide_product<V: Value>(
    simd: Simd,
    weight: &Nonzeros<'_, V>,
    part: &Part,
    input: &Input<'_>,
    epilogue: &Epilogue<'_>,
    output: &Output<'_>,
    scratch: &mut Scratch,
) {
    let positions = (part.lines.len() - 1) * input.row + output.planes().width;
    let store = Store::new(epilogue, output, part.lines.clone(), input.row);
    let room = VECTORS.min(positions.div_ceil(simd.lanes())) * simd.lanes();
    let rows = ROWS.min(part.rows.len());
    let (mask, sums) = scratch.values((rows + 1) * room).split_at_mut(room);
    for at in (0..positions).step_by(room) {
        let used = room.min(positions - at);
        let tile = Tile::new(mask, at, used, &store);
        for first in part.rows.clone().step_by(rows) {
            let rows = first..part.rows.end.min(first + rows);
            let part = Part {
                rows,
                lines: part.lines.clone(),
            };
            macro_rules! vectors {
                ($($n:literal),*) => {
                    match used.div_ceil(simd.lanes()) {
                        $($n => lanes::run(
                            simd,
                            Blocks::<V, $n> {
                                simd,
                                weight,
                                part: &part,
                                input,
                                at: part.lines.start * input.row + at,
                                store: &store,
                                tile,
                                room,
                                sums: &mut *sums,
                            },
                        ),)*
                        _ => unreachable!("a tile larger than all"),
                    }
                };
            }
            vectors!(1, 2, 3, 4);
        }
    }
}

/// All blocks of columns, for some rows at one tile of `N` vectors.
struct Blocks<'a, V, const N: usize> {
    simd: Simd,
    weight: &'a Nonzeros<'a, V>,
    part: &'a Part,
    input: &'a Input<'a>,
    /// The first position.
    at: usize,
    store: &'a Store<'a>,
    tile: Tile<'a>,
    /// Values from the sums of one row to those of the next one.
    room: usize,
    sums: &'a mut [f32],
}

impl<V: Value, const N: usize> Kernel for Blocks<'_, V, N> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let blocks = self.weight.cut.blocks();
        for block in 0..blocks {
            let rooms = self.sums.chunks_exact_mut(self.room);
            for (row, room) in self.part.rows.clone().zip(rooms) {
                let room = &mut room[..N * L::COUNT];
                // SAFETY: a room has as many values as the vectors, the operands are checked, and the
                // part is the caller's alone.
                unsafe {
                    let mut sums = [L::splat(0.0); N];
                    if block > 0 {
                        for (i, sum) in sums.iter_mut().enumerate() {
                            *sum = L::load(room.as_ptr().add(i * L::COUNT));
                        }
                    }
                    let x = self.input.values.as_ptr().add(self.at);
                    let place = [0, block];
                    let offsets = self.input.offsets;
                    sums = add_block(sums, self.weight, row, place, offsets, x);
                    if block + 1 == blocks
                        && let Some(bounds) = self.store.bounds()
                    {
                        self.store.direct(sums, row, &self.tile, bounds);
                        continue;
                    }
                    for (i, sum) in sums.into_iter().enumerate() {
                        sum.store(room.as_mut_ptr().add(i * L::COUNT));
                    }
                }
                if block + 1 == blocks {
                    self.store.lines(self.simd, room, row, &self.tile);
                }
            }
        }
    }
}
