//! Parameters whose units are their own: single weights, channels, blocks, N:M groups.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::importance::{self, Importance, importance_of};
use super::lowest::Candidates;
use super::normalize::{Normalize, norm};
use super::{Selected, removal};
use crate::allocation::{Allocation, Floor, Share};
use crate::amount::Target;
use crate::criterion::{Criterion, Weight};
use crate::error::PruneError;
use crate::mask::{Mask, MaskSet, Skipped};
use crate::model::{ModelReading, Parameter, Values};
use crate::pattern::{Groups, Pattern, Units};
use crate::scores::Scores;

/// The selected parameters in module order.
pub(crate) struct ParameterRanking<'a> {
    pattern: &'a Pattern,
    tensors: Vec<Ranked<'a>>,
    skipped: Vec<Skipped>,
}

/// A selected parameter.
struct Ranked<'a> {
    parameter: &'a Parameter,
    units: Units,
    /// The mask it has, and in the end the one it gets.
    mask: Arc<Mask>,
    /// Which units are still unpruned; `None` for single weights, where it is the mask.
    unpruned: Option<Mask>,
    groups: Option<Groups>,
    scores: Option<Scores>,
}

impl<'a> ParameterRanking<'a> {
    /// The masks of what is selected have been read.
    pub(super) fn new(
        pattern: &'a Pattern,
        selected: Vec<Selected<'a>>,
        read: &ModelReading,
    ) -> Result<Self, PruneError> {
        let mut ranking = Self {
            pattern,
            tensors: Vec::with_capacity(selected.len()),
            skipped: Vec::new(),
        };
        let mut offenders = Vec::new();
        for Selected { parameter, axes } in selected {
            let (path, shape) = (parameter.path(), &parameter.shape);
            let units = pattern.units(path, shape, axes)?;
            let groups = match pattern {
                Pattern::NM(nm) => match nm.groups(path, shape, axes)? {
                    Ok(groups) => Some(groups),
                    Err(indivisible) => {
                        offenders.push((path.to_string(), indivisible.length));
                        continue;
                    }
                },
                _ => None,
            };
            let mask = read
                .mask(parameter)
                .unwrap_or_else(|| Arc::new(Mask::all_kept(shape.clone())));
            let unpruned = (!units.are_single_weights()).then(|| units.unpruned(&mask));
            ranking.tensors.push(Ranked {
                parameter,
                units,
                mask,
                unpruned,
                groups,
                scores: None,
            });
        }
        if let (Pattern::NM(nm), false) = (pattern, offenders.is_empty()) {
            let (n, m) = nm.sizes();
            if !nm.skips() {
                return Err(PruneError::Indivisible { n, m, offenders });
            }
            if ranking.tensors.is_empty() {
                return Err(PruneError::AllIndivisible { n, m, offenders });
            }
            ranking.skipped = offenders
                .into_iter()
                .map(|(path, length)| Skipped {
                    path,
                    reason: format!("{n}:{m} does not divide its input axis of {length}"),
                })
                .collect();
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
        for tensor in &mut self.tensors {
            let parameter = tensor.parameter;
            let values = match (importance_of(importance, parameter), read.mask(parameter)) {
                (Some(importance), _) => importance.values.clone(),
                (None, Some(mask)) => read.weight(parameter).masked(mask),
                (None, None) => read.weight(parameter),
            };
            tensor.scores = Some(tensor.scored(criterion, self.pattern, normalize, &values)?);
        }
        Ok(())
    }

    pub(super) fn check_importance(
        &self,
        given: &BTreeMap<String, Importance>,
    ) -> Result<(), PruneError> {
        let parameters = self.tensors.iter().map(|tensor| tensor.parameter);
        let is_skipped = |path: &str| self.skipped.iter().any(|skipped| skipped.path == path);
        importance::check(given, parameters, is_skipped)
    }

    pub(super) fn shares(&self, floor: Floor) -> Vec<Share<'a>> {
        let share = |tensor: &Ranked<'a>| {
            let (remaining, total) = (tensor.unpruned().kept(), tensor.units.count());
            Share::of_parameter(tensor.parameter, remaining, total, floor)
        };
        self.tensors.iter().map(share).collect()
    }

    pub(super) fn prune(
        &mut self,
        allocation: &Allocation,
        target: Option<Target>,
        lost: &BTreeMap<String, usize>,
        floor: Floor,
    ) -> Result<(), PruneError> {
        if let Pattern::NM(_) = self.pattern {
            self.tensors.iter_mut().for_each(Ranked::prune_groups);
            return Ok(());
        }
        let shares = self.shares(floor);
        let candidates = self.tensors.iter_mut().map(Ranked::candidates).collect();
        removal::prune(candidates, &shares, allocation, target, lost)?;
        self.tensors.iter_mut().for_each(Ranked::spread);
        Ok(())
    }

    pub(super) fn into_masks(self) -> MaskSet {
        let masks = self.tensors.into_iter().map(|tensor| {
            // The scores may still share the mask.
            drop(tensor.scores);
            (
                tensor.parameter.path().to_string(),
                Arc::unwrap_or_clone(tensor.mask),
            )
        });
        masks.collect::<MaskSet>().with_skipped(self.skipped)
    }
}

impl Ranked<'_> {
    fn scored(
        &self,
        criterion: &dyn Criterion,
        pattern: &Pattern,
        normalize: Normalize,
        values: &Values,
    ) -> Result<Scores, PruneError> {
        let (path, shape) = (self.parameter.path(), &self.parameter.shape);
        let weight = Weight::new(path, shape, values);
        let pooling = match pattern {
            Pattern::Blocks(blocks) => blocks.pools(),
            _ => None,
        };
        let scores = match pooling {
            Some(pooling) => {
                let scores = criterion.scores(&weight, &Units::single(shape))?;
                scores.validate(path, &self.mask)?;
                Scores::from(pooling.pool(&self.units, scores.iter()))
            }
            None => criterion.scores(&weight, &self.units)?,
        };
        scores.validate(path, self.unpruned())?;
        let norm = || norm(path, &values.clone().masked(Arc::clone(&self.mask)));
        normalize.divide(scores, path, self.unpruned(), norm)
    }

    /// The units that are still unpruned.
    fn unpruned(&self) -> &Mask {
        self.unpruned.as_ref().unwrap_or(&self.mask)
    }

    /// The scores, and the units that are still unpruned: the mask itself for single weights.
    fn split(&mut self) -> (&Scores, &mut Mask) {
        let scores = self.scores.as_ref().expect("every tensor has been scored");
        let unpruned = match &mut self.unpruned {
            Some(unpruned) => unpruned,
            // Copied when the scores share it, which is when there was a mask before.
            None => Arc::make_mut(&mut self.mask),
        };
        (scores, unpruned)
    }

    fn candidates(&mut self) -> Candidates<'_> {
        let (scores, units) = self.split();
        Candidates { scores, units }
    }

    fn prune_groups(&mut self) {
        let groups = self.groups.expect("N:M sparsity has groups");
        let (scores, unpruned) = self.split();
        groups.prune(unpruned, scores);
    }

    /// Prunes the weights of the units that have gone.
    fn spread(&mut self) {
        if let Some(unpruned) = &self.unpruned {
            self.units.prune(Arc::make_mut(&mut self.mask), unpruned);
        }
    }
}
