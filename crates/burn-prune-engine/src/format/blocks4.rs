use std::ops::Range;

use super::WeightMatrix;
use super::columns::Columns;
use super::divide::divide;
use super::packed::{Format, FormatKind};
use crate::kernel::{
    Cut, Epilogue, Input, Nonzeros, Output, Part, Scratch, Simd, Value, blocked4_sums,
    product_of_fours, store_vector,
};

/// Blocks of four rows and one column that are not zero, in blocks of columns: an index of one byte and
/// four values for each.
#[derive(Debug)]
pub(crate) struct Blocks4<V> {
    /// Of groups of four rows.
    pub(super) cut: Cut,
    columns: Columns,
    /// Where the entries of each chunk, block and group begin, and where the last ones end.
    pub(super) starts: Vec<u32>,
    /// Columns, from the first one of the block.
    pub(super) indices: Vec<u8>,
    pub(super) values: Vec<[V; 4]>,
}

impl<V: Value> Blocks4<V> {
    /// `None` if its rows are not groups of four, or if it has too many nonzeros.
    pub(crate) fn pack(matrix: WeightMatrix<'_>, kernel: [usize; 2]) -> Option<Self> {
        if !matrix.rows.is_multiple_of(4) {
            return None;
        }
        u32::try_from(matrix.rows / 4 * matrix.columns).ok()?;
        let columns = Columns::natural_order(matrix.columns, kernel);
        let cut = columns.cut(matrix.rows / 4);
        let mut packed = Self {
            cut,
            columns,
            starts: Vec::with_capacity(cut.rows * cut.blocks() + 1),
            indices: Vec::new(),
            values: Vec::new(),
        };
        for (group, block) in columns.order(cut) {
            packed.starts.push(packed.indices.len() as u32);
            let first = block.start;
            for column in block {
                let values: [f32; 4] =
                    std::array::from_fn(|row| matrix.row(group * 4 + row)[column]);
                if values != [0.0; 4] {
                    packed.indices.push((column - first) as u8);
                    packed.values.push(values.map(V::round));
                }
            }
        }
        packed.starts.push(packed.indices.len() as u32);
        packed.indices.shrink_to_fit();
        packed.values.shrink_to_fit();
        Some(packed)
    }

    fn entries(&self) -> Nonzeros<'_, [V; 4]> {
        Nonzeros {
            cut: self.cut,
            starts: &self.starts,
            indices: &self.indices,
            values: &self.values,
        }
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
        self.cut.rows * 4
    }

    fn divide(&self, parts: usize) -> Vec<Range<usize>> {
        divide(&self.columns.work(self.cut, &self.starts), parts)
            .into_iter()
            .map(|groups| groups.start * 4..groups.end * 4)
            .collect()
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
                let start = self.cut.start(row / 4, class, block);
                for entry in self.starts[start] as usize..self.starts[start + 1] as usize {
                    let column = range.start + usize::from(self.indices[entry]);
                    if columns.contains(&column) {
                        visit(column, self.values[entry][row % 4].widen());
                    }
                }
            }
        }
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
        let weight = self.entries();
        product_of_fours(simd, &weight, part, input, epilogue, output, scratch);
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
        assert!(rows.start.is_multiple_of(4) && rows.end.is_multiple_of(4));
        let sums = scratch.values(rows.len());
        let groups = rows.start / 4..rows.end / 4;
        blocked4_sums(simd, &self.entries(), groups, x, sums);
        store_vector(simd, rows, sums, epilogue, output);
    }
}
