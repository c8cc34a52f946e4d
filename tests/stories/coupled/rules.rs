//! Rules of allocation.

use std::sync::Arc;

use burn::tensor::Device;
use burn_prune::{
    Allocation, AllocationRule, Amount, Identity, Magnitude, PruneError, Pruner, Shares, Target,
};

use super::net::{Net, groups, pattern, units_left};
use crate::chance::for_seeds;

type Counts = fn(&Shares<'_>, Option<Target>) -> Result<Vec<usize>, PruneError>;

#[derive(Debug)]
struct Rule(Counts);

impl AllocationRule for Rule {
    fn counts(
        &self,
        shares: &Shares<'_>,
        target: Option<Target>,
    ) -> Result<Vec<usize>, PruneError> {
        self.0(shares, target)
    }
}

fn by(rule: Counts) -> Pruner {
    let rule = Allocation::Rule(Arc::new(Rule(rule)));
    Pruner::new(Magnitude::l1())
        .pattern(pattern())
        .allocation(rule)
}

fn left(pruner: &Pruner) -> [Vec<usize>; 2] {
    let masks = pruner.masks(&Net::new(&Device::flex())).unwrap();
    groups().map(|group| units_left(&masks, &group))
}

#[test]
fn a_rule_is_told_what_there_is_and_decides() {
    let pruner = by(|shares, target| {
        assert_eq!(target, Some(Target::Amount(Amount::Count(2))));
        let shares: Vec<_> = shares.iter().collect();
        let names: Vec<&str> = shares.iter().map(|share| share.name()).collect();
        assert_eq!(names, ["conv.weight", "fc1.weight"]);
        assert_eq!(shares[0].shape(), [3, 1, 3, 3]);
        let numbers = shares
            .iter()
            .map(|share| (share.remaining(), share.total()));
        assert_eq!(numbers.collect::<Vec<_>>(), [(3, 3), (4, 4)]);
        assert_eq!(shares[1].removable(), 2);
        Ok(vec![0, 2])
    });
    assert_eq!(
        left(&pruner.min_count(2).amount(2)),
        [vec![0, 1, 2], vec![2, 3]]
    );
}

#[test]
fn a_rule_can_go_by_the_rank_of_all_units() {
    let global = by(|shares, _| Ok(shares.global(4)));
    assert_eq!(left(&global), [vec![1, 2], vec![3]]);
    assert_eq!(left(&global.clone().min_count(2)), [vec![1, 2], vec![2, 3]]);
    // No more than can go.
    assert_eq!(
        left(&by(|shares, _| Ok(shares.global(100)))),
        [vec![2], vec![3]].map(|mut units| {
            if units == [2] {
                units = vec![1];
            }
            units
        })
    );
    assert_eq!(
        left(&by(|shares, _| Ok(shares.uniform(0.5)))),
        [vec![1], vec![2, 3]]
    );
    assert_eq!(
        left(&by(|shares, _| Ok(shares.uniform(1.0)))),
        [vec![1], vec![3]]
    );
}

#[test]
fn counts_that_cannot_be_are_refused() {
    let refused = |pruner: Pruner| pruner.masks(&Net::new(&Device::flex())).unwrap_err();
    let error = refused(by(|_, _| Ok(vec![1])));
    assert!(error.to_string().contains("1 counts for 2"), "{error}");
    let error = refused(by(|_, _| Ok(vec![1, 5])));
    assert!(matches!(
        error,
        PruneError::CountTooLarge {
            requested: 5,
            available: 4,
            ..
        }
    ));
    let error = refused(by(|_, _| Ok(vec![3, 1])));
    assert!(matches!(
        error,
        PruneError::FloorContradictsAmount { floor: 1, .. }
    ));
    let error = refused(by(|_, _| {
        Err(PruneError::Allocation {
            message: "not today".to_string(),
        })
    }));
    assert_eq!(error.to_string(), "the allocation rule failed: not today");
}

#[test]
fn larger_counts_of_all_take_no_less_of_any() {
    #[derive(Debug)]
    struct Grows;
    impl AllocationRule for Grows {
        fn counts(&self, shares: &Shares<'_>, _: Option<Target>) -> Result<Vec<usize>, PruneError> {
            let mut before = vec![0; shares.len()];
            let most: usize = shares.iter().map(|share| share.removable()).sum();
            for count in 0..=most {
                let counts = shares.global(count);
                assert_eq!(counts.iter().sum::<usize>(), count);
                assert!(
                    counts
                        .iter()
                        .zip(&before)
                        .all(|(now, before)| now >= before)
                );
                before = counts;
            }
            Ok(before)
        }
    }
    for_seeds(50, |seed, chance| {
        let pruner = Pruner::new(burn_prune::Random::new(seed)).pattern(pattern());
        let pruner = pruner.allocation(Allocation::Rule(Arc::new(Grows)));
        let pruner = pruner.min_count(chance.below(4));
        pruner.masks(&Net::new(&Device::flex())).unwrap();
    });
}

#[test]
fn a_rule_is_known_by_its_identity_or_by_its_counts() {
    #[derive(Debug)]
    struct Each(usize, bool);
    impl AllocationRule for Each {
        fn counts(&self, shares: &Shares<'_>, _: Option<Target>) -> Result<Vec<usize>, PruneError> {
            Ok(vec![self.0; shares.len()])
        }
        fn identity(&self) -> Option<Identity> {
            self.1.then(|| Identity::new("each").with("count", self.0))
        }
    }
    let net = Net::new(&Device::flex());
    let of = |count, says| {
        let rule = Allocation::Rule(Arc::new(Each(count, says)));
        let pruner = Pruner::new(Magnitude::l1())
            .pattern(pattern())
            .allocation(rule);
        pruner.identity(&net).unwrap()["allocation"]["rule"].clone()
    };
    assert_eq!(of(2, true)["name"], "each");
    assert_eq!(of(2, true)["data"]["count"], 2);
    assert_eq!(of(2, false)["name"], "Each");
    assert_eq!(of(2, false), of(2, false));
    assert_ne!(of(2, false), of(1, false));
}
