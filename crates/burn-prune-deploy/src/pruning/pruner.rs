use std::collections::BTreeMap;

use super::{Importance, Shortfall, values};
use crate::DeployError;
use crate::groups::{Group, Groups};
use crate::selection::Selection;

/// Chooses the least important units of each group.
///
/// What is asked for is a fraction of the units, of the multiply-adds or of the parameters. Counts
/// are rounded half to even; of equally important units the first ones stay.
///
/// A second selection works on what the first left: units whose weights are all 0 by now, as those
/// under its masks, are gone, and a fraction is of the others. They are chosen again, so that the
/// new selection holds them too; only where a floor or a multiple asks for more units than are left
/// does it keep some.
#[derive(Debug, Clone)]
pub struct ChannelPruner {
    importance: Importance,
    goal: Goal,
    is_global: bool,
    fractions: BTreeMap<String, f64>,
    floor: usize,
    multiple: usize,
}

#[derive(Debug, Clone, Copy)]
enum Goal {
    Units(f64),
    MultiplyAdds(f64),
    Parameters(f64),
}

/// Steps of the search for a fraction: exact to one unit in groups of any size.
const STEPS: usize = 30;

impl ChannelPruner {
    /// A pruner that removes nothing yet.
    pub fn new(importance: Importance) -> Self {
        Self {
            importance,
            goal: Goal::Units(0.0),
            is_global: false,
            fractions: BTreeMap::new(),
            floor: 1,
            multiple: 1,
        }
    }

    /// Removes this fraction of the units that are not gone yet: of each group, or of all together
    /// when [global](Self::global).
    #[must_use]
    pub fn fraction(mut self, fraction: f64) -> Self {
        self.goal = Goal::Units(fraction);
        self
    }

    /// Removes units until this fraction of the multiply-adds is gone, or a little more. It is of
    /// those of the graph, where units that are masked still count.
    #[must_use]
    pub fn multiply_adds(mut self, fraction: f64) -> Self {
        self.goal = Goal::MultiplyAdds(fraction);
        self
    }

    /// Removes units until this fraction of the parameters is gone, or a little more. It is of those
    /// of the graph, where units that are masked still count.
    #[must_use]
    pub fn parameters(mut self, fraction: f64) -> Self {
        self.goal = Goal::Parameters(fraction);
        self
    }

    /// Ranks the units of all groups together, each importance divided by the mean magnitude of its
    /// group.
    #[must_use]
    pub fn global(mut self) -> Self {
        self.is_global = true;
        self
    }

    /// Removes this fraction of the units of a group that are not gone yet, whatever the others lose.
    #[must_use]
    pub fn group_fraction(mut self, group: impl Into<String>, fraction: f64) -> Self {
        self.fractions.insert(group.into(), fraction);
        self
    }

    /// Keeps at least so many units of each group; 1 unless told. Where that is more than a fraction
    /// leaves, [`Selection::shortfalls`] says so.
    #[must_use]
    pub fn floor(mut self, units: usize) -> Self {
        self.floor = units;
        self
    }

    /// Keeps a multiple of so many units of each group, rounded up; a group that has fewer is left
    /// alone. Where that is more than a fraction leaves, [`Selection::shortfalls`] says so.
    #[must_use]
    pub fn multiple_of(mut self, units: usize) -> Self {
        self.multiple = units;
        self
    }

    /// Chooses the units.
    ///
    /// # Errors
    /// When a fraction is none, a group is not known, an importance is not a number, or the target
    /// cannot be reached with the floors; the message says what can.
    pub fn select(&self, groups: &Groups) -> Result<Selection, DeployError> {
        self.check(groups)?;
        let gone = already_gone(groups);
        let is_ranked: Vec<bool> = (groups.groups().iter().zip(&gone))
            .map(|(group, gone)| self.is_ranked(group, gone))
            .collect();
        let scores = self.importance.scores(groups, &is_ranked)?;
        let remove = |fraction: f64| self.remove(groups, &scores, &gone, fraction);
        let (what, target) = match self.goal {
            Goal::Units(fraction) => {
                let selection = remove(fraction);
                for shortfall in selection.shortfalls() {
                    if shortfall.floor > 1 {
                        log::warn!("{shortfall}");
                    }
                }
                return Ok(selection);
            }
            Goal::MultiplyAdds(target) => ("multiply-adds", target),
            Goal::Parameters(target) => ("parameters", target),
        };
        let measure = |graph: crate::Graph| {
            let cost = graph.cost();
            match self.goal {
                Goal::MultiplyAdds(_) => cost.multiply_adds() as f64,
                _ => cost.parameters() as f64,
            }
        };
        let before = measure(groups.graph().clone()).max(1.0);
        let reduction = |selection: &Selection| 1.0 - measure(selection.graph()) / before;
        let most = remove(1.0);
        let possible = reduction(&most);
        if possible < target {
            return Err(DeployError::Unreachable {
                what,
                asked: 100.0 * target,
                possible: 100.0 * possible,
            });
        }
        let (mut low, mut high, mut found) = (0.0, 1.0, most);
        for _ in 0..STEPS {
            let middle = (low + high) / 2.0;
            let selection = remove(middle);
            match reduction(&selection) >= target {
                true => (high, found) = (middle, selection),
                false => low = middle,
            }
        }
        Ok(found)
    }

