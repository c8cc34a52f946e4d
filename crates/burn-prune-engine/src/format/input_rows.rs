use std::ops::Range;

use super::WeightMatrix;
use super::packed::{Format, FormatKind};
use crate::kernel::{Epilogue, InputRows, Output, Scratch, Simd, Value, store_vector};

/// Outputs that lie in one line of cache.
const LINE: usize = 16;

/// All values, input by input: those of inputs that are 0 are not read. For one position.
#[derive(Debug)]
pub(crate) struct DenseByInput<V>(InputRows<V>);

impl<V: Value> DenseByInput<V> {
    pub(crate) fn pack(matrix: WeightMatrix<'_>) -> Self {
        let value = |input, output| matrix.row(output)[input];
        Self(InputRows::pack(matrix.columns, matrix.rows, value))
    }
}

impl<V: Value> Format for DenseByInput<V> {
    fn kind(&self) -> FormatKind {
        FormatKind::InputRows
    }

    fn bytes(&self) -> usize {
        self.0.bytes()
    }

    fn nonzeros(&self) -> usize {
        self.0.inputs() * self.0.outputs()
    }

    fn rows(&self) -> usize {
        self.0.outputs()
    }

    fn divide(&self, parts: usize) -> Vec<Range<usize>> {
        let rows = self.rows();
        let part = rows.div_ceil(parts.max(1)).next_multiple_of(LINE).max(LINE);
        (0..rows)
            .step_by(part)
            .map(|start| start..rows.min(start + part))
            .collect()
    }

    fn columns(&self) -> usize {
        self.0.inputs()
    }

    fn each(&self, row: usize, visit: &mut dyn FnMut(usize, f32)) {
        self.each_of(row, 0..self.columns(), visit);
    }

    fn each_of(&self, row: usize, columns: Range<usize>, visit: &mut dyn FnMut(usize, f32)) {
        for input in columns {
            visit(input, self.0.value(input, row));
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
        let sums = scratch.values(InputRows::<V>::room(rows.len()));
        self.0.sums(simd, rows.clone(), x, sums);
        store_vector(simd, rows.clone(), &sums[..rows.len()], epilogue, output);
    }
}
