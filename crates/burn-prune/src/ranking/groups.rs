//! Groups of coupled channels, whose units lie in several parameters.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::importance::{self, Importance, importance_of};
use super::lowest::Candidates;
use super::normalize::Normalize;
use super::{SelectedGroup, removal};
use crate::allocation::{Allocation, Due, Floor, Share};
use crate::amount::Target;
use crate::criterion::{Criterion, GroupWeights, MemberWeights};
use crate::error::{CoupledError, PruneError};
use crate::mask::{Mask, MaskSet};
use crate::model::{ModelReading, Parameter, Place, Values};
use crate::pattern::{CoupledGroup, CoupledMember, MemberRole, Units};
use crate::scores::Scores;

/// The selected groups in the order of the pattern.
pub(crate) struct GroupRanking<'a> {
    groups: Vec<Ranked<'a>>,
    /// The parameters of all members in module order, with the masks that they have, and in the end
    /// those that they get.
    masks: BTreeMap<Place, (&'a Parameter, Arc<Mask>)>,
}

/// A selected group.
struct Ranked<'a> {
    group: &'a CoupledGroup,
    members: Vec<Member<'a>>,
    /// The units that have an entry that is still unpruned.
    unpruned: Mask,
    scores: Option<Scores>,
}

/// A member, with its parameter.
struct Member<'a> {
    member: &'a CoupledMember,
    parameter: &'a Parameter,
    units: Units,
}

impl<'a> GroupRanking<'a> {
    /// The masks of what is selected have been read.
    pub(super) fn new(
        selected: Vec<SelectedGroup<'a>>,
        read: &ModelReading,
    ) -> Result<Self, PruneError> {
        let mut ranking = Self {
            groups: Vec::with_capacity(selected.len()),
            masks: BTreeMap::new(),
        };
        for SelectedGroup { group, parameters } in selected {
            let mut members: Vec<Member<'_>> = Vec::with_capacity(parameters.len());
            for (member, parameter) in group.members().iter().zip(parameters) {
                check_shape(member, parameter)?;
                // Two places of one shared parameter are one member.
                let is_again = |known: &Member<'_>| {
                    known.parameter.place() == parameter.place()
                        && known.member.axis == member.axis
                        && known.member.indices == member.indices
                };
                if members.iter().any(is_again) {
                    continue;
                }
                ranking.masks.entry(parameter.place()).or_insert_with(|| {
                    let mask = read.mask(parameter);
                    let all_kept = || Arc::new(Mask::all_kept(parameter.shape.clone()));
                    (parameter, mask.unwrap_or_else(all_kept))
                });
                members.push(Member {
                    member,
                    parameter,
                    units: Units::of_member(member),
                });
            }
            let mut unpruned = Mask::none_kept([group.units()]);
            for member in &members {
                let (_, mask) = &ranking.masks[&member.parameter.place()];
                unpruned = unpruned.union(&member.units.unpruned(mask))?;
            }
            ranking.groups.push(Ranked {
                group,
                members,
                unpruned,
                scores: None,
            });
        }
        Ok(ranking)
    }

    pub(super) fn score(
        &mut self,
        read: &ModelReading,
        criterion: &dyn Criterion,
        importance: &BTreeMap<String, Importance>,
        normalize: Normalize,
    ) -> Result<(), PruneError> {
        self.check_importance(importance)?;
        let values = |parameter: &Parameter| match (
            importance_of(importance, parameter),
            read.mask(parameter),
        ) {
            (Some(importance), _) => importance.values.clone(),
            (None, Some(mask)) => read.weight(parameter).masked(mask),
            (None, None) => read.weight(parameter),
        };
        for ranked in &mut self.groups {
            let (name, units) = (ranked.group.name(), ranked.group.units());
            let members: Vec<_> = ranked
                .members
                .iter()
                .map(|member| MemberWeights {
                    path: member.parameter.path(),
                    shape: &member.parameter.shape,
                    values: values(member.parameter),
                    units: &member.units,
                    role: member.member.role,
                })
                .collect();
            let scores = criterion.group_scores(&GroupWeights::new(name, units, &members))?;
            scores.validate(name, &ranked.unpruned)?;
            let norm = || {
                let masked = members
                    .iter()
                    .zip(&ranked.members)
                    .map(|(weights, member)| {
                        let (_, mask) = &self.masks[&member.parameter.place()];
                        (
                            weights.values.clone().masked(Arc::clone(mask)),
                            weights.units,
                        )
                    });
                Ok(norm(masked))
            };
            let scores = normalize.divide(scores, name, &ranked.unpruned, norm)?;
            ranked.scores = Some(scores);
        }
        Ok(())
    }

    pub(super) fn check_importance(
        &self,
        given: &BTreeMap<String, Importance>,
    ) -> Result<(), PruneError> {
        let parameters = self.masks.values().map(|(parameter, _)| *parameter);
        importance::check(given, parameters, |_| false)
    }

    pub(super) fn shares(&self, floor: Floor) -> Vec<Share<'a>> {
        let share = |ranked: &Ranked<'a>| {
            let parameters: Vec<_> = ranked
                .members
                .iter()
                .map(|member| (member.member, member.parameter))
                .collect();
            share(ranked.group, &parameters, ranked.unpruned.kept(), floor)
        };
        self.groups.iter().map(share).collect()
    }

    pub(super) fn prune(
        &mut self,
        allocation: &Allocation,
        target: Option<Target>,
        due: &Due,
        floor: Floor,
    ) -> Result<(), PruneError> {
        let shares = self.shares(floor);
        let candidates = self.groups.iter_mut().map(|ranked| Candidates {
            scores: ranked.scores.as_ref().expect("every group has been scored"),
            units: &mut ranked.unpruned,
        });
        removal::prune(candidates.collect(), &shares, allocation, target, due)?;
        for ranked in &mut self.groups {
            // The scores may still share the masks.
            ranked.scores = None;
            for member in &ranked.members {
                let place = member.parameter.place();
                let (_, mask) = self.masks.get_mut(&place).expect("it has been put there");
                member.units.prune(Arc::make_mut(mask), &ranked.unpruned);
            }
        }
        // What a group has kept may be masked in part already, and have gone for the rest with
        // others that it overlaps with.
        self.check_left(|parameter| Some(&*self.masks[&parameter.place()].1))
    }

    /// Refuses masks that leave a group without a unit, where it has one by itself. A parameter
    /// without a mask keeps everything.
    pub(super) fn check_left<'m>(
        &self,
        mask_of: impl Fn(&Parameter) -> Option<&'m Mask>,
    ) -> Result<(), PruneError> {
        let is_left = |member: &Member<'_>| {
            let mask = mask_of(member.parameter);
            mask.is_none_or(|mask| member.units.any_kept(mask))
        };
        let emptied = self
            .groups
            .iter()
            .find(|ranked| ranked.unpruned.kept() > 0 && !ranked.members.iter().any(is_left));
        match emptied {
            Some(Ranked { group, .. }) => Err(CoupledError::Emptied {
                group: group.name().to_string(),
            }
            .into()),
            None => Ok(()),
        }
    }

    pub(super) fn into_masks(self) -> MaskSet {
        let masks = self.masks.into_values();
        let named = masks
            .map(|(parameter, mask)| (parameter.path().to_string(), Arc::unwrap_or_clone(mask)));
        named.collect()
    }
}

