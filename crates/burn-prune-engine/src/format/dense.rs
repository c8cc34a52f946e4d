use std::ops::Range;

use super::WeightMatrix;
use super::divide::divide;
use super::packed::{Format, FormatKind};
use crate::kernel::Value;

/// All values, row by row.
#[derive(Debug)]
pub(crate) struct Dense<V> {
    values: Vec<V>,
    rows: usize,
    columns: usize,
}

impl<V: Value> Dense<V> {
    pub(crate) fn pack(matrix: WeightMatrix<'_>) -> Self {
        Self {
            values: matrix.values.iter().map(|&value| V::round(value)).collect(),
            rows: matrix.rows,
            columns: matrix.columns,
        }
    }
}

impl<V: Value> Format for Dense<V> {
    fn kind(&self) -> FormatKind {
        FormatKind::Dense
    }

    fn bytes(&self) -> usize {
        size_of_val(self.values.as_slice())
    }

    fn nonzeros(&self) -> usize {
        self.values.len()
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn divide(&self, parts: usize) -> Vec<Range<usize>> {
        let work: Vec<u64> = (0..=self.rows as u64).collect();
        divide(&work, parts)
    }

    fn each(&self, row: usize, visit: &mut dyn FnMut(usize, f32)) {
        let values = &self.values[row * self.columns..][..self.columns];
        for (column, value) in values.iter().enumerate() {
            visit(column, value.widen());
        }
    }
}
