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

/// `PANELS` panels by `VECTORS` vectors.
pub(super) struct Shaped<'a, const PANELS: usize, const VECTORS: usize>(pub Tile<'a>);

impl<const PANELS: usize, const VECTORS: usize> Kernel for Shaped<'_, PANELS, VECTORS> {
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
            let place =
                |p: usize, r: usize, v: usize| sums.add((p * PANEL + r) * row + v * L::COUNT);
            let mut totals = [[[L::splat(0.0); VECTORS]; PANEL]; PANELS];
            if start == Start::AtSums {
                for (p, totals) in totals.iter_mut().enumerate() {
                    for (r, totals) in totals.iter_mut().enumerate() {
                        for (v, total) in totals.iter_mut().enumerate() {
                            *total = L::load(place(p, r, v));
                        }
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
                for (p, totals) in totals.iter_mut().enumerate() {
                    for (r, totals) in totals.iter_mut().enumerate() {
                        let weight = L::splat(*weights.add(p * panel + r));
                        for (value, total) in values.iter().zip(totals.iter_mut()) {
                            *total = value.times_plus(weight, *total);
                        }
                    }
                }
                weights = weights.add(PANEL);
            }
            for (p, totals) in totals.iter().enumerate() {
                for (r, totals) in totals.iter().enumerate() {
                    for (v, total) in totals.iter().enumerate() {
                        total.store(place(p, r, v));
                    }
                }
            }
        }
    }
}

/// One panel by `VECTORS` vectors and half of one behind them.
pub(super) struct AndHalf<'a, const VECTORS: usize>(pub Tile<'a>);

impl<const VECTORS: usize> Kernel for AndHalf<'_, VECTORS> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Tile {
            weights,
            offsets,
            x,
            sums,
            row,
            start,
            ..
        } = self.0;
        // SAFETY: as above.
        unsafe {
            let behind = VECTORS * L::COUNT;
            let mut totals = [[L::splat(0.0); VECTORS]; PANEL];
            let mut halves = [L::Half::splat(0.0); PANEL];
            if start == Start::AtSums {
                for r in 0..PANEL {
                    for (v, total) in totals[r].iter_mut().enumerate() {
                        *total = L::load(sums.add(r * row + v * L::COUNT));
                    }
                    halves[r] = L::Half::load(sums.add(r * row + behind));
                }
            }
            let mut weights = weights;
            for offset in offsets {
                let x = x.add(*offset as usize);
                let mut values = [L::splat(0.0); VECTORS];
                for (v, value) in values.iter_mut().enumerate() {
                    *value = L::load(x.add(v * L::COUNT));
                }
                let half = L::Half::load(x.add(behind));
                for r in 0..PANEL {
                    let weight = L::splat(*weights.add(r));
                    for (value, total) in values.iter().zip(totals[r].iter_mut()) {
                        *total = value.times_plus(weight, *total);
                    }
                    let weight = L::Half::splat(*weights.add(r));
                    halves[r] = half.times_plus(weight, halves[r]);
                }
                weights = weights.add(PANEL);
            }
            for r in 0..PANEL {
                for (v, total) in totals[r].iter().enumerate() {
                    total.store(sums.add(r * row + v * L::COUNT));
                }
                halves[r].store(sums.add(r * row + behind));
            }
        }
    }
}
