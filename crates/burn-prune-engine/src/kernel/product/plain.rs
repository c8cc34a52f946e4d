//! Products in the plainest way, of any format.

use std::ops::Range;

use super::finish::finish;
use crate::kernel::{Epilogue, Input, Output, Part, Scratch};

/// Visits the nonzeros of a row with their columns.
pub(crate) type Rows<'a> = &'a dyn Fn(usize, &mut dyn FnMut(usize, f32));

/// A product by many positions.
pub(crate) fn plain_product(
    rows: Rows<'_>,
    part: &Part,
    input: &Input<'_>,
    epilogue: &Epilogue<'_>,
    output: &Output<'_>,
    scratch: &mut Scratch,
) {
    if part.lines.is_empty() {
        return;
    }
    let first = part.lines.start * input.row;
    let count = (part.lines.len() - 1) * input.row + output.planes().width;
    for row in part.rows.clone() {
        let sums = scratch.values(count);
        sums.fill(0.0);
        rows(row, &mut |column, value| {
            let x = &input.values[input.offsets[column] as usize + first..][..count];
            for (sum, x) in sums.iter_mut().zip(x) {
                *sum += value * x;
            }
        });
        finish(sums, input.row, row, part.lines.clone(), epilogue, output);
    }
}

/// A product by one position.
pub(crate) fn plain_vector(
    weight: Rows<'_>,
    rows: Range<usize>,
    x: &[f32],
    epilogue: &Epilogue<'_>,
    output: &Output<'_>,
) {
    for row in rows {
        let mut sum = 0.0;
        weight(row, &mut |column, value| sum += value * x[column]);
        finish(&[sum], 1, row, 0..1, epilogue, output);
    }
}
