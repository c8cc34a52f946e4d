use serde::{Deserialize, Serialize};

use super::{Axis, Pattern, Units, WeightAxes};
use crate::error::PruneError;

/// Tiles of a weight that are pruned as a whole.
///
/// The weight is seen as the matrix `[out, in·k·k]`, whatever its layer stores: `size` counts
/// outputs and inputs. Tiles at the edges may be partial and count as one unit.
///
/// ```
/// use burn::{nn::LinearConfig, tensor::{Device, Tensor}};
/// use burn_prune::{Blocks, Magnitude, Pruner};
///
/// let device = Device::flex();
/// let layer = LinearConfig::new(3, 2).init(&device); // stored as [in, out]
/// let scores = Tensor::<2>::from_floats([[9.0, 1.0], [0.0, 2.0], [8.0, 1.0]], &device);
/// // One output by two inputs: 9 + 0 and 8 for the first output, 1 + 2 and 1 for the second.
/// let pruner = Pruner::new(Magnitude::l1())
///     .pattern(Blocks::new([1, 2]))
///     .importance("weight", scores)
///     .amount(0.5);
/// let mask = pruner.masks(&layer)?.get("weight").unwrap().clone();
/// assert_eq!(mask.iter().collect::<Vec<_>>(), [true, false, true, false, true, false]);
/// # Ok::<(), burn_prune::PruneError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blocks {
    size: [usize; 2],
    #[serde(default)]
    pooling: Pooling,
}

/// How the scores of the weights in a block become the score of the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Pooling {
    /// The criterion scores the block as it does a channel: magnitude takes its norm (for L1 the
    /// sum of absolute values), and `Random` draws once.
    #[default]
    Criterion,
    /// The sum of the scores of the single weights.
    Sum,
    /// Their mean, which does not favour full blocks over the partial ones at the edges.
    Mean,
    /// The largest.
    Max,
}

impl Blocks {
    /// Blocks of `[outputs, inputs]`, scored by the criterion.
    pub fn new(size: [usize; 2]) -> Self {
        Self {
            size,
            pooling: Pooling::default(),
        }
    }

    /// Scores a block by pooling the scores of its weights.
    #[must_use]
    pub fn pooling(mut self, pooling: Pooling) -> Self {
        self.pooling = pooling;
        self
    }

    pub(crate) fn units(
        self,
        path: &str,
        shape: &[usize],
        axes: Option<WeightAxes>,
    ) -> Result<Units, PruneError> {
        let output = Axis::Output.resolve(path, shape, axes)?;
        let matrix = Units::matrix(shape, output);
        let [height, width] = self.size;
        if height == 0 || width == 0 || height > matrix[0] || width > matrix[1] {
            return Err(PruneError::BlockSize {
                path: path.to_string(),
                size: self.size,
                matrix,
            });
        }
        Ok(Units::blocks(shape, output, self.size))
    }

    pub(crate) fn pools(self) -> Option<Pooling> {
        Some(self.pooling).filter(|pooling| *pooling != Pooling::Criterion)
    }
}

impl Pooling {
    /// The score of each unit, from those of its weights in flat order. Sums are in f64.
    pub(crate) fn pool(self, units: &Units, scores: impl Iterator<Item = f64>) -> Vec<f64> {
        match self {
            Self::Criterion | Self::Sum => units.sum(scores),
            Self::Mean => {
                let sums = units.sum(scores).into_iter().zip(units.sizes());
                sums.map(|(sum, size)| sum / size as f64).collect()
            }
            Self::Max => units.fold(scores, f64::NEG_INFINITY, |largest, score| {
                // A NaN has to come out and be refused.
                if score.is_nan() || score > *largest {
                    *largest = score;
                }
            }),
        }
    }
}

impl From<Blocks> for Pattern {
    fn from(blocks: Blocks) -> Self {
        Self::Blocks(blocks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_by_hand() {
        let units = Units::blocks(&[1, 3], 0, [1, 2]);
        let pool = |pooling: Pooling| pooling.pool(&units, [1.0, 5.0, 2.0].into_iter());
        assert_eq!(pool(Pooling::Sum), [6.0, 2.0]);
        assert_eq!(pool(Pooling::Mean), [3.0, 2.0]);
        assert_eq!(pool(Pooling::Max), [5.0, 2.0]);
    }
}
