//! Finding the units with the lowest scores.

use crate::Scores;

/// The units of one tensor that may be pruned, and their scores.
pub(crate) struct Candidates<'a> {
    pub scores: &'a Scores,
    /// Which units are still unpruned.
    pub unpruned: &'a [bool],
}

impl Candidates<'_> {
    fn units(&self) -> impl Iterator<Item = usize> + '_ {
        let unpruned = self.unpruned.iter().enumerate();
        unpruned
            .filter(|(_, unpruned)| **unpruned)
            .map(|(unit, _)| unit)
    }

    fn keys(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.units().map(|unit| (unit, key(self.scores.get(unit))))
    }
}

/// Exactly `count` units of all tensors together: those with the lowest scores.
///
/// Among equal scores the one that comes first, in the order of the tensors and of their units, is
/// kept. There must be `count` candidates, and their scores must be finite.
pub(crate) fn lowest(tensors: &[Candidates<'_>], count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new(); tensors.len()];
    }
    let all = || {
        tensors
            .iter()
            .flat_map(Candidates::keys)
            .map(|(_, key)| key)
    };
    let mut keys: Vec<u64> = all().collect();
    let (_, &mut threshold, _) = keys.select_nth_unstable(count - 1);
    drop(keys);

    let below = all().filter(|key| *key < threshold).count();
    let ties = all().filter(|key| *key == threshold).count();
    let mut ties_to_keep = ties - (count - below);
    let mut goes = |key: u64| {
        if key == threshold && ties_to_keep > 0 {
            ties_to_keep -= 1;
            return false;
        }
        key <= threshold
    };
    let mut selected = Vec::with_capacity(tensors.len());
    for tensor in tensors {
        let units = tensor.keys().filter(|(_, key)| goes(*key));
        selected.push(units.map(|(unit, _)| unit).collect());
    }
    selected
}

/// An integer that orders as the finite score does; 0.0 and -0.0 are equal.
fn key(score: f64) -> u64 {
    const SIGN: u64 = 1 << 63;
    let bits = (score + 0.0).to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(scores: &[f64], count: usize) -> Vec<usize> {
        let unpruned = vec![true; scores.len()];
        let candidates = Candidates {
            scores: &scores.to_vec().into(),
            unpruned: &unpruned,
        };
        lowest(&[candidates], count).remove(0)
    }

    #[test]
    fn keys_order_as_their_scores() {
        let ordered = [-1e300, -1.0, -1e-300, 0.0, 1e-300, 1.0, 1e300];
        assert!(ordered.map(key).is_sorted());
        assert_eq!(key(-0.0), key(0.0));
    }

    #[test]
    fn among_equals_the_lower_index_is_kept() {
        assert_eq!(select(&[1.0, 1.0, 1.0, 1.0], 3), [1, 2, 3]);
        assert_eq!(select(&[2.0, 1.0, 2.0, 1.0, 2.0], 3), [1, 3, 4]);
        assert_eq!(select(&[0.0, -0.0, 0.0], 1), [2]);
    }

    #[test]
    fn none_and_all() {
        assert_eq!(select(&[3.0, 1.0], 0), [0usize; 0]);
        assert_eq!(select(&[3.0, 1.0], 2), [0, 1]);
    }

    #[test]
    fn tensors_are_ranked_together_and_pruned_units_take_no_part() {
        let (first, second): (Scores, Scores) = (vec![0.5, 3.0].into(), vec![0.1f32, 1.0].into());
        let tensors = [
            Candidates {
                scores: &first,
                unpruned: &[true, true],
            },
            Candidates {
                scores: &second,
                unpruned: &[false, true],
            },
        ];
        assert_eq!(lowest(&tensors, 2), [vec![0], vec![1]]);
    }
}
