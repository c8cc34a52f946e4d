//! How much each parameter loses.

mod due;
#[cfg(feature = "optim")]
mod ends;
mod erk;
mod floor;
mod per_layer;
mod rule;
mod share;
pub(crate) mod stored;

pub(crate) use due::Due;
#[cfg(feature = "optim")]
pub(crate) use ends::Ends;
pub(crate) use floor::Floor;
pub(crate) use per_layer::PerLayer;
pub(crate) use rule::identity_of;
pub use rule::{AllocationRule, Shares};
pub use share::Share;

use std::sync::Arc;

use burn::module::ParamGroup;
use serde::{Deserialize, Serialize};

use crate::amount::Target;
use crate::error::PruneError;
use share::not_rounded_above;

/// How an amount is divided among the parameters.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Allocation {
    /// Every parameter loses the same fraction, or the same number, of its own units.
    #[default]
    Uniform,
    /// All units are ranked together, without normalising by layer: some layers lose more than
    /// others, and one may lose everything, which the report shows.
    Global,
    /// Erdős–Rényi-kernel: the density of a layer of shape `s` is proportional to `Σs / Πs` (Evci
    /// et al. 2020, "Rigging the Lottery"), so small layers keep more.
    ///
    /// A layer keeps `ε · Σs / Πs` of its weights. One `ε` for all layers gives the overall
    /// sparsity that was asked for. A layer that would keep more than it has left keeps all of it,
    /// and `ε` is computed again for the others. Each layer's count is rounded half to even; where
    /// the counts do not add up to the amount, the layers with the largest rounding errors gain or
    /// lose one.
    Erk,
    /// Every parameter has a target of its own; see [`Allocation::per_layer`].
    PerLayer(#[serde(with = "crate::param_groups::stored::targets")] Vec<(ParamGroup, Target)>),
    /// A rule says how many units each parameter loses; see [`AllocationRule`].
    Rule(#[serde(with = "stored")] Arc<dyn AllocationRule>),
}

impl Allocation {
    /// A target for each group of parameters.
    ///
    /// The first group that a parameter is in counts. A parameter in no group gets the amount of
    /// the pruner, and is not pruned when the pruner has none. A group of [coupled
    /// channels](crate::CoupledChannels) has the target of the weights that make the channels; two
    /// of them with different targets are an error.
    ///
    /// On a [schedule](crate::Pruning) these are the final amounts, which each parameter reaches in
    /// proportion: at half of the last sparsity it has lost half of its own amount, rounded half to
    /// even. A parameter in no group gets the sparsity of the schedule.
    ///
    /// ```
    /// use burn::{module::{Module, ParamGroup}, nn::{Linear, LinearConfig}, tensor::Device};
    /// use burn_prune::{Allocation, Magnitude, Prunable, Pruner};
    ///
    /// #[derive(Module, Debug)]
    /// struct Net {
    ///     hidden: Linear,
    ///     output: Linear,
    /// }
    ///
    /// let device = Device::flex();
    /// let net = Net {
    ///     hidden: LinearConfig::new(10, 10).init(&device),
    ///     output: LinearConfig::new(10, 10).init(&device),
    /// };
    /// let pruner = Pruner::new(Magnitude::l1()).allocation(Allocation::per_layer([
    ///     (ParamGroup::from_path("hidden.weight"), 0.2),
    ///     (ParamGroup::from_path("output.weight"), 0.1),
    /// ]));
    /// let masks = pruner.masks(&net)?;
    /// assert_eq!(masks.get("hidden.weight").unwrap().pruned(), 20);
    /// assert_eq!(masks.get("output.weight").unwrap().pruned(), 10);
    /// # Ok::<(), burn_prune::PruneError>(())
    /// ```
    pub fn per_layer<T: Into<Target>>(targets: impl IntoIterator<Item = (ParamGroup, T)>) -> Self {
        let targets = targets.into_iter();
        Self::PerLayer(
            targets
                .map(|(group, target)| (group, target.into()))
                .collect(),
        )
    }
}

/// How many units go.
#[derive(Debug, PartialEq)]
pub(crate) enum Counts {
    /// Of all parameters together.
    Together(usize),
    /// Of each parameter.
    Each(Vec<usize>),
}

/// How errors name all parameters together.
const ALL: &str = "all parameters";

impl Allocation {
    /// How many units go, each share keeping its floor. Targets of their own give way to what
    /// is due on a schedule. `ranked` says how many each would lose
    /// when so many go of all together.
    pub(crate) fn counts(
        &self,
        target: Option<Target>,
        due: &Due,
        shares: &[Share<'_>],
        ranked: &dyn Fn(usize) -> Vec<usize>,
    ) -> Result<Counts, PruneError> {
        let counts: Vec<usize> = match (self, target) {
            (Self::Rule(rule), target) => {
                rule::counts(rule.as_ref(), &Shares::new(shares, ranked, due), target)?
            }
            (Self::PerLayer(targets), fallback) => {
                PerLayer::new(targets).counts(fallback, due, shares)?
            }
            (_, None) => return Err(PruneError::NoAmount),
            (Self::Uniform, Some(target)) => {
                let counts = shares.iter().map(|share| share.count(target));
                counts.collect::<Result<_, _>>()?
            }
            (Self::Global, Some(target)) => {
                let count = count_of_all(target, shares)?;
                let floor = shares.iter().map(Share::floor).sum();
                check_floor(ALL, count, floor, removable(shares))?;
                return Ok(Counts::Together(count));
            }
            (Self::Erk, Some(target)) => {
                let count = count_of_all(target, shares)?;
                let layers = shares.iter().map(|share| erk::Layer {
                    shape: share.shape(),
                    total: share.total(),
                    remaining: share.remaining(),
                    always_kept: share.always_kept(),
                });
                let remaining: usize = shares.iter().map(Share::remaining).sum();
                let most: usize = shares.iter().map(most).sum();
                check_floor(ALL, count, remaining - most, most)?;
                let kept = erk::kept(&layers.collect::<Vec<_>>(), remaining - count);
                let shares = shares.iter().zip(kept);
                shares
                    .map(|(share, kept)| share.remaining() - kept)
                    .collect()
            }
        };
        for (share, count) in shares.iter().zip(&counts) {
            check_floor(share.name(), *count, share.floor(), share.removable())?;
        }
        Ok(Counts::Each(counts))
    }
}

/// Units that a share can lose, whatever floor the pruner has been given.
fn most(share: &Share<'_>) -> usize {
    share.remaining() - share.always_kept()
}

fn removable(shares: &[Share<'_>]) -> usize {
    shares.iter().map(Share::removable).sum()
}

/// How many units a target takes of all shares together.
fn count_of_all(target: Target, shares: &[Share<'_>]) -> Result<usize, PruneError> {
    let remaining = shares.iter().map(Share::remaining).sum();
    let total = shares.iter().map(Share::total).sum();
    let count = target.count(ALL, remaining, total)?;
    let most = shares.iter().map(most).sum();
    Ok(not_rounded_above(
        most,
        count,
        target.exact(remaining, total),
    ))
}

fn check_floor(
    name: &str,
    requested: usize,
    floor: usize,
    available: usize,
) -> Result<(), PruneError> {
    // Where more has gone already than the floor allows, asking for nothing more is no error.
    if requested == 0 || requested <= available {
        return Ok(());
    }
    Err(PruneError::FloorContradictsAmount {
        parameter: name.to_string(),
        requested,
        floor,
        available,
    })
}
