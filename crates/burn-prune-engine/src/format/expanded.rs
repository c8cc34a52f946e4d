use std::ops::Range;

use super::packed::Format;
use crate::kernel::{PANEL, Panelled};

/// A packed weight that is expanded to panels, block by block, when it is multiplied.
pub(super) struct Expanded<'a, F: ?Sized>(pub &'a F);

impl<F: Format + ?Sized> Panelled for Expanded<'_, F> {
    fn columns(&self) -> usize {
        self.0.columns()
    }

    fn in_place(&self) -> Option<&[f32]> {
        None
    }

    fn expand(&self, panels: Range<usize>, columns: Range<usize>, room: &mut [f32]) {
        room.fill(0.0);
        let panel = columns.len() * PANEL;
        let rows = panels.start * PANEL..self.0.rows().min(panels.end * PANEL);
        for (at, row) in rows.enumerate() {
            let room = &mut room[at / PANEL * panel..][..panel];
            self.0.each_of(row, columns.clone(), &mut |column, value| {
                room[(column - columns.start) * PANEL + at % PANEL] = value;
            });
        }
    }
}
