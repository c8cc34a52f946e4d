//! Where the values of a tensor lie in a buffer of the engine.

/// Planes of one size, each with a margin of zeros around it, one behind the other.
///
/// A plane is one channel of one image. The value at line `y` and column `x` of plane `p` is at
/// `p * plane + (y + top) * row + left + x`. A matrix of `positions x features` is `features` planes of one
/// line: `height = 1`, `width = positions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Planes {
    pub height: usize,
    pub width: usize,
    /// Lines of zeros above the first one.
    pub top: usize,
    /// Columns of zeros before the first one.
    pub left: usize,
    /// From one line to the next one: at least `left + width`. The rest of a line, and what is below
    /// the last line, is margin too.
    pub row: usize,
    /// From one plane to the next one.
    pub plane: usize,
}

impl Planes {
    /// No values at all.
    pub(crate) const NONE: Self = Self {
        height: 0,
        width: 0,
        top: 0,
        left: 0,
        row: 0,
        plane: 0,
    };

    /// What each plane adds to a line of all planes one behind the other; `None` where there is
    /// anything between their values.
    pub(crate) fn as_one_line(&self) -> Option<usize> {
        let whole = self.height * self.width == self.plane && self.row == self.width;
        (whole && self.top == 0 && self.left == 0).then_some(self.plane)
    }

    /// Where a value lies, from where the planes begin.
    pub(crate) fn value(&self, plane: usize, line: usize, column: usize) -> usize {
        plane * self.plane + (line + self.top) * self.row + self.left + column
    }
}
