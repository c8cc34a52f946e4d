use std::ops::Range;

use super::WeightMatrix;
use super::divide::divide;
use super::packed::{Format, FormatKind};
use crate::kernel::{BitRows, Epilogue, Output, Scratch, Simd, Value, store_vector};

/// A bit for each weight, and the values of nonzeros: at 50 to 75 % zeros the fewest bytes. For one position.
#[derive(Debug)]
pub(crate) struct Bitmask<V>(BitRows<V>);

impl<V: Value> Bitmask<V> {
    /// `None` if there are too many nonzeros.
    pub(crate) fn pack(matrix: WeightMatrix<'_>) -> Option<Self> {
        let rows = (0..matrix.rows).map(|row| matrix.row(row));
        BitRows::pack(rows, matrix.columns).map(Self)
    }
}

impl<V: Value> Format for Bitmask<V> {
    fn kind(&self) -> FormatKind {
        FormatKind::Bitmask
    }

    fn bytes(&self) -> usize {
        self.0.bytes()
    }

    fn nonzeros(&self) -> usize {
        self.0.starts()[self.0.rows()] as usize
    }

    fn rows(&self) -> usize {
        self.0.rows()
    }

    fn divide(&self, parts: usize) -> Vec<Range<usize>> {
        // The masks are read in any case, and as many bytes as the values of a half of them.
        let columns = self.0.columns() as u64;
        let work = |(row, nonzeros): (usize, &u32)| {
            u64::from(*nonzeros) * size_of::<V>() as u64 + row as u64 * (columns / 2 + 8)
        };
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
