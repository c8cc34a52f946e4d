//! Knowing criteria and schedules that do not say what they are by what they do.

use std::panic::{AssertUnwindSafe, catch_unwind};

use chacha20::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use super::Identity;
use crate::{Criterion, Units, Weight, criterion::fnv1a, digest::Hasher, model::Values};
#[cfg(feature = "optim")]
use crate::{Schedule, digest::Digest};

/// A parameter that a criterion is tried on.
pub(super) struct Probed<'a> {
    pub path: &'a str,
    pub shape: &'a [usize],
    pub units: Units,
}

/// A small parameter is tried with several tensors of weights, this many in all, so that what the
/// criterion does shows in enough of them.
const WEIGHTS: usize = 1 << 12;

/// The name of the type, and a digest of the scores that it gives to fixed weights.
///
/// A table that the criterion looks things up in shows in its scores, whatever order it is kept in.
pub(super) fn of_criterion<'a>(
    criterion: &dyn Criterion,
    probed: impl IntoIterator<Item = Probed<'a>>,
) -> Identity {
    let mut scores = Hasher::default();
    for Probed { path, shape, units } in probed {
        scores.update(format!("{path}:{shape:?}:{};", units.count()));
        let length: usize = shape.iter().product();
        let tensors = (WEIGHTS / length.max(1)).clamp(1, 64);
        for tensor in 0..tensors as u64 {
            let values = weights(path, tensor, length);
            let weight = Weight::new(path, shape, &values);
            // It may panic for weights that it never meets in the model; that is not an error here.
            let found = catch_unwind(AssertUnwindSafe(|| criterion.scores(&weight, &units)));
            match found {
                Ok(Ok(found)) => {
                    scores.update("scores;");
                    found.for_each_block(|block| {
                        block
                            .iter()
                            .for_each(|score| scores.update(rounded(*score)));
                    });
                }
                Ok(Err(_)) => scores.update("refused;"),
                Err(_) => scores.update("panicked;"),
            }
        }
    }
    let name = short_name(criterion.type_name());
    Identity::new(name).with("scores_sha256", scores.finish().as_str())
}

/// Weights of both signs and of magnitudes from a millionth to a thousand, the same everywhere.
fn weights(path: &str, tensor: u64, length: usize) -> Values {
    const SEED: u64 = 0x7072_756e_655f_6964;
    let mut stream = ChaCha8Rng::seed_from_u64(SEED ^ tensor);
    stream.set_stream(fnv1a(path));
    let weight = |_| {
        let random = stream.next_u64();
        // In [1, 2), times a power of two from -20 to 9.
        let mantissa = 1.0 + (random >> 41) as f32 / (1u32 << 23) as f32;
        let exponent = (random & 0xffff) as i32 % 30 - 20;
        let sign = if random & 0x1_0000 == 0 { 1.0 } else { -1.0 };
        sign * mantissa * 2f32.powi(exponent)
    };
    Values::from_vec((0..length).map(weight).collect())
}

/// A score to 24 bits, so that the last bits of a logarithm, which differ between machines, and of a
/// sum over a map, which has another order each time, do not count.
fn rounded(score: f64) -> [u8; 8] {
    const DROPPED: u32 = 53 - 24;
    // Not a half: weights of 24 bits times a plain number, as 3.6, often lie right between two
    // scores of 24 bits, where the last bit decides. They are far from the golden section of the
    // way.
    const OFFSET: u64 = (0.618_033_988_749_894_9 * (1u64 << DROPPED) as f64) as u64;
    if score.is_nan() {
        return [0xff; 8];
    }
    // -0.0 is 0.0.
    let bits = (score + 0.0).to_bits();
    (bits.saturating_add(OFFSET) >> DROPPED).to_le_bytes()
}

