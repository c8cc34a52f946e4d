use std::ops::Range;

use super::WeightMatrix;
use super::divide::divide;
use super::packed::{Format, FormatKind};
use crate::kernel::Value;

/// Columns that an index of one byte can name.
const LARGEST_BLOCK: usize = 256;

/// Rows that are worked on together, so that a block of inputs stays in cache meanwhile.
const CHUNK: usize = 16;

/// Nonzeros in blocks of columns: an index of one byte and a value for each.
///
/// The order is chunk of rows, block of columns, row. About 5.2 bytes for a nonzero of an `f32` weight.
#[derive(Debug)]
pub(crate) struct Blocked<V> {
    /// Where the nonzeros of each chunk, block and row begin, and where the last ones end.
    starts: Vec<u32>,
    /// Columns, from the first one of the block.
    indices: Vec<u8>,
    values: Vec<V>,
    rows: usize,
    columns: usize,
    block: usize,
}

impl<V: Value> Blocked<V> {
    /// `None` if it has too many nonzeros, or if `block` columns have to stay together and cannot.
    pub(crate) fn pack(matrix: WeightMatrix<'_>, block: usize) -> Option<Self> {
        if block == 0 || block > LARGEST_BLOCK {
            return None;
        }
        let WeightMatrix { rows, columns, .. } = matrix;
        let nonzeros = matrix.values.iter().filter(|value| **value != 0.0).count();
        u32::try_from(nonzeros).ok()?;
        let blocks = columns.div_ceil(block);
        let mut packed = Self {
            starts: Vec::with_capacity(rows * blocks + 1),
            indices: Vec::with_capacity(nonzeros),
            values: Vec::with_capacity(nonzeros),
            rows,
            columns,
            block,
        };
        for chunk in (0..rows).step_by(CHUNK) {
            for first in (0..columns).step_by(block) {
                for row in chunk..rows.min(chunk + CHUNK) {
                    packed.starts.push(packed.indices.len() as u32);
                    let values = &matrix.row(row)[first..columns.min(first + block)];
                    for (index, &value) in values.iter().enumerate() {
                        if value != 0.0 {
                            packed.indices.push(index as u8);
                            packed.values.push(V::round(value));
                        }
                    }
                }
            }
        }
        packed.starts.push(packed.indices.len() as u32);
        Some(packed)
    }

    /// Where the nonzeros of a row in a block are.
    fn entries(&self, row: usize, block: usize) -> Range<usize> {
        let blocks = self.columns.div_ceil(self.block);
        let chunk = row / CHUNK * CHUNK;
        let rows = CHUNK.min(self.rows - chunk);
        let at = chunk * blocks + block * rows + row - chunk;
        self.starts[at] as usize..self.starts[at + 1] as usize
    }
}

impl<V: Value> Format for Blocked<V> {
    fn kind(&self) -> FormatKind {
        FormatKind::Blocked
    }

    fn bytes(&self) -> usize {
        size_of_val(self.starts.as_slice())
            + size_of_val(self.indices.as_slice())
            + size_of_val(self.values.as_slice())
    }

    fn nonzeros(&self) -> usize {
        self.values.len()
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn divide(&self, parts: usize) -> Vec<Range<usize>> {
        // A row costs something even if it is empty: it is stored.
        let mut done = 0;
        let mut work = vec![0];
        for row in 0..self.rows {
            let blocks = self.columns.div_ceil(self.block);
            let nonzeros: usize = (0..blocks)
                .map(|block| self.entries(row, block).len())
                .sum();
            done += nonzeros as u64 + 2;
            work.push(done);
        }
        divide(&work, parts)
    }

    fn columns(&self) -> usize {
        self.columns
    }

    fn each(&self, row: usize, visit: &mut dyn FnMut(usize, f32)) {
        for (block, first) in (0..self.columns).step_by(self.block).enumerate() {
            for entry in self.entries(row, block) {
                visit(
                    first + usize::from(self.indices[entry]),
                    self.values[entry].widen(),
                );
            }
        }
    }
}
