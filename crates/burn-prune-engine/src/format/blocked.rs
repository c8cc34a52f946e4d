use std::ops::Range;

use super::WeightMatrix;
use super::columns::Columns;
use super::divide::divide;
use super::packed::{Format, FormatKind};
use crate::kernel::{
    Cut, Epilogue, Input, Nonzeros, Output, Part, Scratch, Simd, Value, blocked_sums,
    sparse_product, store_vector,
};

/// Nonzeros in blocks of columns: an index of one byte and a value for each.
///
/// About 5.2 bytes for a nonzero of an `f32` weight at a sparsity of 90 %.
#[derive(Debug)]
pub(crate) struct Blocked<V> {
    pub(super) cut: Cut,
    columns: Columns,
    /// Where the nonzeros of each chunk, block and row begin, and where the last ones end.
    pub(super) starts: Vec<u32>,
    /// Columns, from the first one of the block.
    pub(super) indices: Vec<u8>,
    pub(super) values: Vec<V>,
}

impl<V: Value> Blocked<V> {
    /// `None` if it has too many nonzeros.
    pub(crate) fn pack(matrix: WeightMatrix<'_>, kernel: [usize; 2]) -> Option<Self> {
        let nonzeros = matrix.values.iter().filter(|value| **value != 0.0).count();
        u32::try_from(nonzeros).ok()?;
        let columns = Columns::by_place(matrix.columns, kernel);
        let cut = columns.cut(matrix.rows);
        let mut packed = Self {
            cut,
            columns,
            starts: Vec::with_capacity(cut.rows * cut.classes * cut.blocks() + 1),
            indices: Vec::with_capacity(nonzeros),
            values: Vec::with_capacity(nonzeros),
        };
        for (row, block) in columns.order(cut) {
            packed.starts.push(packed.indices.len() as u32);
            let values = matrix.row(row);
            let first = block.start;
            for column in block {
                let value = values[columns.natural(column)];
                if value != 0.0 {
                    packed.indices.push((column - first) as u8);
                    packed.values.push(V::round(value));
                }
            }
        }
        packed.starts.push(packed.indices.len() as u32);
        Some(packed)
    }

    fn nonzeros(&self) -> Nonzeros<'_, V> {
        Nonzeros {
            cut: self.cut,
            starts: &self.starts,
            indices: &self.indices,
            values: &self.values,
        }
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
        self.cut.rows
    }

    fn offsets(&self, natural: &[u32]) -> Vec<u32> {
        self.columns.permute(natural)
    }

    fn divide(&self, parts: usize) -> Vec<Range<usize>> {
        divide(&self.columns.work(self.cut, &self.starts), parts)
    }

    fn columns(&self) -> usize {
        self.cut.columns
    }

    fn each(&self, row: usize, visit: &mut dyn FnMut(usize, f32)) {
        self.each_of(row, 0..self.cut.columns, visit);
    }

    fn each_of(&self, row: usize, columns: Range<usize>, visit: &mut dyn FnMut(usize, f32)) {
        for class in 0..self.cut.classes {
            for block in 0..self.cut.blocks() {
                let range = self.cut.block(class, block);
                if range.end <= columns.start || columns.end <= range.start {
                    continue;
                }
                let start = self.cut.start(row, class, block);
                for entry in self.starts[start] as usize..self.starts[start + 1] as usize {
                    let column = range.start + usize::from(self.indices[entry]);
                    if columns.contains(&column) {
                        visit(column, self.values[entry].widen());
                    }
                }
            }
        }
    }

    fn vector(
        &self,
        simd: Simd,
        rows: Range<usize>,
        x: &[f32],
        epilogue: &Epilogue<'_>,
        output: &Output<'_>,
        scratch: &mut Scratch,
    ) {
        let sums = scratch.values(rows.len());
        blocked_sums(simd, &self.nonzeros(), rows.clone(), x, sums);
        store_vector(simd, rows, sums, epilogue, output);
    }

    fn product(
        &self,
        simd: Simd,
        part: &Part,
        input: &Input<'_>,
        epilogue: &Epilogue<'_>,
        output: &Output<'_>,
        scratch: &mut Scratch,
    ) {
        let weight = self.nonzeros();
        sparse_product(simd, &weight, part, input, epilogue, output, scratch);
    }
}
