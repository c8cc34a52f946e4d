//! The selected parameters on their way from scores to masks.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use rayon::prelude::*;

use crate::{
    Allocation, Criterion, Mask, MaskSet, Pattern, PruneError, Scores, Target, Units, Weight,
    allocation::{Counts, Floor, Share},
    mask::Skipped,
    model::{Parameter, ReadBack, Values},
    pattern::Groups,
    pruner::Importance,
    select::{Candidates, prune_lowest},
    target::Selected,
};

/// The selected parameters in module order.
pub(crate) struct Ranking<'a> {
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

impl<'a> Ranking<'a> {
    /// The masks of what is selected have been read.
    pub(crate) fn new(
        pattern: &'a Pattern,
        selected: Vec<Selected<'a>>,
        read: &ReadBack,
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
            let mask = read.mask(parameter);
            let mask = mask.unwrap_or_else(|| Arc::new(Mask::all_kept(shape.clone())));
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
            let skipped = offenders.into_iter();
            ranking.skipped = skipped
                .map(|(path, length)| Skipped {
                    path,
                    reason: format!("{n}:{m} does not divide its input axis of {length}"),
                })
                .collect();
        }
        Ok(ranking)
    }

    /// Scores all units, by weights that have been read, or by the importance that takes their
    /// place.
    pub(crate) fn score(
        &mut self,
        read: &ReadBack,
        criterion: &dyn Criterion,
        importance: &BTreeMap<String, Importance>,
        normalize: bool,
    ) -> Result<(), PruneError> {
        self.check_importance(importance)?;
        for tensor in &mut self.tensors {
            let parameter = tensor.parameter;
            let values = match (importance_of(importance, parameter), read.mask(parameter)) {
                (Some(importance), _) => importance.values.clone(),
                (None, Some(mask)) => read.weight(parameter).masked(mask),
                (None, None) => read.weight(parameter),
            };
            let scores = tensor.scores(criterion, self.pattern, &values)?;
            tensor.scores = Some(match normalize {
                true => scores.divided_by(tensor.norm(&values)?),
                false => scores,
            });
        }
        Ok(())
    }

    /// Refuses scores that are for no selected parameter, or of another shape than it.
    pub(crate) fn check_importance(
        &self,
        given: &BTreeMap<String, Importance>,
    ) -> Result<(), PruneError> {
        let known = self.tensors.iter().map(|tensor| tensor.parameter);
        let known: HashMap<&String, &Parameter> = known
            .flat_map(|parameter| parameter.paths.iter().map(move |path| (path, parameter)))
            .collect();
        for (path, importance) in given {
            if self.skipped.iter().any(|skipped| skipped.path == *path) {
                continue;
            }
            let Some(parameter) = known.get(path) else {
                let selected = self.tensors.iter().map(|tensor| tensor.parameter.path());
                return Err(PruneError::ImportanceUnused {
                    path: path.clone(),
                    selected: selected.collect::<Vec<_>>().join(", "),
                });
            };
            if importance.shape != parameter.shape {
                return Err(PruneError::ImportanceShape {
                    path: path.clone(),
                    expected: parameter.shape.clone(),
                    found: importance.shape.clone(),
                });
            }
            let others = parameter.paths.iter().filter(|other| *other != path);
            for other in others {
                let differs = |theirs: &Importance| !theirs.is_equal(importance);
                if given.get(other).is_some_and(differs) {
                    return Err(PruneError::PlacesDiffer {
                        what: "importance scores",
                        path: path.clone(),
                        other: other.clone(),
                    });
                }
            }
        }
        Ok(())
    }

    /// The units of each parameter.
    #[cfg(feature = "optim")]
    pub(crate) fn shares(&self) -> Vec<Share<'_>> {
        let share = |tensor: &Ranked<'a>| {
            let (parameter, total) = (tensor.parameter, tensor.units.count());
            let unpruned = tensor.unpruned.as_ref().unwrap_or(&tensor.mask);
            Share {
                parameter,
                remaining: unpruned.kept(),
                total,
            }
        };
        self.tensors.iter().map(share).collect()
    }

    /// Prunes what the pattern, or the amount and its allocation, say; of parameters in `lost`
    /// until so many units are gone.
    pub(crate) fn prune(
        &mut self,
        allocation: &Allocation,
        target: Option<Target>,
        lost: &BTreeMap<String, usize>,
        floor: Floor,
    ) -> Result<(), PruneError> {
        let mut tensors: Vec<_> = self.tensors.iter_mut().map(Ranked::split).collect();
        if let Pattern::NM(_) = self.pattern {
            tensors.iter_mut().for_each(Split::prune_groups);
            return Ok(());
        }
        let shares: Vec<_> = tensors.iter().map(Split::share).collect();
        match allocation.counts(target, lost, &shares, floor)? {
            Counts::Each(counts) => {
                for (tensor, count) in tensors.iter_mut().zip(counts) {
                    prune_lowest(&mut [tensor.candidates()], count);
                }
            }
            Counts::Together(count) if floor.is_none() => {
                let mut candidates: Vec<_> = tensors.iter_mut().map(Split::candidates).collect();
                prune_lowest(&mut candidates, count);
            }
            Counts::Together(count) => prune_above_floor(&mut tensors, count, floor),
        }
        drop(tensors);
        self.tensors.iter_mut().for_each(Ranked::spread);
        Ok(())
    }

    pub(crate) fn into_masks(self) -> MaskSet {
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

/// What takes the place of this weight, by whichever of its paths.
pub(crate) fn importance_of<'a>(
    importance: &'a BTreeMap<String, Importance>,
    parameter: &Parameter,
) -> Option<&'a Importance> {
    let mut paths = parameter.paths.iter();
    paths.find_map(|path| importance.get(path))
}

