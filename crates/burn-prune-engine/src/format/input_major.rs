use std::ops::Range;

use super::WeightMatrix;
use super::divide::divide;
use super::packed::{Format, FormatKind};
use crate::kernel::{Epilogue, InputLists, Output, Scratch, Simd, Value, store_vector};

/// The nonzeros of each input: those of inputs that are 0 are not read. For one position, behind
/// activations that make many zeros.
#[derive(Debug)]
pub(crate) struct InputMajor<V>(InputLists<V>);

impl<V: Value> InputMajor<V> {
    /// `None` if there are too many nonzeros.
    pub(crate) fn pack(matrix: WeightMatrix<'_>) -> Option<Self> {
        let value = |input, output| matrix.row(output)[input];
        InputLists::pack(matrix.columns, matrix.rows, value).map(Self)
    }
}

impl<V: Value> Format for InputMajor<V> {
    fn kind(&self) -> FormatKind {
        FormatKind::InputMajor
    }

    fn bytes(&self) -> usize {
        self.0.bytes()
    }

    fn nonzeros(&self) -> usize {
        self.0.nonzeros()
    }

    fn rows(&self) -> usize {
        self.0.outputs()
    }

    /// Whole blocks of outputs.
    fn divide(&self, parts: usize) -> Vec<Range<usize>> {
        let block = self.0.block();
        let mut work = vec![0];
        let mut done = 0;
        for at in 0..self.rows().div_ceil(block) {
            done += self.0.nonzeros_of(at) as u64 + 1;
            work.push(done);
        }
        divide(&work, parts)
            .into_iter()
            .map(|blocks| blocks.start * block..self.rows().min(blocks.end * block))
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
            if let Some(value) = self.0.value(input, row) {
                visit(input, value);
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
        self.0.sums(simd, rows.clone(), x, sums);
        store_vector(simd, rows, sums, epilogue, output);
    }
}