/// The share of a group whose members are in these parameters.
///
/// It has the shape, and the target of its own, of the weights that make its channels; where none
/// does, of its first member.
pub(crate) fn share<'a>(
    group: &'a CoupledGroup,
    members: &[(&'a CoupledMember, &'a Parameter)],
    remaining: usize,
    floor: Floor,
) -> Share<'a> {
    let is_maker = |(member, _): &&(&CoupledMember, &Parameter)| member.role == MemberRole::Output;
    let mut makers: Vec<_> = members.iter().filter(is_maker).collect();
    if makers.is_empty() {
        makers = members.iter().take(1).collect();
    }
    let (first, _) = makers[0];
    let parameters = makers.iter().map(|(_, parameter)| *parameter).collect();
    Share::of_group(
        group.name(),
        &first.shape,
        parameters,
        remaining,
        group.units(),
        floor,
    )
}

fn check_shape(member: &CoupledMember, parameter: &Parameter) -> Result<(), PruneError> {
    if member.shape == parameter.shape {
        return Ok(());
    }
    Err(CoupledError::MemberShape {
        path: member.path.clone(),
        expected: member.shape.clone(),
        found: parameter.shape.clone(),
    }
    .into())
}

/// The L2 norm of all weights that belong to a unit, summed in f64 member by member.
fn norm<'a>(members: impl Iterator<Item = (Values, &'a Units)>) -> f64 {
    let squares = members.map(|(values, units)| {
        let sums = units.sum(values.iter().map(|value| value * value));
        sums.iter().sum::<f64>()
    });
    squares.sum::<f64>().sqrt()
}
