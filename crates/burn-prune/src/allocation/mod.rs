//! How much goes where.

#[cfg(feature = "optim")]
mod ends;
mod erk;
mod floor;

use std::collections::BTreeMap;

use burn::module::ParamGroup;
use serde::{Deserialize, Serialize};

use crate::param_groups::ParamGroups;
use crate::{PruneError, Target, model::Parameter};

#[cfg(feature = "optim")]
pub(crate) use ends::Ends;
pub(crate) use floor::Floor;

/// How an amount is shared out between the parameters.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Allocation {
    /// Every parameter loses the same fraction, or the same number, of its own units.
    #[default]
    Uniform,
    /// All units are ranked together, without normalising by layer: some layers lose more than
    /// others, and one may lose everything, which the report shows.
    Global,
    /// Erdős–Rényi-kernel: layers are the denser the smaller they are for their shape (Evci et al.
    /// 2020, "Rigging the Lottery").
    ///
    /// A layer of shape `s` keeps `ε · Σ s / Π s` of its weights, with one `ε` for all that makes
    /// the whole as sparse as asked for. A layer that would keep more than it has left keeps all
    /// of that, and `ε` is found again for the others. Each layer's count is rounded half to even,
    /// and where these do not add up to the amount, the layers that were rounded the furthest give
    /// or take one.
    Erk,
    /// Every parameter has a target of its own; see [`Allocation::per_layer`].
    PerLayer(#[serde(with = "crate::param_groups::stored::targets")] Vec<(ParamGroup, Target)>),
}

impl Allocation {
    /// A target for each group of parameters.
    ///
    /// The first group that a parameter is in counts. A parameter in no group gets the amount of
    /// the pruner, and stays as it is when the pruner has none.
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

/// What is to be shared out, of one parameter.
pub(crate) struct Share<'a> {
    pub parameter: &'a Parameter,
    /// Units that are still unpruned.
    pub remaining: usize,
    /// All its units.
    pub total: usize,
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
    /// How many units go, each parameter keeping its floor. Targets of their own give way to
    /// `lost`, the units that parameters are to have lost, by their path.
    pub(crate) fn counts(
        &self,
        target: Option<Target>,
        lost: &BTreeMap<String, usize>,
        shares: &[Share<'_>],
        floor: Floor,
    ) -> Result<Counts, PruneError> {
        let whole = || {
            let remaining = shares.iter().map(|share| share.remaining).sum();
            let total = shares.iter().map(|share| share.total).sum();
            (remaining, total)
        };
        let of = |target: Target, share: &Share<'_>| {
            target.count(share.parameter.path(), share.remaining, share.total)
        };
        let counts: Vec<usize> = match (self, target) {
            (Self::Global, Some(target)) => {
                let (remaining, total) = whole();
                let count = target.count(ALL, remaining, total)?;
                let floors = shares.iter().map(|share| floor.units(share.total));
                let removable = shares.iter();
                let removable = removable
                    .map(|share| floor.removable(share.remaining, share.total))
                    .sum();
                check_floor(ALL, count, floors.sum(), removable)?;
                return Ok(Counts::Together(count));
            }
            (Self::Erk, Some(target)) => {
                let (remaining, total) = whole();
                let count = target.count(ALL, remaining, total)?;
                let layers = shares.iter().map(|share| erk::Layer {
                    shape: &share.parameter.shape,
                    total: share.total,
                    remaining: share.remaining,
                });
                let kept = erk::kept(&layers.collect::<Vec<_>>(), remaining - count);
                let shares = shares.iter().zip(kept);
                shares.map(|(share, kept)| share.remaining - kept).collect()
            }
            (Self::PerLayer(targets), fallback) => {
                check_groups(targets, shares)?;
                let parameters = shares.iter().map(|share| share.parameter);
                for shared in parameters.filter(|known| known.paths.len() > 1) {
                    check_one_target(targets, shared)?;
                }
                let to_lose = |share: &Share<'_>| {
                    let lost = lost.get(share.parameter.path())?;
                    let already = share.total - share.remaining;
                    Some(lost.saturating_sub(already).min(share.remaining))
                };
                let groups = ParamGroups::new(targets.iter().map(|(group, _)| group));
                let target = |share: &Share<'_>| {
                    let own = groups.of(share.parameter);
                    own.map(|own| targets[own].1).or(fallback)
                };
                let counts = shares.iter().map(|share| match to_lose(share) {
                    Some(count) => Ok(count),
                    None => target(share).map_or(Ok(0), |target| of(target, share)),
                });
                counts.collect::<Result<_, _>>()?
            }
            (_, Some(target)) => {
                let counts = shares.iter().map(|share| of(target, share));
                counts.collect::<Result<_, _>>()?
            }
            (_, None) => return Err(PruneError::NoAmount),
        };
        for (share, count) in shares.iter().zip(&counts) {
            let removable = floor.removable(share.remaining, share.total);
            check_floor(
                share.parameter.path(),
                *count,
                floor.units(share.total),
                removable,
            )?;
        }
        Ok(Counts::Each(counts))
    }
}

/// Refuses targets that differ between the places of a shared parameter.
fn check_one_target(
    targets: &[(ParamGroup, Target)],
    parameter: &Parameter,
) -> Result<(), PruneError> {
    let mut given = parameter.paths.iter().filter_map(|path| {
        let mut targets = targets.iter();
        let own = targets.find(|(group, _)| group.matches(&parameter.id, Some(path)));
        Some((path, own?.1))
    });
    let Some((path, target)) = given.next() else {
        return Ok(());
    };
    match given.find(|(_, other)| *other != target) {
        Some((other, _)) => Err(PruneError::PlacesDiffer {
            what: "targets",
            path: path.clone(),
            other: other.clone(),
        }),
        None => Ok(()),
    }
}

fn check_floor(
    parameter: &str,
    requested: usize,
    floor: usize,
    available: usize,
) -> Result<(), PruneError> {
    // Where more has gone already than the floor allows, asking for nothing more is no error.
    if requested == 0 || requested <= available {
        return Ok(());
    }
    Err(PruneError::FloorContradictsAmount {
        parameter: parameter.to_string(),
        requested,
        floor,
        available,
    })
}

/// A group that matches nothing is a mistyped path.
fn check_groups(targets: &[(ParamGroup, Target)], shares: &[Share<'_>]) -> Result<(), PruneError> {
    let groups = ParamGroups::new(targets.iter().map(|(group, _)| group));
    let Some(unused) = groups.unused(shares.iter().map(|share| share.parameter)) else {
        return Ok(());
    };
    let (group, _) = &targets[unused];
    let paths = shares.iter().map(|share| share.parameter.path());
    Err(PruneError::GroupMatchesNothing {
        method: "Allocation::per_layer",
        group: format!("{group:?}"),
        found: paths.collect::<Vec<_>>().join(", "),
    })
}
