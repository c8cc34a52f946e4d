use serde::{Deserialize, Serialize};

use super::{Criterion, GroupWeights, Weight};
use crate::error::PruneError;
use crate::identity::Identity;
use crate::pattern::{MemberRole, Units};
use crate::scores::Scores;

/// Channels with a small scale in their norm are pruned first (Liu et al. 2017, "Learning Efficient
/// Convolutional Networks through Network Slimming").
///
/// A unit of [coupled channels](crate::CoupledChannels) scores the mean `|γ|` of the norms that it
/// goes through, the members with the role [`MemberRole::Scale`]. A group without one is an error:
/// exclude it. So is any other pattern.
///
/// ```
/// use burn::{module::Module, nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig}};
/// use burn::tensor::{Device, Tensor};
/// use burn_prune::{CoupledChannels, CoupledGroup, CoupledMember, MemberRole, NormScale, Pruner};
///
/// #[derive(Module, Debug)]
/// struct Net {
///     fc: Linear,
///     norm: BatchNorm,
/// }
///
/// let device = Device::flex();
/// let mut net = Net {
///     fc: LinearConfig::new(2, 3).init(&device),
///     norm: BatchNormConfig::new(3).init(&device),
/// };
/// net.norm.gamma = net.norm.gamma.map(|_| Tensor::from_floats([0.5, -0.1, 0.2], &device));
/// let group = CoupledGroup::new("fc.weight", [
///     CoupledMember::whole("fc.weight", 1, [2, 3], MemberRole::Output),
///     CoupledMember::whole("norm.gamma", 0, [3], MemberRole::Scale),
///     CoupledMember::whole("norm.beta", 0, [3], MemberRole::Shift),
/// ]);
/// let pruner = Pruner::new(NormScale).pattern(CoupledChannels::new([group])?).amount(1);
/// let masks = pruner.masks(&net)?;
/// assert_eq!(masks.get("norm.beta").unwrap().iter().collect::<Vec<_>>(), [true, false, true]);
/// # Ok::<(), burn_prune::PruneError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NormScale;

impl Criterion for NormScale {
    fn scores(&self, weight: &Weight<'_>, _units: &Units) -> Result<Scores, PruneError> {
        Err(PruneError::Criterion {
            path: weight.path().to_string(),
            message: "`NormScale` scores coupled channels: give the pruner a pattern of \
                      `CoupledChannels`, or take another criterion"
                .to_string(),
        })
    }

    fn group_scores(&self, group: &GroupWeights<'_>) -> Result<Scores, PruneError> {
        let mut sums = vec![(0.0, 0.0); group.units()];
        let scales = group
            .members()
            .filter(|(_, _, role)| *role == MemberRole::Scale);
        for (weight, units, _) in scales {
            units.fold_into(&mut sums, weight.iter(), |(sum, count), scale| {
                *sum += scale.abs();
                *count += 1.0;
            });
        }
        if sums.iter().any(|(_, count)| *count == 0.0) {
            return Err(PruneError::Criterion {
                path: group.name().to_string(),
                message: "no norm scales these channels: exclude the group, or take another \
                          criterion"
                    .to_string(),
            });
        }
        let means = sums.into_iter().map(|(sum, count)| sum / count);
        Ok(means.collect::<Vec<f64>>().into())
    }

    fn identity(&self) -> Option<Identity> {
        Some(Identity::new("norm_scale"))
    }
}