    fn check(&self, groups: &Groups) -> Result<(), DeployError> {
        let (Goal::Units(goal) | Goal::MultiplyAdds(goal) | Goal::Parameters(goal)) = self.goal;
        let fractions = self.fractions.values().copied();
        for found in std::iter::once(goal).chain(fractions) {
            if !(0.0..=1.0).contains(&found) {
                let what = "the fraction to remove";
                return Err(DeployError::InvalidFraction { what, found });
            }
        }
        for name in self.fractions.keys() {
            groups.group(name)?;
        }
        for (what, number) in [("the floor", self.floor), ("the multiple", self.multiple)] {
            if number == 0 {
                return Err(DeployError::Zero { what });
            }
        }
        Ok(())
    }

    /// Whether the units of a group are ranked: some of them may go.
    fn is_ranked(&self, group: &Group, gone: &[bool]) -> bool {
        let left = left(gone);
        let most = match (self.fractions.get(&group.name), self.goal) {
            (Some(fraction), _) => share(left, *fraction),
            (None, Goal::Units(fraction)) if !self.is_global => share(left, fraction),
            (None, Goal::Units(goal) | Goal::MultiplyAdds(goal) | Goal::Parameters(goal)) => {
                if goal > 0.0 { left } else { 0 }
            }
        };
        self.keep(left, most, gone.len()) < left
    }

    /// How many of the units of a group stay when so many of those that are left should go.
    fn keep(&self, left: usize, remove: usize, units: usize) -> usize {
        let keep = left.saturating_sub(remove).max(self.floor);
        // A multiple that no number reaches is more than there are.
        let keep = keep.checked_next_multiple_of(self.multiple);
        keep.map_or(units, |keep| keep.min(units))
    }

    fn remove(
        &self,
        groups: &Groups,
        scores: &[Vec<f64>],
        gone: &[Vec<bool>],
        fraction: f64,
    ) -> Selection {
        let globally = match self.is_global {
            true => self.global_counts(groups, scores, gone, fraction),
            false => Vec::new(),
        };
        let mut kept = Vec::new();
        let mut shortfalls = Vec::new();
        let shortfall = |group, asked, removed| Shortfall {
            group,
            asked,
            removed,
            floor: self.floor,
            multiple: self.multiple,
        };
        let (mut all_left, mut all_removed) = (0, 0);
        for (number, group) in groups.groups().iter().enumerate() {
            let (units, gone) = (group.units.len(), &gone[number]);
            let left = left(gone);
            let own = self.fractions.get(&group.name);
            let remove = match (own, globally.get(number)) {
                (Some(fraction), _) => share(left, *fraction),
                (None, Some(count)) => *count,
                (None, None) => share(left, fraction),
            };
            let keep = self.keep(left, remove, units);
            let removed = left.saturating_sub(keep);
            if self.is_global && own.is_none() {
                (all_left, all_removed) = (all_left + left, all_removed + removed);
            } else if removed < remove {
                shortfalls.push(shortfall(Some(group.name.clone()), remove, removed));
            }
            let mut order: Vec<usize> = (0..units).collect();
            order.sort_by(|a, b| {
                let by_score = scores[number][*a].total_cmp(&scores[number][*b]);
                gone[*b].cmp(&gone[*a]).then(by_score).then(b.cmp(a))
            });
            let mut stays = vec![true; units];
            for unit in &order[..units - keep] {
                stays[*unit] = false;
            }
            kept.push(stays);
        }
        let asked = share(all_left, fraction);
        if all_removed < asked {
            shortfalls.push(shortfall(None, asked, all_removed));
        }
        Selection::from_kept(groups, kept, shortfalls)
    }

    /// How many units each group loses when all are ranked together.
    fn global_counts(
        &self,
        groups: &Groups,
        scores: &[Vec<f64>],
        gone: &[Vec<bool>],
        fraction: f64,
    ) -> Vec<usize> {
        let mut all: Vec<(f64, usize)> = Vec::new();
        let mut counts = vec![0; scores.len()];
        let mut units = 0;
        for (number, group) in groups.groups().iter().enumerate() {
            if self.fractions.contains_key(&group.name) {
                continue;
            }
            if !self.is_ranked(group, &gone[number]) {
                units += left(&gone[number]);
                continue;
            }
            let scores = scores[number].iter().zip(&gone[number]);
            let scores = scores.filter(|(_, gone)| !**gone);
            let mut scores: Vec<f64> = scores.map(|(score, _)| *score).collect();
            units += scores.len();
            let sum: f64 = scores.iter().map(|score| score.abs()).sum();
            // All are 0, and stay so.
            let mean = if sum > 0.0 {
                sum / scores.len() as f64
            } else {
                1.0
            };
            for score in &mut scores {
                *score /= mean;
            }
            scores.sort_by(f64::total_cmp);
            // The most important ones are the floor.
            let free = scores.len().saturating_sub(self.floor);
            all.extend(scores[..free].iter().map(|score| (*score, number)));
        }
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        for (_, group) in all.iter().take(share(units, fraction)) {
            counts[*group] += 1;
        }
        counts
    }
}

/// A fraction of so many units, rounded half to even.
fn share(units: usize, fraction: f64) -> usize {
    (units as f64 * fraction).round_ties_even() as usize
}

/// How many units are not gone.
fn left(gone: &[bool]) -> usize {
    gone.iter().filter(|gone| !**gone).count()
}

/// Whether each unit of each group is gone already.
fn already_gone(groups: &Groups) -> Vec<Vec<bool>> {
    let all = groups.groups().iter().map(|group| {
        let units = group.units.iter();
        let gone = units.map(|unit| values::is_gone(groups.graph(), unit));
        gone.collect()
    });
    all.collect()
}
