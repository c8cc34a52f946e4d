//! What goes together: single weights, whole channels, blocks, or N of each M.

mod axis;
mod blocks;
mod coupled;
mod nm;
mod units;

pub use axis::{Axis, WeightAxes};
pub use blocks::{Blocks, Pooling};
pub use coupled::{CoupledChannels, CoupledGroup, CoupledMember, MemberRole};
pub use nm::NM;
pub use units::Units;

pub(crate) use nm::Groups;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::PruneError;

/// The shape of what is pruned.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
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
    /// Whole tiles of the weight as a matrix of outputs by inputs. Amounts count tiles.
    Blocks(Blocks),
    /// N of each M weights along the input axis are kept.
    NM(NM),
    /// Channels of several parameters that go together.
    Coupled(#[serde(with = "coupled::shared")] Arc<CoupledChannels>),
}

impl Pattern {
    /// The units of a weight of this shape, which is known by its path in errors.
    pub(crate) fn units(
        &self,
        path: &str,
        shape: &[usize],
        axes: Option<WeightAxes>,
    ) -> Result<Units, PruneError> {
        if matches!(self, Self::Unstructured) {
            return Ok(Units::single(shape));
        }
        if shape.len() < 2 {
            return Err(PruneError::RankTooLow {
                path: path.to_string(),
                shape: shape.to_vec(),
            });
        }
        match self {
            // Coupled channels have units of their own.
            Self::Unstructured | Self::NM(_) | Self::Coupled(_) => Ok(Units::single(shape)),
            Self::Channels(axis) => Ok(Units::slices(shape, axis.resolve(path, shape, axes)?)),
            Self::Blocks(blocks) => blocks.units(path, shape, axes),
        }
    }
}
