use std::marker::PhantomData;

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
    pub(crate) fn new(values: &'a mut [f32], planes: Planes) -> Self {
        Self {
            start: values.as_mut_ptr(),
            len: values.len(),
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
}
