//! Knowing schedules that do not say what they are by what they do.

use super::Schedule;
use crate::digest::{Digest, Hasher};
use crate::identity::{Identity, rounded, short_name};

/// The name of the type, and a digest of its updates with their sparsities.
///
/// Of a schedule that goes on for more than a million steps, those at the powers of two after that.
pub(crate) fn of_schedule(schedule: &dyn Schedule) -> Identity {
    if let Some(identity) = schedule.identity() {
        return identity;
    }
    let last = schedule.last_update();
    let mut updates = Hasher::default();
    for step in steps_of(schedule).filter(|step| schedule.updates_after(*step)) {
        updates.update((step as u64).to_le_bytes());
        updates.update(rounded(schedule.sparsity_after(step)));
    }
    let digest: Digest = updates.finish();
    Identity::new(short_name(schedule.type_name()))
        .with("last_update", last)
        .with("updates_sha256", digest.as_str())
}

/// The steps at which a schedule is tried.
pub(crate) fn steps_of(schedule: &dyn Schedule) -> impl Iterator<Item = usize> {
    const ALL: usize = 1 << 20;
    let last = schedule.last_update();
    let end = last.map_or(usize::MAX, |last| last.saturating_add(1));
    // A training has fewer than 2³¹ steps.
    let later = (20..31)
        .map(|power| 1usize << power)
        .filter(move |step| *step < end && Some(*step) != last);
    let last = last.filter(|last| *last >= ALL);
    (0..ALL.min(end)).chain(later).chain(last)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_schedule_is_known_by_its_updates() {
        #[derive(Debug)]
        struct At(HashMap<usize, f64>);
        impl Schedule for At {
            fn updates_after(&self, step: usize) -> bool {
                self.0.contains_key(&step)
            }
            fn sparsity_after(&self, step: usize) -> f64 {
                self.0[&step]
            }
        }
        let at = |third| of_schedule(&At([(1, 0.1), (20, 0.2), (300, third)].into()));
        assert_eq!(at(0.3), at(0.3));
        assert_ne!(at(0.3), at(0.31));
    }

    #[test]
    fn a_long_schedule_is_tried_at_some_of_its_steps() {
        #[derive(Debug)]
        struct Last(Option<usize>);
        impl Schedule for Last {
            fn updates_after(&self, _step: usize) -> bool {
                true
            }
            fn sparsity_after(&self, _step: usize) -> f64 {
                0.5
            }
            fn last_update(&self) -> Option<usize> {
                self.0
            }
        }
        let steps = |last| steps_of(&Last(last)).collect::<Vec<_>>();
        assert_eq!(steps(Some(3)), [0, 1, 2, 3]);
        for last in [(1 << 20) - 1, 1 << 20, 1 << 33, usize::MAX] {
            let steps = steps(Some(last));
            assert!(
                steps.is_sorted_by(|a, b| a < b) && steps.last() == Some(&last),
                "{last}"
            );
        }
        assert!(steps(None).len() > 1 << 20);
    }
}
