//! Pruning the units with the lowest scores, as many as the allocation says.

use super::lowest::{Candidates, prune_lowest};
use crate::allocation::{Allocation, Counts, Due, Share};
use crate::amount::Target;
use crate::error::PruneError;
use crate::mask::Mask;

/// Prunes what the amount and its allocation say, and what is due on a schedule.
pub(super) fn prune(
    mut candidates: Vec<Candidates<'_>>,
    shares: &[Share<'_>],
    allocation: &Allocation,
    target: Option<Target>,
    due: &Due,
) -> Result<(), PruneError> {
    let ranked = |count: usize| {
        let left = above_floors(&candidates, shares, count).into_iter();
        let lost = left.zip(&candidates).map(|(left, candidates)| match left {
            Left::Floor(lost) => lost,
            Left::Units(units) => candidates.units.kept() - units.kept(),
        });
        lost.collect()
    };
    match allocation.counts(target, due, shares, &ranked)? {
        Counts::Each(counts) => {
            for (candidates, count) in candidates.iter_mut().zip(counts) {
                prune_lowest(std::slice::from_mut(candidates), count);
            }
        }
        Counts::Together(count) if shares.iter().any(has_floor) => {
            let left = above_floors(&candidates, shares, count);
            for (candidates, left) in candidates.iter_mut().zip(left) {
                match left {
                    Left::Floor(lost) => prune_lowest(std::slice::from_mut(candidates), lost),
                    Left::Units(units) => *candidates.units = units,
                }
            }
        }
        Counts::Together(count) => prune_lowest(&mut candidates, count),
    }
    Ok(())
}

fn has_floor(share: &Share<'_>) -> bool {
    share.removable() < share.remaining()
}

/// What one is left with when the units of all are ranked together.
enum Left {
    /// It comes down to its floor by losing so many.
    Floor(usize),
    /// These units.
    Units(Mask),
}

/// What each is left with when `count` of all units go; what comes down to its floor stays there,
/// and the others go on.
fn above_floors(
    candidates: &[Candidates<'_>],
    shares: &[Share<'_>],
    mut count: usize,
) -> Vec<Left> {
    let mut left: Vec<Option<Left>> = candidates.iter().map(|_| None).collect();
    loop {
        let free: Vec<usize> = (0..left.len())
            .filter(|index| left[*index].is_none())
            .collect();
        let mut trial: Vec<Mask> = free
            .iter()
            .map(|index| candidates[*index].units.clone())
            .collect();
        let mut tried: Vec<_> = free
            .iter()
            .zip(&mut trial)
            .map(|(index, units)| Candidates {
                scores: candidates[*index].scores,
                units,
            })
            .collect();
        prune_lowest(&mut tried, count);
        // Those that would lose too much lose what they may, and the rest is ranked again.
        let mut over = false;
        for (index, units) in free.iter().zip(&trial) {
            let removable = shares[*index].removable();
            if candidates[*index].units.kept() - units.kept() > removable {
                left[*index] = Some(Left::Floor(removable));
                count -= removable;
                over = true;
            }
        }
        if !over {
            for (index, units) in free.into_iter().zip(trial) {
                left[index] = Some(Left::Units(units));
            }
            return left.into_iter().flatten().collect();
        }
    }
}
