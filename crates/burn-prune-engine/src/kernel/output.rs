use std::marker::PhantomData;
use std::ops::Range;

use crate::layout::Planes;

/// The planes that a kernel writes: plane `r` is row `r` of a product.
///
/// Several threads have copies of it at once; each writes the part that is its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output<'a> {
    start: *mut f32,
    len: usize,
    planes: Planes,
    values: PhantomData<&'a mut [f32]>,
}

// SAFETY: it is a borrow of a slice for writing; that threads write different parts is what those
// promise who write through its pointers.
unsafe impl Send for Output<'_> {}
// SAFETY: as above.
unsafe impl Sync for Output<'_> {}

impl<'a> Output<'a> {
    /// Planes that begin with this slice.
    #[cfg(test)]
    pub(crate) fn new(values: &'a mut [f32], planes: Planes) -> Self {
        Self {
            start: values.as_mut_ptr(),
            len: values.len(),
            planes,
            values: PhantomData,
        }
    }

    /// The same from a pointer to so many values.
    ///
    /// # Safety
    /// They may be written for as long as `'a`, with the promise of this type.
    pub(super) unsafe fn from_raw(start: *mut f32, len: usize, planes: Planes) -> Self {
        Self {
            start,
            len,
            planes,
            values: PhantomData,
        }
    }

    pub(crate) fn planes(&self) -> Planes {
        self.planes
    }

    /// Where a line of a plane begins, behind its margin. Writing there is up to the caller, who has to
    /// be the only one at that line.
    pub(super) fn line(&self, plane: usize, line: usize) -> *mut f32 {
        let at = plane * self.planes.plane
            + (line + self.planes.top) * self.planes.row
            + self.planes.left;
        assert!(
            at + self.planes.width <= self.len,
            "a line outside of the output"
        );
        // SAFETY: it is inside of the slice.
        unsafe { self.start.add(at) }
    }

    /// A line of a plane without its margins.
    ///
    /// # Safety
    ///
    /// The caller is the only one at that line.
    #[allow(clippy::mut_from_ref)]
    #[inline(always)]
    pub(super) unsafe fn line_mut(&self, plane: usize, line: usize) -> &mut [f32] {
        // SAFETY: `line` checks that it is inside of the slice.
        unsafe { std::slice::from_raw_parts_mut(self.line(plane, line), self.planes.width) }
    }

    /// Planes whose values lie one behind the other, as one line; `None` where there is anything
    /// between them.
    ///
    /// # Safety
    ///
    /// The caller is the only one at these planes.
    #[allow(clippy::mut_from_ref)]
    pub(super) unsafe fn as_one_line(&self, first: usize, count: usize) -> Option<&mut [f32]> {
        let length = self.planes.as_one_line()?;
        assert!(
            (first + count) * length <= self.len,
            "planes outside of the output"
        );
        // SAFETY: they are inside of the slice.
        Some(unsafe {
            std::slice::from_raw_parts_mut(self.start.add(first * length), count * length)
        })
    }

    /// Writes the zeros around these lines of a plane: before and behind each, and all lines above the
    /// first and below the last one of the plane if these are among them.
    ///
    /// The caller has to be the only one at these lines.
    pub(super) fn clear_margins(&self, plane: usize, lines: Range<usize>) {
        let planes = self.planes;
        if planes.as_one_line().is_some() || lines.is_empty() {
            return;
        }
        self.clear_ends(plane, lines.clone());
        if planes.row > planes.width {
            for line in lines.start + 1..lines.end {
                let end = planes.value(plane, line, 0);
                let start = end + planes.width - planes.row;
                self.clear(start, end);
            }
        }
    }

    /// The same but for what is between two of the lines.
    pub(super) fn clear_ends(&self, plane: usize, lines: Range<usize>) {
        let planes = self.planes;
        if planes.plane == planes.width || lines.is_empty() {
            return;
        }
        let start = plane * planes.plane;
        let from = match lines.start {
            0 => start,
            line => start + (planes.top + line) * planes.row,
        };
        self.clear(from, planes.value(plane, lines.start, 0));
        let to = if lines.end == planes.height {
            start + planes.plane
        } else {
            start + (planes.top + lines.end) * planes.row
        };
        self.clear(planes.value(plane, lines.end - 1, planes.width), to);
    }

    fn clear(&self, from: usize, to: usize) {
        assert!(from <= to && to <= self.len, "lines outside of the output");
        // SAFETY: it is inside of the slice, and the caller is the only one there.
        unsafe { self.start.add(from).write_bytes(0, to - from) };
    }
}
