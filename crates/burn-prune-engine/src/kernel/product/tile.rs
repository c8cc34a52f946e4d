//! The sums of one row at one tile of positions.

use super::Nonzeros;
use super::shifts::{LARGEST_CLASSES, Shifts};
use crate::kernel::lanes::Lanes;
use crate::kernel::{Input, Value};

/// Adds what the nonzeros of a row in a block of columns say about `N` vectors of positions, from `x` on.
///
/// # Safety
///
/// Of [`Nonzeros`] and [`Lanes`], and what the columns read from `x` on is readable.
#[inline(always)]
pub(super) unsafe fn add_block<L: Lanes, V: Value, const N: usize>(
    mut sums: [L; N],
    weight: &Nonzeros<'_, V>,
    row: usize,
    [class, block]: [usize; 2],
    offsets: &[u32],
    x: *const f32,
) -> [L; N] {
    let cut = &weight.cut;
    // SAFETY: see above.
    unsafe {
        let offsets = offsets.as_ptr().add(cut.block(class, block).start);
        let start = cut.start(row, class, block);
        let from = *weight.starts.get_unchecked(start) as usize;
        let to = *weight.starts.get_unchecked(start + 1) as usize;
        for entry in from..to {
            let index = *weight.indices.get_unchecked(entry);
            let x = x.add(*offsets.add(usize::from(index)) as usize);
            let value = L::splat_from(weight.values.as_ptr().add(entry));
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = value.times_plus(L::load(x.add(i * L::COUNT)), *sum);
            }
        }
        sums
    }
}

/// The same for all blocks of a class.
///
/// # Safety
///
/// As for [`add_block`].
#[inline(always)]
unsafe fn add_class<L: Lanes, V: Value, const N: usize>(
    weight: &Nonzeros<'_, V>,
    row: usize,
    class: usize,
    offsets: &[u32],
    x: *const f32,
) -> [L; N] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [L::splat(0.0); N];
        for block in 0..weight.cut.blocks() {
            sums = add_block(sums, weight, row, [class, block], offsets, x);
        }
        sums
    }
}

/// Values that are read behind a strip: at least the largest shift, and whole lines of cache.
const AFTER: usize = 16;

/// Sums of shifted classes, between their loops and the end of the row.
pub(super) struct Strips {
    start: *mut f32,
    /// From the sums of one class to those of the next one.
    strip: usize,
}

impl Strips {
    /// Values that all strips take, for tiles of so many positions.
    pub(super) fn len(positions: usize) -> usize {
        (positions + AFTER) * LARGEST_CLASSES
    }

    /// In [`len`](Self::len) values.
    pub(super) fn new(values: &mut [f32], positions: usize) -> Self {
        assert!(values.len() >= Self::len(positions));
        Self {
            start: values.as_mut_ptr(),
            strip: positions + AFTER,
        }
    }
}

/// The sums of a row at `N` vectors of positions from `at` on.
///
/// The order of the summands is the same for any tile. The last ones, as many as the largest shift, are
/// right only where nothing is shifted.
///
/// # Safety
///
/// As for [`add_class`], and the strips are those of `N` vectors at least.
#[inline(always)]
pub(super) unsafe fn sums<L: Lanes, V: Value, const N: usize>(
    weight: &Nonzeros<'_, V>,
    row: usize,
    input: &Input<'_>,
    at: usize,
    shifts: &Shifts,
    strips: &Strips,
) -> [L; N] {
    let classes = weight.cut.classes;
    // SAFETY: see above; no shift goes before the first value.
    unsafe {
        let x = input.values.as_ptr().wrapping_add(at);
        let mut class = classes;
        let mut sums: [L; N] = loop {
            class -= 1;
            let shift = shifts.of(class);
            let sums: [L; N] = add_class(weight, row, class, input.offsets, x.wrapping_sub(shift));
            if class == 0 && shift == 0 {
                break sums;
            }
            let strip = strips.start.add(class * strips.strip);
            for (i, sum) in sums.into_iter().enumerate() {
                sum.store(strip.add(i * L::COUNT));
            }
            if class == 0 {
                let mut sums = [L::splat(0.0); N];
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = L::load(strip.add(shift + i * L::COUNT));
                }
                break sums;
            }
        };
        for class in 1..classes {
            let strip = strips.start.add(class * strips.strip + shifts.of(class));
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = sum.plus(L::load(strip.add(i * L::COUNT)));
            }
        }
        sums
    }
}