/// The name of a type without the modules that it is in.
fn short_name(name: &str) -> String {
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':';
    let mut short = String::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let end = if is_name(first) {
            rest.find(|letter| !is_name(letter)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (part, after) = rest.split_at(end);
        short.push_str(part.rsplit("::").next().unwrap_or(part));
        rest = after;
    }
    short
}

/// The name of the type, and a digest of its updates with their sparsities.
///
/// Of a schedule that goes on for more than a million steps, those at the powers of two after that.
#[cfg(feature = "optim")]
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
#[cfg(feature = "optim")]
pub(crate) fn steps_of(schedule: &dyn Schedule) -> impl Iterator<Item = usize> {
    const ALL: usize = 1 << 20;
    let last = schedule.last_update();
    let end = last.map_or(usize::MAX, |last| last.saturating_add(1));
    // A training has fewer than 2³¹ steps.
    let later = (20..31).map(|power| 1usize << power);
    let later = later.filter(move |step| *step < end && Some(*step) != last);
    let last = last.filter(|last| *last >= ALL);
    (0..ALL.min(end)).chain(later).chain(last)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::{Magnitude, PruneError, Scores};

    /// Has a table, as a criterion of a user may.
    #[derive(Debug)]
    struct Table(HashMap<String, f64>);

    impl Criterion for Table {
        fn scores(&self, weight: &Weight<'_>, units: &Units) -> Result<Scores, PruneError> {
            let start = self.0.get(weight.path()).copied().unwrap_or(0.5);
            Ok(units.sum(weight.iter().map(|w| (w - start).abs())).into())
        }
    }

    fn of(criterion: &dyn Criterion) -> Identity {
        let shape = [3, 4];
        let probed = ["a", "b"].map(|path| Probed {
            path,
            shape: &shape,
            units: Units::single(&shape),
        });
        of_criterion(criterion, probed)
    }

    #[test]
    fn a_table_counts_by_what_is_in_it_and_not_by_its_order() {
        let table = |b: f64| {
            let entries = (0..50).map(|key| (format!("other {key}"), 1.0));
            Table(entries.chain([("b".to_string(), b)]).collect())
        };
        let first = of(&table(0.25));
        assert_eq!(first.name(), "Table");
        for _ in 0..20 {
            // Each map has its own order.
            assert_eq!(of(&table(0.25)), first);
        }
        assert_ne!(of(&table(0.251)), first);
    }

    #[test]
    fn a_sum_over_a_map_is_the_same_in_whatever_order_it_is_added_up() {
        /// Tenths, whose sums end in another bit in another order.
        #[derive(Debug)]
        struct Total {
            tenths: HashMap<u32, f64>,
            divides: bool,
        }
        impl Criterion for Total {
            fn scores(&self, weight: &Weight<'_>, units: &Units) -> Result<Scores, PruneError> {
                let total: f64 = self.tenths.values().sum();
                let of = |w: f64| match self.divides {
                    true => w.abs() / total,
                    false => w.abs() * total,
                };
                Ok(units.sum(weight.iter().map(of)).into())
            }
        }
        let total = |count, divides| {
            let tenths = (1..=count).map(|tenth| (tenth, f64::from(tenth) / 10.0));
            of(&Total {
                tenths: tenths.collect(),
                divides,
            })
        };
        for count in 2..40 {
            for divides in [true, false] {
                let first = total(count, divides);
                for _ in 0..20 {
                    assert_eq!(total(count, divides), first, "{count}");
                }
                assert_ne!(total(count + 1, divides), first);
            }
        }
    }

    #[test]
    fn one_that_refuses_or_panics_is_known_too() {
        #[derive(Debug)]
        struct Never;
        impl Criterion for Never {
            fn scores(&self, weight: &Weight<'_>, _: &Units) -> Result<Scores, PruneError> {
                assert_eq!(weight.path(), "a");
                Err(PruneError::NoAmount)
            }
        }
        assert_eq!(of(&Never), of(&Never));
        assert_ne!(of(&Never).data(), of(&Magnitude::l1()).data());
    }

    #[test]
    fn names_of_types_are_without_their_modules() {
        assert_eq!(short_name("crate::a::Mine"), "Mine");
        assert_eq!(short_name("a::B<c::D, &[e::F]>"), "B<D, &[F]>");
        assert_eq!(short_name("Plain"), "Plain");
    }

    #[test]
    fn the_last_bits_of_a_score_do_not_count() {
        let next = |score: f64| f64::from_bits(score.to_bits() + 1);
        for score in [0.1, 1.5, 1e-200, 7e250] {
            assert_eq!(rounded(score), rounded(next(score)), "{score}");
            assert_ne!(rounded(score), rounded(score * (1.0 + 1e-6)), "{score}");
        }
        assert_eq!(rounded(0.0), rounded(-0.0));
        assert_ne!(rounded(f64::NAN), rounded(f64::INFINITY));
    }

    #[cfg(feature = "optim")]
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

    #[cfg(feature = "optim")]
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
