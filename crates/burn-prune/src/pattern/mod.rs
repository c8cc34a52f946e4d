//! What goes together: single weights, or whole channels.

mod axis;
mod units;

pub use axis::{Axis, WeightAxes};
pub use units::Units;

use crate::PruneError;

/// The shape of what is pruned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Pattern {
    /// Every weight by itself.
    #[default]
    Unstructured,
    /// Whole slices along an axis of the weight: filters, neurons, input features.
    ///
    /// Amounts count the slices that are not yet entirely pruned. The result is intersected with
    /// the earlier mask. Pruning a fraction `p` of all outputs *and* the matching inputs of the
    /// next layer removes about `1 - (1 - p)²` of its weights, not `p`.
    Channels(Axis),
}

impl Pattern {
    /// The units of a weight of this shape, which is known by its path in errors.
    pub(crate) fn units(
        self,
        path: &str,
        shape: &[usize],
        axes: Option<WeightAxes>,
    ) -> Result<Units, PruneError> {
        match self {
            Self::Unstructured => Ok(Units::single(shape)),
            Self::Channels(axis) => {
                if shape.len() < 2 {
                    return Err(PruneError::RankTooLow {
                        path: path.to_string(),
                        shape: shape.to_vec(),
                    });
                }
                Ok(Units::slices(shape, axis.resolve(path, shape, axes)?))
            }
        }
    }
}
