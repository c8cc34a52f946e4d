use std::ops::Range;

use super::WeightMatrix;
use super::divide::divide;
use super::packed::{Format, FormatKind};
use crate::kernel::Value;

/// Columns that an index of one byte can name.
const LARGEST_BLOCK: usize = 256;

/// Groups of four rows that are worked on together, so that a block of inputs stays in cache meanwhile.
const CHUNK: usize = 4;

/// Blocks of four rows and one column that are not zero, in blocks of columns: an index of one byte and
/// four values for each.
///
/// The order is chunk of rows, block of columns, group of four rows.
#[derive(Debug)]
pub(crate) struct Blocks4<V> {
    /// Where the entries of each chunk, block and group begin, and where the last ones end.
    starts: Vec<u32>,
    /// Columns, from the first one of the block.
    indices: Vec<u8>,
    values: Vec<[V; 4]>,
    rows: usize,
    columns: usize,
    block: usize,
}

impl<V: Value> Blocks4<V> {
    /// `None` if its rows are not groups of four, if it has too many nonzeros, or if `block` columns have
    /// to stay together and cannot.
    pub(crate) fn pack(matrix: WeightMatrix<'_>, block: usize) -> Option<Self> {
        let WeightMatrix { rows, columns, .. } = matrix;
        if block == 0 || block > LARGEST_BLOCK || !rows.is_multiple_of(4) {
            return None;
        }
        u32::try_from(rows / 4 * columns).ok()?;
        let groups = rows / 4;
        let mut packed = Self {
            starts: Vec::with_capacity(groups * columns.div_ceil(block) + 1),
            indices: Vec::new(),
            values: Vec::new(),
            rows,
            columns,
            block,
        };
        for chunk in (0..groups).step_by(CHUNK) {
            for first in (0..columns).step_by(block) {
                for group in chunk..groups.min(chunk + CHUNK) {
                    packed.starts.push(packed.indices.len() as u32);
                    for column in first..columns.min(first + block) {
                        let values: [f32; 4] =
                            std::array::from_fn(|row| matrix.row(group * 4 + row)[column]);
                        if values != [0.0; 4] {
                            packed.indices.push((column - first) as u8);
                            packed.values.push(values.map(V::round));
                        }
                    }
                }
            }
        }
        packed.starts.push(packed.indices.len() as u32);
        packed.indices.shrink_to_fit();
        packed.values.shrink_to_fit();
        Some(packed)
    }

    /// Where the entries of a group of four rows in a block are.
    fn entries(&self, group: usize, block: usize) -> Range<usize> {
        let blocks = self.columns.div_ceil(self.block);
        let chunk = group / CHUNK * CHUNK;
        let groups = CHUNK.min(self.rows / 4 - chunk);
        let at = chunk * blocks + block * groups + group - chunk;
        self.starts[at] as usize..self.starts[at + 1] as usize
    }
}

impl<V: Value> Format for Blocks4<V> {
    fn kind(&self) -> FormatKind {
        FormatKind::Blocks4
    }

    fn bytes(&self) -> usize {
        size_of_val(self.starts.as_slice())
            + size_of_val(self.indices.as_slice())
            + size_of_val(self.values.as_slice())
    }

    fn nonzeros(&self) -> usize {
        self.values.len() * 4
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn divide(&self, parts: usize) -> Vec<Range<usize>> {
        let mut done = 0;
        let mut work = vec![0];
        for group in 0..self.rows / 4 {
            let blocks = self.columns.div_ceil(self.block);
            let entries: usize = (0..blocks)
                .map(|block| self.entries(group, block).len())
                .sum();
            done += entries as u64 + 2;
            work.push(done);
        }
        divide(&work, parts)
            .into_iter()
            .map(|groups| groups.start * 4..groups.end * 4)
            .collect()
    }

    fn columns(&self) -> usize {
        self.columns
    }

    fn each(&self, row: usize, visit: &mut dyn FnMut(usize, f32)) {
        for (block, first) in (0..self.columns).step_by(self.block).enumerate() {
            for entry in self.entries(row / 4, block) {
                visit(
                    first + usize::from(self.indices[entry]),
                    self.values[entry][row % 4].widen(),
                );
            }
        }
    }
}
