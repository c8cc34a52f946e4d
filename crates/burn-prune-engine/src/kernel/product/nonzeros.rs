use std::ops::Range;

/// How the columns and rows of packed nonzeros are cut.
///
/// Columns are in `classes` of equally many, one for each horizontal place of a kernel, and each class in
/// blocks. The order of the nonzeros is chunk of rows, block, row. A row may stand for several rows of a
/// weight that share their columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub rows: usize,
    pub columns: usize,
    pub classes: usize,
    /// Columns in a block; at most 256.
    pub block: usize,
    /// Rows in a chunk.
    pub chunk: usize,
}

impl Cut {
    /// Columns in a class.
    #[inline(always)]
    pub(crate) fn class(&self) -> usize {
        self.columns / self.classes
    }

    /// Blocks in a class.
    #[inline(always)]
    pub(crate) fn blocks(&self) -> usize {
        self.class().div_ceil(self.block)
    }

    /// The columns of a block of a class.
    #[inline(always)]
    pub(crate) fn block(&self, class: usize, block: usize) -> Range<usize> {
        let first = class * self.class();
        let from = block * self.block;
        first + from..first + self.class().min(from + self.block)
    }

    /// Where the start of a row of a block is noted; the next number is its end.
    #[inline(always)]
    pub(crate) fn start(&self, row: usize, class: usize, block: usize) -> usize {
        let blocks = self.blocks();
        let chunk = row / self.chunk * self.chunk;
        let rows = self.chunk.min(self.rows - chunk);
        (chunk * self.classes * blocks) + (class * blocks + block) * rows + row - chunk
    }
}

/// Packed nonzeros as the kernels read them.
///
/// What makes the kernels sound: `starts` never fall, the last one is how many indices and values there
/// are, and an index is less than the number of columns of its block.
#[derive(Clone, Copy)]
pub(crate) struct Nonzeros<'a, V> {
    pub cut: Cut,
    pub starts: &'a [u32],
    /// Columns, from the first one of the block.
    pub indices: &'a [u8],
    pub values: &'a [V],
}
