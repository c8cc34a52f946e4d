//! Products in the plainest way, of any format.

use std::ops::Range;

use super::finish::finish;
use crate::kernel::{Epilogue, Output};

/// Visits the nonzeros of a row with their columns.
pub(crate) type Rows<'a> = &'a dyn Fn(usize, &mut dyn FnMut(usize, f32));

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
