//! Weights as rows of outputs.

use super::channel_map::ChannelMap;
use crate::plan::program::Weight;

/// The transpose of a weight `[.., inputs, outputs]`.
pub(super) fn rows_of_linear(path: String, values: Vec<f32>, shape: &[usize]) -> Weight {
    let [.., inputs, outputs] = *shape else {
        unreachable!("a matrix has two axes");
    };
    Weight {
        path,
        values: transposed(&values, inputs, outputs),
        rows: outputs,
        columns: inputs,
    }
}

/// A weight `[outputs, inputs of a group, ..]` as it is.
pub(super) fn rows_of_convolution(path: String, values: Vec<f32>, shape: &[usize]) -> Weight {
    let rows = shape[0];
    Weight {
        path,
        columns: values.len() / rows.max(1),
        values,
        rows,
    }
}

/// Scales each row, with one rounding.
pub(super) fn scaled(weight: &mut Weight, map: &ChannelMap) {
    let rows = weight.values.chunks_exact_mut(weight.columns.max(1));
    for (row, values) in rows.enumerate() {
        let scale = map.scale_of(row);
        for value in values {
            *value = (f64::from(*value) * scale) as f32;
        }
    }
}

fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    /// A tile of the input and one of the output are in cache together.
    const TILE: usize = 32;
    let mut out = vec![0.0; values.len()];
    for first_row in (0..rows).step_by(TILE) {
        for first_column in (0..columns).step_by(TILE) {
            for row in first_row..rows.min(first_row + TILE) {
                for column in first_column..columns.min(first_column + TILE) {
                    out[column * rows + row] = values[row * columns + column];
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_is_transposed() {
        let weight = rows_of_linear("w".into(), (0..6).map(|v| v as f32).collect(), &[1, 2, 3]);
        assert_eq!(weight.values, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!((weight.rows, weight.columns), (3, 2));
        let (rows, columns) = (37, 70);
        let values: Vec<f32> = (0..rows * columns).map(|v| v as f32).collect();
        let there = transposed(&values, rows, columns);
        assert_eq!(transposed(&there, columns, rows), values);
    }
}
