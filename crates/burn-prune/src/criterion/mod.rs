//! What is scored. The units with the lowest scores are pruned first.

mod group;
mod lamp;
mod magnitude;
mod norm_scale;
mod probe;
mod random;
pub(crate) mod stored;
mod weight;

pub use group::GroupWeights;
pub(crate) use group::MemberWeights;
pub use lamp::Lamp;
pub use magnitude::Magnitude;
pub use norm_scale::NormScale;
pub(crate) use probe::{Probed, identity_of};
pub use random::Random;
pub(crate) use random::fnv1a;
pub use weight::Weight;

use std::any::Any;
use std::fmt::Debug;

use crate::error::PruneError;
use crate::identity::Identity;
use crate::pattern::Units;
use crate::scores::Scores;

/// Gives every unit of a weight a score; the lowest are pruned.
///
/// Scores are computed on the host, in a fixed order, so that the same weights give the same
/// masks on every backend. Among equal scores the lower index is kept.
///
/// A new criterion is one method. This one keeps weights by how far they have moved from where
/// they started (the `movement` of Zhou et al. 2019, "Deconstructing Lottery Tickets"):
///
/// ```
/// use std::collections::HashMap;
/// use burn::{module::Param, nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
/// use burn_prune::{Criterion, Prunable, PruneError, Pruner, Scores, Units, Weight};
///
/// #[derive(Debug)]
/// struct MovedFarthest {
///     start: HashMap<String, Vec<f64>>,
/// }
///
/// impl Criterion for MovedFarthest {
///     fn scores(&self, weight: &Weight<'_>, units: &Units) -> Result<Scores, PruneError> {
///         let start = self.start.get(weight.path()).ok_or_else(|| PruneError::Criterion {
///             path: weight.path().to_string(),
///             message: "no initial weights".to_string(),
///         })?;
///         let moved = weight.iter().zip(start).map(|(now, start)| (now - start).abs());
///         Ok(units.sum(moved).into())
///     }
/// }
///
/// let device = Device::flex();
/// let mut layer = LinearConfig::new(1, 4).init(&device);
/// layer.weight = Param::from_tensor(Tensor::from_floats([[1.0, 2.0, 3.0, 4.0]], &device));
/// let start = HashMap::from([("weight".to_string(), vec![1.0, 1.0, 3.5, 0.0])]);
///
/// let layer = layer.prune(&Pruner::new(MovedFarthest { start }).amount(0.5))?;
/// // Moved by 0, 1, 0.5 and 4.
/// let weights = layer.weight.val().try_into_vec_as::<f32>().unwrap();
/// assert_eq!(weights, [0.0, 2.0, 0.0, 4.0]);
/// # Ok::<(), PruneError>(())
/// ```
pub trait Criterion: Any + Debug + Send + Sync {
    /// One finite score for each unit.
    ///
    /// # Errors
    /// When the criterion cannot score this weight. Nothing is pruned then.
    fn scores(&self, weight: &Weight<'_>, units: &Units) -> Result<Scores, PruneError>;

    /// One finite score for each unit of a group of [coupled channels](crate::CoupledChannels).
    ///
    /// By default a unit scores the sum of the [scores](Self::scores) of its parts in the members
    /// of the group. So a criterion that knows nothing of groups works on them.
    ///
    /// ```
    /// use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
    /// use burn_prune::{
    ///     CoupledChannels, CoupledGroup, CoupledMember, Criterion, GroupWeights, MemberRole,
    ///     PruneError, Pruner, Scores, Units, Weight,
    /// };
    ///
    /// /// The sum of the weights; of coupled channels only what makes them counts.
    /// #[derive(Debug)]
    /// struct Total;
    ///
    /// impl Criterion for Total {
    ///     fn scores(&self, weight: &Weight<'_>, units: &Units) -> Result<Scores, PruneError> {
    ///         Ok(units.sum(weight.iter()).into())
    ///     }
    ///
    ///     fn group_scores(&self, group: &GroupWeights<'_>) -> Result<Scores, PruneError> {
    ///         let mut makers = group.members().filter(|(_, _, role)| *role == MemberRole::Output);
    ///         let (weight, units, _) = makers.next().ok_or_else(|| PruneError::Criterion {
    ///             path: group.name().to_string(),
    ///             message: "no weight makes these channels".to_string(),
    ///         })?;
    ///         self.scores(&weight, units)
    ///     }
    /// }
    ///
    /// #[derive(Module, Debug)]
    /// struct Net {
    ///     fc1: Linear,
    ///     fc2: Linear,
    /// }
    ///
    /// let device = Device::flex();
    /// let mut net = Net {
    ///     fc1: LinearConfig::new(1, 2).init(&device),
    ///     fc2: LinearConfig::new(2, 1).init(&device),
    /// };
    /// net.fc1.weight = net.fc1.weight.map(|_| Tensor::from_floats([[2.0, 1.0]], &device));
    /// net.fc2.weight = net.fc2.weight.map(|_| Tensor::from_floats([[0.0], [9.0]], &device));
    /// let hidden = CoupledGroup::new("fc1.weight", [
    ///     CoupledMember::whole("fc1.weight", 1, [1, 2], MemberRole::Output),
    ///     CoupledMember::whole("fc2.weight", 0, [2, 1], MemberRole::Input),
    /// ]);
    /// let pruner = Pruner::new(Total).pattern(CoupledChannels::new([hidden])?).amount(1);
    /// let masks = pruner.masks(&net)?;
    /// assert_eq!(masks.get("fc2.weight").unwrap().iter().collect::<Vec<_>>(), [true, false]);
    /// # Ok::<(), PruneError>(())
    /// ```
    ///
    /// # Errors
    /// When the criterion cannot score this group. Nothing is pruned then.
    fn group_scores(&self, group: &GroupWeights<'_>) -> Result<Scores, PruneError> {
        let mut sums = vec![0.0; group.units()];
        for (weight, units, _) in group.members() {
            let scores = self.scores(&weight, units)?;
            scores.check_count(weight.path(), units.count())?;
            for (sum, score) in sums.iter_mut().zip(scores.iter()) {
                *sum += score;
            }
        }
        Ok(sums.into())
    }

    /// The identity by which checkpoints and studies tell this criterion from others.
    ///
    /// A criterion without one is known by the name of its type and by its scores for fixed weights
    /// in the shapes of the selected parameters, which takes as long as scoring the model once.
    /// Return an identity where that takes too long, or where the type may be renamed.
    ///
    /// ```
    /// use burn_prune::{Criterion, Identity, PruneError, Scores, Units, Weight};
    ///
    /// /// Weights that are closest to a value go first.
    /// #[derive(Debug)]
    /// struct Around(f64);
    ///
    /// impl Criterion for Around {
    ///     fn scores(&self, weight: &Weight<'_>, units: &Units) -> Result<Scores, PruneError> {
    ///         Ok(units.sum(weight.iter().map(|w| (w - self.0).abs())).into())
    ///     }
    ///
    ///     fn identity(&self) -> Option<Identity> {
    ///         Some(Identity::new("around").with("value", self.0))
    ///     }
    /// }
    ///
    /// assert_eq!(Around(0.5).identity().unwrap().data()["value"], "0.5");
    /// ```
    fn identity(&self) -> Option<Identity> {
        None
    }

    #[doc(hidden)]
    fn type_name(&self) -> &'static str {
        std::any::type_name::<Self>()
    }
}
