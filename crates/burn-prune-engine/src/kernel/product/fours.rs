//! Products in which four rows share their columns: inputs are loaded once for all of them.

use super::Nonzeros;
use super::sparse::check;
use super::store::{Store, Tile};
use crate::kernel::lanes::{self, Kernel, Lanes};
use crate::kernel::{Epilogue, Input, Output, Part, Scratch, Simd, Value};

/// A product by many positions, of a weight whose rows are groups of four and have four values for each
/// index. A part has whole groups.
pub(crate) fn product_of_fours<V: Value>(
    simd: Simd,
    weight: &Nonzeros<'_, [V; 4]>,
    part: &Part,
    input: &Input<'_>,
    epilogue: &Epilogue<'_>,
    output: &Output<'_>,
    scratch: &mut Scratch,
) {
    if part.rows.is_empty() || part.lines.is_empty() {
        return;
    }
    let (start, end) = (part.rows.start, part.rows.end);
    assert!(
        start.is_multiple_of(4) && end.is_multiple_of(4),
        "half a group"
    );
    let positions = (part.lines.len() - 1) * input.row + output.planes().width;
    check(&weight.cut, weight.cut.rows * 4, part, input, positions);
    let store = Store::new(epilogue, output, part.lines.clone(), input.row);
    let vectors = match simd {
        Simd::Portable => 1,
        Simd::Avx2 => 2,
        Simd::Avx512 => 4,
    };
    let room = vectors * simd.lanes();
    let (mask, sums) = scratch.values(5 * room).split_at_mut(room);
    for at in (0..positions).step_by(room) {
        let used = room.min(positions - at);
        let tile = Tile::new(mask, at, used, &store);
        macro_rules! vectors {
            ($($n:literal),*) => {
                match used.div_ceil(simd.lanes()) {
                    $($n => lanes::run(
                        simd,
                        Groups::<V, $n> {
                            simd,
                            weight,
                            part,
                            input,
                            at: part.lines.start * input.row + at,
                            store: &store,
                            tile,
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

/// All groups of a part at one tile of `N` vectors.
struct Groups<'a, V, const N: usize> {
    simd: Simd,
    weight: &'a Nonzeros<'a, [V; 4]>,
    part: &'a Part,
    input: &'a Input<'a>,
    /// The first position.
    at: usize,
    store: &'a Store<'a>,
    tile: Tile<'a>,
    /// Of the four rows.
    sums: &'a mut [f32],
}

impl<V: Value, const N: usize> Kernel for Groups<'_, V, N> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        if N > L::SUMS / 3 {
            unreachable!("a tile larger than all");
        }
        let room = self.sums.len() / 4;
        for group in self.part.rows.start / 4..self.part.rows.end / 4 {
            // SAFETY: `check` has looked, and the part is the caller's alone.
            let sums: [[L; N]; 4] = unsafe { self.sums_of(group) };
            for (row, sums) in sums.into_iter().enumerate() {
                let plane = group * 4 + row;
                if let Some(bounds) = self.store.bounds() {
                    // SAFETY: as above.
                    unsafe { self.store.direct(sums, plane, &self.tile, bounds) };
                    continue;
                }
                let room = &mut self.sums[row * room..][..room];
                for (sum, to) in sums.into_iter().zip(room.chunks_exact_mut(L::COUNT)) {
                    // SAFETY: a chunk has as many values as the vector.
                    unsafe { sum.store(to.as_mut_ptr()) };
                }
                self.store.lines(self.simd, room, plane, &self.tile);
            }
        }
    }
}

impl<V: Value, const N: usize> Groups<'_, V, N> {
    /// # Safety
    ///
    /// Of [`Nonzeros`] and [`Lanes`], and what the columns read is readable.
    #[inline(always)]
    unsafe fn sums_of<L: Lanes>(&self, group: usize) -> [[L; N]; 4] {
        let weight = self.weight;
        let cut = &weight.cut;
        // SAFETY: see above.
        unsafe {
            let x = self.input.values.as_ptr().add(self.at);
            let mut sums = [[L::splat(0.0); N]; 4];
            for block in 0..cut.blocks() {
                let offsets = self.input.offsets.as_ptr().add(cut.block(0, block).start);
                let start = cut.start(group, 0, block);
                let from = *weight.starts.get_unchecked(start) as usize;
                let to = *weight.starts.get_unchecked(start + 1) as usize;
                for entry in from..to {
                    let index = *weight.indices.get_unchecked(entry);
                    let x = x.add(*offsets.add(usize::from(index)) as usize);
                    let mut inputs = [L::splat(0.0); N];
                    for (i, input) in inputs.iter_mut().enumerate() {
                        *input = L::load(x.add(i * L::COUNT));
                    }
                    let values = weight.values.as_ptr().add(entry).cast::<V>();
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let value = L::splat_from(values.add(row));
                        for (sum, input) in sums.iter_mut().zip(inputs) {
                            *sum = value.times_plus(input, *sum);
                        }
                    }
                }
            }
            sums
        }
    }
}
