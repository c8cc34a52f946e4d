use std::ops::Range;

use super::WeightMatrix;
use super::columns::Columns;
use super::divide::divide;
use super::packed::{Format, FormatKind};
use crate::kernel::{
    Cut, Epilogue, Input, Nonzeros, Output, PANEL, Panelled, Part, Scratch, Simd, Value,
    dense_product, product_of_fours,
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
}

impl<V: Value> Panelled for Blocks4<V> {
    fn columns(&self) -> usize {
        self.cut.columns
    }

    fn in_place(&self) -> Option<&[f32]> {
        None
    }

    fn expand(&self, panels: Range<usize>, columns: Range<usize>, room: &mut [f32]) {
        room.fill(0.0);
        let blocks = self.cut.blocks_of(&columns);
        for (panel, room) in panels.zip(room.chunks_exact_mut(columns.len() * PANEL)) {
            let first = panel * PANEL;
            for row in first..(self.cut.rows * 4).min(first + PANEL) {
                for (class, block) in blocks.clone() {
                    let before = self.cut.block(class, block).start;
                    let start = self.cut.start(row / 4, class, block);
                    for entry in self.starts[start] as usize..self.starts[start + 1] as usize {
                        let column = before + usize::from(self.indices[entry]);
                        if columns.contains(&column) {
                            let at = (column - columns.start) * PANEL + row - first;
                            room[at] = self.values[entry][row % 4].widen();
                        }
                    }
                }
            }
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

    fn each(&self, row: usize, visit: &mut dyn FnMut(usize, f32)) {
        for block in 0..self.cut.blocks() {
            let first = self.cut.block(0, block).start;
            let start = self.cut.start(row / 4, 0, block);
            for entry in self.starts[start] as usize..self.starts[start + 1] as usize {
                let column = first + usize::from(self.indices[entry]);
                visit(column, self.values[entry][row % 4].widen());
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
        let weight = Nonzeros {
            cut: self.cut,
            starts: &self.starts,
            indices: &self.indices,
            values: self.values.as_flattened(),
        };
        product_of_fours(simd, &weight, part, input, epilogue, output, scratch);
    }

    fn product_expanded(
        &self,
        simd: Simd,
        part: &Part,
        input: &Input<'_>,
        epilogue: &Epilogue<'_>,
        output: &Output<'_>,
        scratch: &mut Scratch,
    ) {
        dense_product(simd, self, part, input, epilogue, output, scratch);
    }
}
