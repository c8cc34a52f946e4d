//! Targets that parameters and groups have of their own.

use burn::module::ParamGroup;

use super::{Due, Share};
use crate::amount::Target;
use crate::error::{CoupledError, PruneError};
use crate::model::Parameter;
use crate::param_groups::ParamGroups;

/// Targets by the groups of parameters that they are for.
pub(crate) struct PerLayer<'a> {
    targets: &'a [(ParamGroup, Target)],
    groups: ParamGroups<'a>,
}

impl<'a> PerLayer<'a> {
    pub(crate) fn new(targets: &'a [(ParamGroup, Target)]) -> Self {
        Self {
            targets,
            groups: ParamGroups::new(targets.iter().map(|(group, _)| group)),
        }
    }

    /// The target of a share: that of the first group with one of the parameters that name it.
    pub(crate) fn target(&self, share: &Share<'_>) -> Option<Target> {
        let own = share.named_by().iter();
        let first = own.filter_map(|parameter| self.groups.of(parameter)).min();
        first.map(|group| self.targets[group].1)
    }

    /// Refuses groups that match nothing, and targets that differ for one share.
    pub(super) fn check(&self, shares: &[Share<'_>]) -> Result<(), PruneError> {
        let named = shares.iter().flat_map(Share::named_by).copied();
        // A group that matches nothing is a mistyped path.
        if let Some(unused) = self.groups.unused(named.clone()) {
            let (group, _) = &self.targets[unused];
            let paths: Vec<&str> = named.map(Parameter::path).collect();
            return Err(PruneError::GroupMatchesNothing {
                method: "Allocation::per_layer",
                group: format!("{group:?}"),
                found: paths.join(", "),
            });
        }
        shares.iter().try_for_each(|share| self.check_one(share))
    }

    /// Refuses targets that differ between the places of a shared parameter, or between the weights
    /// that make a group.
    fn check_one(&self, share: &Share<'_>) -> Result<(), PruneError> {
        let places = || {
            let named = share.named_by().iter();
            named.flat_map(|parameter| parameter.paths.iter().map(|path| (parameter.id, path)))
        };
        if places().nth(1).is_none() {
            return Ok(());
        }
        let mut given = places().filter_map(|(id, path)| {
            let group = self.groups.at(id, path)?;
            Some((path, self.targets[group].1))
        });
        let Some((path, target)) = given.next() else {
            return Ok(());
        };
        let Some((other, _)) = given.find(|(_, other)| *other != target) else {
            return Ok(());
        };
        let (path, other) = (path.clone(), other.clone());
        Err(if share.is_group() {
            PruneError::Coupled(CoupledError::TargetsDiffer {
                group: share.name().to_string(),
                path,
                other,
            })
        } else {
            PruneError::PlacesDiffer {
                what: "targets",
                path,
                other,
            }
        })
    }

    /// How many units each share loses, and those of which so much is due until that is gone.
    pub(super) fn counts(
        &self,
        fallback: Option<Target>,
        due: &Due,
        shares: &[Share<'_>],
    ) -> Result<Vec<usize>, PruneError> {
        self.check(shares)?;
        let to_lose = |share: &Share<'_>| {
            let lost = due.lost(share.name())?;
            let already = share.total() - share.remaining();
            Some(lost.saturating_sub(already).min(share.remaining()))
        };
        let count = |share: &Share<'_>| match (to_lose(share), self.target(share).or(fallback)) {
            (Some(count), _) => Ok(count),
            (None, Some(target)) => share.count(target),
            (None, None) => Ok(0),
        };
        shares.iter().map(count).collect()
    }
}
