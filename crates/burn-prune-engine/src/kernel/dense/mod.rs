//! Products of dense weights by many positions, and of packed ones that are expanded into cache.
//!
//! The weight is in panels: six rows, column by column. A tile is some of these rows by some vectors of
//! positions: its sums stay in registers over a block of columns.

mod product;
mod tile;

pub(crate) use product::dense_product;

use std::ops::Range;

/// Rows of a panel.
pub(crate) const PANEL: usize = 6;

/// A weight that can be had in panels.
pub(crate) trait Panelled {
    fn columns(&self) -> usize;

    /// These panels as they lie in memory, `[panel][column][row]`, if they do. Rows that are behind the last one
    /// are zeros.
    fn in_place(&self) -> Option<&[f32]>;

    /// Writes these columns of some panels to `room`, `[panel][column][row]`. Called where they are
    /// not in place.
    fn expand(&self, panels: Range<usize>, columns: Range<usize>, room: &mut [f32]);
}
