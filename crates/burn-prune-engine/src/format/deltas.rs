use std::ops::Range;

use super::WeightMatrix;
use super::divide::divide;
use super::packed::{Format, FormatKind};
use crate::kernel::{DeltaRows, Epilogue, Output, Scratch, Simd, Value, store_vector};

/// Nonzeros in groups of eight, with an index of one byte each: 5.3 bytes for a nonzero of an `f32`
/// weight at 70 to 95 % zeros. For one position.
#[derive(Debug)]
pub(crate) struct Deltas<V: Value>(DeltaRows<V>);

impl<V: Value> Deltas<V> {
    /// `None` if there are more than 65,536 columns, or too many nonzeros.
    pub(crate) fn pack(matrix: WeightMatrix<'_>) -> Option<Self> {
        let rows = (0..matrix.rows).map(|row| matrix.row(row));
        DeltaRows::pack(rows, matrix.columns).map(Self)
    }
}

impl<V: Value> Format for Deltas<V> {
    fn kind(&self) -> FormatKind {
        FormatKind::Deltas
    }

    fn bytes(&self) -> usize {
        self.0.bytes()
    }

    fn nonzeros(&self) -> usize {
        self.0.nonzeros()
    }

    fn rows(&self) -> usize {
        self.0.rows()
    }

    fn divide(&self, parts: usize) -> Vec<Range<usize>> {
        // A row costs about as much as two groups more.
        let work = |(row, groups): (usize, &u32)| u64::from(*groups) + 2 * row as u64;
        let work: Vec<u64> = self.0.starts().iter().enumerate().map(work).collect();
        divide(&work, parts)
    }

    fn columns(&self) -> usize {
        self.0.columns()
    }

    fn each(&self, row: usize, visit: &mut dyn FnMut(usize, f32)) {
        self.0.each(row, visit);
    }

    fn each_of(&self, row: usize, columns: Range<usize>, visit: &mut dyn FnMut(usize, f32)) {
        self.0.each_of(row, columns, visit);
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
        self.0.sums(simd, rows.clone(), x, sums);
        store_vector(simd, rows, sums, epilogue, output);
    }
}
