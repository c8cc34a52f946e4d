//! What goes together: single weights, whole channels, blocks, N of each M, or channels of several
//! parameters.

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
    /// Units that lie in several parameters: channels that can only be removed together.
    ///
    /// - Amounts and [`to_sparsity`](crate::Pruner::to_sparsity) count units. A unit is gone when all
    ///   its entries are masked; a unit of which some are takes part.
    /// - A unit that goes is masked in every member; masks that are there stay. All members of the
    ///   selected groups get masks, and nothing else does.
    /// - All groups are selected. [`only`](crate::Pruner::only) and
    ///   [`include`](crate::Pruner::include) take a group when they have any of its members,
    ///   [`exclude`](crate::Pruner::exclude) leaves it out when it has any.
    /// - A group always keeps one unit, as a floor: to ask for all of it is an error. Where only
    ///   rounding would take the last unit it stays.
    /// - Groups may overlap. Each chooses among its own units. Where what one keeps is masked in part
    ///   already and the others mask the rest, so that it would be left without a unit, that is an
    ///   error.
    /// - Groups are ranked and [normalised](crate::Pruner::normalize) as parameters are, ties in the
    ///   order of the pattern. [`Allocation::per_layer`](crate::Allocation::per_layer) and
    ///   [`Allocation::Erk`](crate::Allocation::Erk) go by the weights that make the channels, the
    ///   members with [`MemberRole::Output`]: their target, the shape of the first. Where no member
    ///   has that role they go by the first member.
    /// - How a criterion scores a unit is said by
    ///   [`Criterion::group_scores`](crate::Criterion::group_scores).
    ///
    /// ```
    /// use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::Device};
    /// use burn_prune::{
    ///     CoupledChannels, CoupledGroup, CoupledMember, Magnitude, MemberRole, Prunable, Pruner,
    /// };
    ///
    /// #[derive(Module, Debug)]
    /// struct Net {
    ///     fc1: Linear,
    ///     fc2: Linear,
    /// }
    ///
    /// let device = Device::flex();
    /// let net = Net {
    ///     fc1: LinearConfig::new(3, 8).init(&device),
    ///     fc2: LinearConfig::new(8, 2).init(&device),
    /// };
    /// // burn-prune-deploy makes this of a model's graph.
    /// let channels = CoupledChannels::new([CoupledGroup::new("fc1.weight", [
    ///     CoupledMember::whole("fc1.weight", 1, [3, 8], MemberRole::Output),
    ///     CoupledMember::whole("fc1.bias", 0, [8], MemberRole::Shift),
    ///     CoupledMember::whole("fc2.weight", 0, [8, 2], MemberRole::Input),
    /// ])])?;
    /// let pruner = Pruner::new(Magnitude::l2()).pattern(channels).to_sparsity(0.5);
    /// let masks = net.prune(&pruner)?.masks();
    /// assert_eq!(masks.get("fc1.weight").unwrap().pruned(), 4 * 3);
    /// assert_eq!(masks.get("fc1.bias").unwrap().pruned(), 4);
    /// assert_eq!(masks.get("fc2.weight").unwrap().pruned(), 4 * 2);
    /// # Ok::<(), burn_prune::PruneError>(())
    /// ```
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
