//! Choices that are the same on every machine.

use crate::format::FormatKind;
use crate::plan::program::Product;
use crate::run::{NodeWeights, Path};

/// Zeros below which a dense product is faster, whatever the loop.
const DENSE: f64 = 0.35;

/// Zeros below which expanded tiles are faster than nonzeros one by one.
const EXPANDED: f64 = 0.6;

/// Positions from which expanding a tile pays.
const POSITIONS: usize = 48;

/// The share of values in blocks with a nonzero, of four rows each, that have to be nonzeros too.
const FULL_BLOCKS: f64 = 0.7;

/// The format of a weight.
pub(crate) fn format(product: &Product) -> FormatKind {
    let weight = &product.weight;
    let zeros = weight.values.iter().filter(|&&value| value == 0.0).count();
    if (zeros as f64) < DENSE * weight.values.len() as f64 {
        FormatKind::Dense
    } else if has_blocks(product) {
        FormatKind::Blocks4
    } else {
        FormatKind::Blocked
    }
}

/// The loop for so many positions of an image.
pub(crate) fn path(weights: &NodeWeights, positions: usize) -> Path {
    if let Some(trial) = weights.trial()
        && trial.positions == positions
    {
        return trial.path;
    }
    let is_packed = weights.format() != Some(FormatKind::Dense);
    if is_packed && positions >= POSITIONS && weights.zeros() < EXPANDED {
        Path::Expanded
    } else {
        Path::Product
    }
}

/// Whether the nonzeros come in blocks of four rows.
pub(super) fn has_blocks(product: &Product) -> bool {
    let weight = &product.weight;
    if weight.columns == 0 || !weight.rows.is_multiple_of(4) {
        return false;
    }
    let (mut blocks, mut nonzeros) = (0_usize, 0_usize);
    for rows in weight.values.chunks_exact(4 * weight.columns) {
        for column in 0..weight.columns {
            let values = (0..4).filter(|row| rows[row * weight.columns + column] != 0.0);
            let count = values.count();
            nonzeros += count;
            blocks += usize::from(count > 0);
        }
    }
    blocks > 0 && nonzeros as f64 >= FULL_BLOCKS * (4 * blocks) as f64
}