/// Prunes `count` of all units; a tensor that comes down to its floor stays there, and the others
/// go on.
fn prune_above_floor(tensors: &mut [Split<'_>], mut count: usize, floor: Floor) {
    let removable: Vec<usize> = tensors
        .iter()
        .map(|tensor| floor.removable(tensor.unpruned.kept(), tensor.unpruned.len()))
        .collect();
    let mut capped = vec![false; tensors.len()];
    loop {
        // Those that would lose too much lose what they may, and the rest is ranked again.
        let free = tensors.iter().zip(&capped).filter(|(_, capped)| !**capped);
        let mut trial: Vec<_> = free.map(|(tensor, _)| tensor.unpruned.clone()).collect();
        let free = tensors.iter().zip(&capped).filter(|(_, capped)| !**capped);
        let mut candidates: Vec<_> = free
            .zip(&mut trial)
            .map(|((tensor, _), units)| Candidates {
                scores: tensor.scores,
                units,
            })
            .collect();
        prune_lowest(&mut candidates, count);
        let mut trial = trial.into_iter();
        let mut settled = Vec::new();
        let mut over = false;
        for (index, tensor) in tensors.iter_mut().enumerate() {
            if capped[index] {
                continue;
            }
            let units = trial.next().expect("there is one for each that is free");
            if tensor.unpruned.kept() - units.kept() > removable[index] {
                prune_lowest(&mut [tensor.candidates()], removable[index]);
                count -= removable[index];
                capped[index] = true;
                over = true;
            } else {
                settled.push((index, units));
            }
        }
        if !over {
            for (index, units) in settled {
                *tensors[index].unpruned = units;
            }
            return;
        }
    }
}

/// A tensor with what is read and what is written apart.
struct Split<'a> {
    parameter: &'a Parameter,
    groups: Option<Groups>,
    scores: &'a Scores,
    /// The mask itself for single weights.
    unpruned: &'a mut Mask,
}

impl Split<'_> {
    fn share(&self) -> Share<'_> {
        Share {
            parameter: self.parameter,
            remaining: self.unpruned.kept(),
            total: self.unpruned.len(),
        }
    }

    fn candidates(&mut self) -> Candidates<'_> {
        Candidates {
            scores: self.scores,
            units: self.unpruned,
        }
    }

    fn prune_groups(&mut self) {
        let groups = self.groups.expect("N:M sparsity has groups");
        groups.prune(self.unpruned, self.scores);
    }
}

impl Ranked<'_> {
    fn scores(
        &self,
        criterion: &dyn Criterion,
        pattern: &Pattern,
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
                let single = Units::single(shape);
                let scores = criterion.scores(&weight, &single)?;
                scores.validate(path, &single, &self.mask)?;
                Scores::from(pooling.pool(&self.units, scores.iter()))
            }
            None => criterion.scores(&weight, &self.units)?,
        };
        let unpruned = self.unpruned.as_ref().unwrap_or(&self.mask);
        scores.validate(path, &self.units, unpruned)?;
        Ok(scores)
    }

    /// The L2 norm of what is unpruned, 1 when it is 0 so that nothing is divided by it.
    fn norm(&self, values: &Values) -> Result<f64, PruneError> {
        let values = values.clone().masked(Arc::clone(&self.mask));
        match norm(&values) {
            0.0 => Ok(1.0),
            norm if norm.is_finite() => Ok(norm),
            norm => {
                let mut weights = values.iter().enumerate();
                let infinite = weights.find(|(_, weight)| !weight.is_finite());
                let (unit, found) = infinite.unwrap_or((0, norm));
                Err(PruneError::NonFiniteScore {
                    path: self.parameter.path().to_string(),
                    unit,
                    found,
                })
            }
        }
    }

    fn split(&mut self) -> Split<'_> {
        Split {
            parameter: self.parameter,
            groups: self.groups,
            scores: self.scores.as_ref().expect("every tensor has been scored"),
            unpruned: match &mut self.unpruned {
                Some(unpruned) => unpruned,
                // Copied when the scores share it, which is when there was a mask before.
                None => Arc::make_mut(&mut self.mask),
            },
        }
    }

    /// Prunes the weights of the units that have gone.
    fn spread(&mut self) {
        if let Some(unpruned) = &self.unpruned {
            self.units.prune(Arc::make_mut(&mut self.mask), unpruned);
        }
    }
}

/// The L2 norm. Summed in f64 by chunks and in their order, so that it does not depend on the
/// threads.
fn norm(values: &Values) -> f64 {
    const CHUNK: usize = 1 << 14;
    let chunks = values.len().div_ceil(CHUNK);
    let sum = |chunk: usize| {
        let mut block = Vec::new();
        values.read_into(
            chunk * CHUNK..values.len().min((chunk + 1) * CHUNK),
            &mut block,
        );
        block.iter().map(|value| value * value).sum::<f64>()
    };
    let sums: Vec<f64> = (0..chunks).into_par_iter().map(sum).collect();
    sums.iter().sum::<f64>().sqrt()
}
