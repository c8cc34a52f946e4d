use crate::layout::Planes;

/// Planes that a kernel reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    /// From plane 0 on.
    pub values: &'a [f32],
    pub planes: Planes,
}

impl<'a> Source<'a> {
    /// A line without its margins.
    #[inline(always)]
    pub(super) fn line(&self, plane: usize, line: usize) -> &'a [f32] {
        &self.values[self.planes.value(plane, line, 0)..][..self.planes.width]
    }

    /// Planes of one line that lie one behind the other, as one line; `None` where there is anything
    /// between them.
    pub(super) fn as_one_line(&self, first: usize, count: usize) -> Option<&'a [f32]> {
        let length = self.planes.as_one_line()?;
        Some(&self.values[first * length..][..count * length])
    }
}
