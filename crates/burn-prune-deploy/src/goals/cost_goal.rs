use burn_prune::{Allocation, AllocationRule, Amount, Identity, PruneError, Share, Shares, Target};

use crate::cost::Cost;
use crate::groups::Groups;

/// Removes units until a fraction of the cost of a graph is gone.
#[derive(Debug, Clone)]
pub(super) struct CostGoal {
    pub groups: Groups,
    pub measure: Measure,
    pub fraction: f64,
    /// How what goes is shared out between the groups.
    pub shared_by: Allocation,
}

/// What a model costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    MultiplyAdds,
    Parameters,
}

/// Steps of the search for a fraction: exact to one unit in groups of any size.
const STEPS: usize = 30;

impl AllocationRule for CostGoal {
    fn counts(
        &self,
        shares: &Shares<'_>,
        target: Option<Target>,
    ) -> Result<Vec<usize>, PruneError> {
        let what = self.measure.name();
        let refused = |message: String| Err(PruneError::Allocation { message });
        if !(0.0..=1.0).contains(&self.fraction) {
            return refused(format!(
                "the fraction of the {what} to remove must be between 0 and 1, found {}",
                self.fraction
            ));
        }
        if target.is_some() {
            return refused(format!(
                "a goal of {what} says by itself how much is removed: leave out the amount, the \
                 sparsity or the schedule, or take another allocation"
            ));
        }
        let numbers = self.numbers(shares)?;
        let before = self.measure.of(&self.groups.graph().cost());
        let reduction = |counts: &[usize]| {
            let kept = self.kept(shares, &numbers, counts);
            let after = self.groups.graph_without(&kept).cost();
            // One division, so that a fraction which units reach exactly is not missed by rounding.
            (before - self.measure.of(&after)) as f64 / before.max(1) as f64
        };
        let nothing = vec![0; shares.len()];
        if reduction(&nothing) >= self.fraction {
            return Ok(nothing);
        }
        let (mut low, mut high) = (0.0, 1.0);
        let mut found = None;
        // The most that was possible below the goal, and why no more was.
        let (mut possible, mut refusal) = (reduction(&nothing), None);
        let mut fraction = high;
        for _ in 0..=STEPS {
            match self.share_out(shares, fraction) {
                Ok(counts) => {
                    let reduction = reduction(&counts);
                    if reduction >= self.fraction {
                        (high, found) = (fraction, Some(counts));
                    } else {
                        (low, possible) = (fraction, reduction.max(possible));
                    }
                }
                // Too much for it.
                Err(error) => (high, refusal) = (fraction, Some(error)),
            }
            // All that can go is not enough.
            if low == 1.0 {
                break;
            }
            fraction = (low + high) / 2.0;
        }
        match (found, refusal) {
            (Some(counts), _) => Ok(counts),
            (None, Some(error)) if low == 0.0 => Err(error),
            (None, _) => refused(format!(
                "no more than {:.1} % of the {what} can be removed with the floors and the \
                 excluded groups as they are, asked for {:.1} %",
                100.0 * possible,
                100.0 * self.fraction
            )),
        }
    }

    fn identity(&self) -> Option<Identity> {
        let before = self.measure.of(&self.groups.graph().cost());
        let identity = Identity::new(format!("goal of {}", self.measure.name()))
            .with("fraction", self.fraction)
            .with("of", before)
            .with("shared_by", super::stored(&self.shared_by)?);
        Some(identity)
    }
}

impl CostGoal {
    /// What each share loses of this fraction of all units that are left.
    fn share_out(&self, shares: &Shares<'_>, fraction: f64) -> Result<Vec<usize>, PruneError> {
        match &self.shared_by {
            // These take what the floors leave.
            Allocation::Uniform => Ok(shares.uniform(fraction)),
            Allocation::Global => {
                let left: usize = shares.iter().map(Share::remaining).sum();
                Ok(shares.global((fraction * left as f64).round_ties_even() as usize))
            }
            other => shares.by(other, Some(Target::Amount(Amount::Fraction(fraction)))),
        }
    }

    /// The number of the group of each share.
    fn numbers(&self, shares: &Shares<'_>) -> Result<Vec<usize>, PruneError> {
        let groups = self.groups.groups();
        let number = |share: &Share<'_>| {
            let is_it = |group: &crate::groups::Group| {
                group.name == share.name() && group.units.len() == share.total()
            };
            groups.iter().position(is_it).ok_or_else(|| PruneError::Allocation {
                message: format!(
                    "a goal of {} works on the groups that it was made from, and `{}` with {} units \
                     is not one of them: give the pruner `.pattern(groups.pattern())` of the same \
                     groups",
                    self.measure.name(),
                    share.name(),
                    share.total()
                ),
            })
        };
        shares.iter().map(number).collect()
    }

    /// Which units stay, by group. The cost depends on how many they are, not on which.
    fn kept(&self, shares: &Shares<'_>, numbers: &[usize], counts: &[usize]) -> Vec<Vec<bool>> {
        let groups = self.groups.groups().iter();
        let mut kept: Vec<Vec<bool>> = groups.map(|group| vec![true; group.units.len()]).collect();
        for ((share, number), count) in shares.iter().zip(numbers).zip(counts) {
            let gone = share.total() - share.remaining() + count;
            kept[*number][..gone].fill(false);
        }
        kept
    }
}

impl Measure {
    fn name(self) -> &'static str {
        match self {
            Self::MultiplyAdds => "multiply-adds",
            Self::Parameters => "parameters",
        }
    }

    fn of(self, cost: &Cost) -> u64 {
        match self {
            Self::MultiplyAdds => cost.multiply_adds(),
            Self::Parameters => cost.parameters(),
        }
    }
}
