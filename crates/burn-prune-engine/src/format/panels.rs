use std::ops::Range;

use super::WeightMatrix;
use super::packed::{Format, FormatKind};
use crate::kernel::{
    Epilogue, Input, Output, PANEL, Panelled, Part, Scratch, Simd, Value, dense_product,
    in_large_pages, panel_sums, store_vector,
};

/// All values, in panels of six rows: `[panel][column][row]`, and zeros behind the last row.
#[derive(Debug)]
pub(crate) struct Panels<V> {
    values: Vec<V>,
    rows: usize,
    columns: usize,
}

impl<V: Value> Panels<V> {
    pub(crate) fn pack(matrix: WeightMatrix<'_>) -> Self {
        let WeightMatrix {
            values,
            rows,
            columns,
        } = matrix;
        let mut packed = Vec::with_capacity(rows.next_multiple_of(PANEL) * columns);
        for first in (0..rows).step_by(PANEL) {
            for column in 0..columns {
                packed.extend((first..first + PANEL).map(|row| {
                    let value = if row < rows {
                        values[row * columns + column]
                    } else {
                        0.0
                    };
                    V::round(value)
                }));
            }
        }
        Self {
            values: in_large_pages(packed),
            rows,
            columns,
        }
    }
}

impl<V: Value> Panelled for Panels<V> {
    fn columns(&self) -> usize {
        self.columns
    }

    fn in_place(&self) -> Option<&[f32]> {
        V::as_f32(&self.values)
    }

    fn expand(&self, panels: Range<usize>, columns: Range<usize>, room: &mut [f32]) {
        let size = columns.len() * PANEL;
        for (panel, room) in panels.zip(room.chunks_exact_mut(size)) {
            let values = &self.values[(panel * self.columns + columns.start) * PANEL..][..size];
            for (to, value) in room.iter_mut().zip(values) {
                *to = value.widen();
            }
        }
    }
}

impl<V: Value> Format for Panels<V> {
    fn kind(&self) -> FormatKind {
        FormatKind::Dense
    }

    fn bytes(&self) -> usize {
        size_of_val(self.values.as_slice())
    }

    fn nonzeros(&self) -> usize {
        self.rows * self.columns
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn divide(&self, parts: usize) -> Vec<Range<usize>> {
        let panels = self.rows.div_ceil(PANEL);
        let parts = parts.clamp(1, panels.max(1));
        let at = |part: usize| (panels * part / parts * PANEL).min(self.rows);
        (0..parts)
            .map(|part| at(part)..at(part + 1))
            .filter(|rows| !rows.is_empty())
            .collect()
    }

    fn columns(&self) -> usize {
        self.columns
    }

    fn each(&self, row: usize, visit: &mut dyn FnMut(usize, f32)) {
        let panel = &self.values[row / PANEL * self.columns * PANEL..];
        for column in 0..self.columns {
            visit(column, panel[column * PANEL + row % PANEL].widen());
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
        dense_product(simd, self, part, input, epilogue, output, scratch);
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
        self.product(simd, part, input, epilogue, output, scratch);
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
        let size = self.columns * PANEL;
        let sums = scratch.values(rows.len());
        for panel in rows.start / PANEL..rows.end.div_ceil(PANEL) {
            let panel_rows = panel * PANEL..rows.end.min((panel + 1) * PANEL);
            let all = panel_sums(
                simd,
                &self.values[panel * size..][..size],
                &x[..self.columns],
            );
            for (row, sum) in panel_rows.zip(all) {
                if row >= rows.start {
                    sums[row - rows.start] = sum;
                }
            }
        }
        store_vector(simd, rows, sums, epilogue, output);
    }
}
