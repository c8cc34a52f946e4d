use super::shifts::Shifts;
use super::store::{Store, Tile};
use super::tile::{Strips, sums};
use super::tiles::Tiles;
use super::wide::{is_wide, wide_product};
use super::{Cut, Nonzeros};
use crate::kernel::lanes::{self, Kernel, Lanes};
use crate::kernel::{Epilogue, Input, Output, Part, Scratch, Simd, Value};

/// A product by many positions.
pub(crate) fn sparse_product<V: Value>(
    simd: Simd,
    weight: &Nonzeros<'_, V>,
    part: &Part,
    input: &Input<'_>,
    epilogue: &Epilogue<'_>,
    output: &Output<'_>,
    scratch: &mut Scratch,
) {
    if part.rows.is_empty() || part.lines.is_empty() {
        return;
    }
    let positions = (part.lines.len() - 1) * input.row + output.planes().width;
    check(&weight.cut, weight.cut.rows, part, input, positions);
    if is_wide(&weight.cut, positions) {
        return wide_product(simd, weight, part, input, epilogue, output, scratch);
    }
    let first = part.lines.start * input.row;
    let shifts = Shifts::new(input, &weight.cut, first);
    let width = output.planes().width;
    let tiles = Tiles::new(simd, positions, input.row, width, shifts.largest());
    let store = Store::new(epilogue, output, part.lines.clone(), input.row);
    let room = tiles.vectors * simd.lanes();
    let strips = Strips::len(room);
    let values = scratch.values(strips + 2 * room);
    let (strips, values) = values.split_at_mut(strips);
    let (mask, sums) = values.split_at_mut(room);
    let strips = Strips::new(strips, room);
    for (at, used, vectors) in tiles {
        let tile = Tile::new(mask, at, used, &store);
        macro_rules! vectors {
            ($($n:literal),*) => {
                match vectors {
                    $($n => lanes::run(
                        simd,
                        Rows::<V, $n> {
                            simd,
                            weight,
                            part,
                            input,
                            at: first + at,
                            shifts: &shifts,
                            strips: &strips,
                            store: &store,
                            tile,
                            sums: &mut *sums,
                        },
                    ),)*
                    _ => unreachable!("a tile larger than all"),
                }
            };
        }
        vectors!(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14);
    }
}

/// Values that are read behind the last position: a shift, and what is left of a vector.
const AFTER: usize = 32;

/// Everything that the loops read without asking.
pub(super) fn check(cut: &Cut, rows: usize, part: &Part, input: &Input<'_>, positions: usize) {
    assert!(part.rows.end <= rows, "rows that are not there");
    assert_eq!(
        input.offsets.len(),
        cut.columns,
        "an offset for each column"
    );
    let farthest = input.offsets.iter().fold(0, |a, &b| a.max(b)) as usize;
    let end = farthest + part.lines.start * input.row + positions + AFTER;
    assert!(end <= input.values.len(), "a column outside of the input");
}

/// All rows of a part at one tile of `N` vectors.
struct Rows<'a, V, const N: usize> {
    simd: Simd,
    weight: &'a Nonzeros<'a, V>,
    part: &'a Part,
    input: &'a Input<'a>,
    /// The first position.
    at: usize,
    shifts: &'a Shifts,
    strips: &'a Strips,
    store: &'a Store<'a>,
    tile: Tile<'a>,
    sums: &'a mut [f32],
}

impl<V: Value, const N: usize> Kernel for Rows<'_, V, N> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        if N > L::SUMS {
            unreachable!("a tile larger than all");
        }
        for row in self.part.rows.clone() {
            // SAFETY: `check` has looked, and the part is the caller's alone.
            let sums: [L; N] = unsafe {
                sums::<L, V, N>(
                    self.weight,
                    row,
                    self.input,
                    self.at,
                    self.shifts,
                    self.strips,
                )
            };
            if let Some(bounds) = self.store.bounds() {
                // SAFETY: as above.
                unsafe { self.store.direct(sums, row, &self.tile, bounds) };
                continue;
            }
            for (sum, to) in sums.into_iter().zip(self.sums.chunks_exact_mut(L::COUNT)) {
                // SAFETY: a chunk has as many values as the vector.
                unsafe { sum.store(to.as_mut_ptr()) };
            }
            self.store.lines(self.simd, self.sums, row, &self.tile);
        }
    }
}
