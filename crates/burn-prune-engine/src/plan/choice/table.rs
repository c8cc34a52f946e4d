//! Choices that are the same on every machine.

use crate::format::FormatKind;
use crate::run::{NodeWeights, Path};

/// The format of a weight with this share of zeros.
pub(crate) fn format(zeros: f64) -> FormatKind {
    if zeros < 0.5 {
        FormatKind::Dense
    } else {
        FormatKind::Blocked
    }
}

/// The loop for so many positions.
pub(crate) fn path(weights: &NodeWeights, positions: usize) -> Path {
    let zeros = 1.0 - weights.nonzeros as f64 / weights.values.max(1) as f64;
    if positions >= 64 && zeros < 0.7 {
        Path::Expanded
    } else {
        Path::Product
    }
}
