//! Knowing criteria that do not say what they are by what they do.

use std::panic::{AssertUnwindSafe, catch_unwind};

use chacha20::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use super::{Criterion, GroupWeights, MemberWeights, Weight, fnv1a};
use crate::digest::Hasher;
use crate::error::PruneError;
use crate::identity::{Identity, rounded, short_name};
use crate::model::Values;
use crate::pattern::{CoupledGroup, Units};
use crate::scores::Scores;

/// What a criterion is tried on.
pub(crate) enum Probed<'a> {
    /// A parameter.
    Parameter {
        path: &'a str,
        shape: &'a [usize],
        units: Units,
    },
    /// A group of coupled channels.
    Group(&'a CoupledGroup),
}

/// Something small is tried with several tensors of weights, this many in all, so that what the
/// criterion does shows in enough of them.
const WEIGHTS: usize = 1 << 12;

/// What the criterion says that it is; or the name of its type, and a digest of the scores that it
/// gives to fixed weights.
///
/// A table that the criterion looks things up in shows in its scores, whatever order it is kept in.
pub(crate) fn identity_of<'a, E>(
    criterion: &dyn Criterion,
    probed: impl FnOnce() -> Result<Vec<Probed<'a>>, E>,
) -> Result<Identity, E> {
    match criterion.identity() {
        Some(identity) => Ok(identity),
        None => Ok(by_scores(criterion, probed()?)),
    }
}

fn by_scores<'a>(
    criterion: &dyn Criterion,
    probed: impl IntoIterator<Item = Probed<'a>>,
) -> Identity {
    let mut scores = Hasher::default();
    for probed in probed {
        match probed {
            Probed::Parameter { path, shape, units } => {
                scores.update(format!("{path}:{shape:?}:{};", units.count()));
                let length: usize = shape.iter().product();
                for tensor in tensors(length) {
                    let values = weights(path, tensor, length);
                    let weight = Weight::new(path, shape, &values);
                    add(&mut scores, || criterion.scores(&weight, &units));
                }
            }
            Probed::Group(group) => {
                scores.update(format!("{}:{};", group.name(), group.units()));
                let units: Vec<Units> = group.members().iter().map(Units::of_member).collect();
                for tensor in tensors(units.iter().map(Units::weights).sum()) {
                    let members: Vec<_> = group
                        .members()
                        .iter()
                        .zip(&units)
                        .map(|(member, units)| MemberWeights {
                            path: &member.path,
                            shape: &member.shape,
                            values: weights(&member.path, tensor, units.weights()),
                            units,
                            role: member.role,
                        })
                        .collect();
                    let group = GroupWeights::new(group.name(), group.units(), &members);
                    add(&mut scores, || criterion.group_scores(&group));
                }
            }
        }
    }
    let name = short_name(criterion.type_name());
    Identity::new(name).with("scores_sha256", scores.finish().as_str())
}

/// The tensors that weights of this length are tried with.
fn tensors(length: usize) -> std::ops::Range<u64> {
    0..(WEIGHTS / length.max(1)).clamp(1, 64) as u64
}

fn add(scores: &mut Hasher, found: impl FnOnce() -> Result<Scores, PruneError>) {
    // It may panic for weights that it never meets in the model; that is not an error here.
    match catch_unwind(AssertUnwindSafe(found)) {
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::criterion::Magnitude;

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
        let probed = ["a", "b"].map(|path| Probed::Parameter {
            path,
            shape: &shape,
            units: Units::single(&shape),
        });
        by_scores(criterion, probed)
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
                let of = |w: f64| {
                    if self.divides {
                        w.abs() / total
                    } else {
                        w.abs() * total
                    }
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
}
