//! What is selected on its way from scores to masks.
//!
//! [`ParameterRanking`] is of parameters whose units are their own, [`GroupRanking`] of groups of
//! coupled channels; [`removal`] prunes the units of either that score [`lowest`].

mod chosen;
mod groups;
mod importance;
mod lowest;
mod normalize;
mod parameters;
mod removal;

pub(crate) use chosen::{Chosen, Selected, SelectedGroup};
pub(crate) use groups::share as group_share;
pub(crate) use importance::{Importance, importance_of};
pub use normalize::Normalize;

use std::collections::BTreeMap;

#[cfg(feature = "optim")]
use crate::allocation::Share;
use crate::allocation::{Allocation, Due, Floor};
use crate::amount::Target;
use crate::criterion::Criterion;
use crate::error::PruneError;
use crate::mask::MaskSet;
use crate::model::ModelReading;
use crate::pattern::Pattern;
use groups::GroupRanking;
use parameters::ParameterRanking;

/// What is ranked.
pub(crate) enum Ranking<'a> {
    Parameters(ParameterRanking<'a>),
    Groups(GroupRanking<'a>),
}

impl<'a> Ranking<'a> {
    /// The masks of what is chosen have been read.
    pub(crate) fn new(
        pattern: &'a Pattern,
        chosen: Chosen<'a>,
        read: &ModelReading,
    ) -> Result<Self, PruneError> {
        Ok(match chosen {
            Chosen::Parameters(selected) => {
                Self::Parameters(ParameterRanking::new(pattern, selected, read)?)
            }
            Chosen::Groups(selected) => Self::Groups(GroupRanking::new(selected, read)?),
        })
    }

    /// Scores all units, by weights that have been read, or by the importance that takes their
    /// place.
    pub(crate) fn score(
        &mut self,
        read: &ModelReading,
        criterion: &dyn Criterion,
        importance: &BTreeMap<String, Importance>,
        normalize: Normalize,
    ) -> Result<(), PruneError> {
        match self {
            Self::Parameters(ranking) => ranking.score(read, criterion, importance, normalize),
            Self::Groups(ranking) => ranking.score(read, criterion, importance, normalize),
        }
    }

    /// Refuses importance scores that are for nothing that is ranked, or of another shape than it.
    #[cfg(feature = "optim")]
    pub(crate) fn check_importance(
        &self,
        given: &BTreeMap<String, Importance>,
    ) -> Result<(), PruneError> {
        match self {
            Self::Parameters(ranking) => ranking.check_importance(given),
            Self::Groups(ranking) => ranking.check_importance(given),
        }
    }

    /// The units of each parameter or group.
    #[cfg(feature = "optim")]
    pub(crate) fn shares(&self, floor: Floor) -> Vec<Share<'a>> {
        match self {
            Self::Parameters(ranking) => ranking.shares(floor),
            Self::Groups(ranking) => ranking.shares(floor),
        }
    }

    /// Prunes what the pattern, or the amount and its allocation, say, and what is due on a
    /// schedule.
    pub(crate) fn prune(
        &mut self,
        allocation: &Allocation,
        target: Option<Target>,
        due: &Due,
        floor: Floor,
    ) -> Result<(), PruneError> {
        match self {
            Self::Parameters(ranking) => ranking.prune(allocation, target, due, floor),
            Self::Groups(ranking) => ranking.prune(allocation, target, due, floor),
        }
    }

    /// Refuses masks that leave a group of coupled channels without a unit that it has now.
    #[cfg(feature = "lottery")]
    pub(crate) fn check_left(&self, masks: &MaskSet) -> Result<(), PruneError> {
        match self {
            Self::Parameters(_) => Ok(()),
            Self::Groups(ranking) => ranking.check_left(|parameter| masks.get(parameter.path())),
        }
    }

    /// The masks in module order.
    pub(crate) fn into_masks(self) -> MaskSet {
        match self {
            Self::Parameters(ranking) => ranking.into_masks(),
            Self::Groups(ranking) => ranking.into_masks(),
        }
    }
}
