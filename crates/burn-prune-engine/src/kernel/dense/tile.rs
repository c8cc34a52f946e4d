use super::PANEL;
use crate::kernel::lanes::{Kernel, Lanes};

/// Some panels by some vectors of positions, over a block of columns.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a> {
    /// The values of the first panel.
    pub weights: *const f32,
    /// From one panel to the next one.
    pub panel: usize,
    /// Of these columns.
    pub offsets: &'a [u32],
    /// The first position of the input.
    pub x: *const f32,
    pub sums: *mut f32,
    /// From the sums of one row to those of the next one.
    pub row: usize,
    /// Whether there are sums of other columns to add to.
    pub start: Start,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    AtZero,
    AtSums,
}

/// `ROWS` rows by `VECTORS` vectors.
pub(super) struct Shaped<'a, const ROWS: usize, const VECTORS: usize>(pub Tile<'a>);

impl<const ROWS: usize, const VECTORS: usize> Kernel for Shaped<'_, ROWS, VECTORS> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Tile {
            weights,
            panel,
            offsets,
            x,
            sums,
            row,
            start,
        } = self.0;
        // SAFETY: all values are readable and the sums are the caller's alone, who has the
        // instructions.
        unsafe {
            let mut totals = [[L::splat(0.0); VECTORS]; ROWS];
            if start == Start::AtSums {
                for (r, totals) in totals.iter_mut().enumerate() {
                    for (v, total) in totals.iter_mut().enumerate() {
                        *total = L::load(sums.add(r * row + v * L::COUNT));
                    }
                }
            }
            let mut weights = weights;
            for offset in offsets {
                let x = x.add(*offset as usize);
                let mut values = [L::splat(0.0); VECTORS];
                for (v, value) in values.iter_mut().enumerate() {
                    *value = L::load(x.add(v * L::COUNT));
                }
                for (r, totals) in totals.iter_mut().enumerate() {
                    let weight = L::splat(*weights.add(r / PANEL * panel + r % PANEL));
                    for (value, total) in values.iter().zip(totals.iter_mut()) {
                        *total = value.times_plus(weight, *total);
                    }
                }
                weights = weights.add(PANEL);
            }
            for (r, totals) in totals.iter().enumerate() {
                for (v, total) in totals.iter().enumerate() {
                    total.store(sums.add(r * row + v * L::COUNT));
                }
            }
        }
    }
}
