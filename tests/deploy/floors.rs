//! Floors and multiples, also those that no group has.

use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, activation::relu};
use burn_prune::{Allocation, Magnitude, PruneError, Pruner};
use burn_prune_deploy::{Graph, Selection};
use proptest::prelude::*;

use examples_shared::nets::convolutional::Mlp;

use crate::common::{cases, select};
use crate::random::{example, randomised};

fn model(width: usize) -> (Mlp, Graph) {
    let device = Device::flex();
    let model = randomised(Mlp::new(&[6, width, 2 * width, 3], &device), 2);
    let graph = Graph::capture(&model, example([1, 6], &device), Mlp::forward).unwrap();
    (model, graph)
}

/// Small and very large ones.
fn number() -> impl Strategy<Value = usize> {
    prop_oneof![
        1usize..20,
        (0usize..3).prop_map(|less| usize::MAX - less),
        (1usize..64).prop_map(|shift| 1 << shift),
    ]
}

/// How many of these units a fraction takes: never the last one only by rounding.
fn asked(units: usize, groups: usize, fraction: f64) -> usize {
    let exact = units as f64 * fraction;
    let most = units - groups;
    let count = exact.round_ties_even() as usize;
    if count > most && exact < most as f64 + 1.0 {
        most
    } else {
        count
    }
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn no_floor_or_multiple_is_too_large(
        width in 2usize..20,
        fraction in 0.0..=1.0f64,
        floor in number(),
        multiple in number(),
        is_global in any::<bool>(),
    ) {
        let (model, graph) = model(width);
        let groups = graph.groups().unwrap();
        let allocation = if is_global { Allocation::Global } else { Allocation::Uniform };
        let pruner = Pruner::new(Magnitude::l2()).pattern(groups.pattern());
        let pruner = pruner.amount(fraction).min_count(floor);
        let masks = pruner.allocation(groups.multiple_of(multiple, allocation)).masks(&model);
        let sizes = [width, 2 * width];
        let removable = |units: usize| units - floor.clamp(1, units);
        let is_possible = if is_global {
            let most = sizes.map(removable).iter().sum();
            asked(3 * width, 2, fraction) <= most
        } else {
            sizes.iter().all(|units| {
                let asked = asked(*units, 1, fraction);
                asked == 0 || asked <= removable(*units)
            })
        };
        let masks = match masks {
            Ok(masks) => masks,
            Err(error) => {
                let is_floor = matches!(error, PruneError::FloorContradictsAmount { .. });
                prop_assert!(is_floor && !is_possible, "{}", error);
                return Ok(());
            }
        };
        prop_assert!(is_possible || asked(3 * width, 2, fraction) == 0);
        let selection = Selection::from_masks(&groups, &masks).unwrap();
        for (units, kept) in sizes.iter().zip(selection.kept()) {
            let kept = kept.iter().filter(|kept| **kept).count();
            prop_assert!(kept >= floor.clamp(1, *units));
            prop_assert!(kept == *units || kept.is_multiple_of(multiple));
            if !is_global {
                let left = units - asked(*units, 1, fraction);
                let expected = left.checked_next_multiple_of(multiple);
                prop_assert_eq!(kept, expected.map_or(*units, |kept| kept.min(*units)));
            }
        }
    }
}

#[test]
fn a_floor_that_holds_back_is_told() {
    let (model, graph) = model(10);
    let groups = graph.groups().unwrap();
    let pruner = || Pruner::new(Magnitude::l1()).pattern(groups.pattern());
    let refused = pruner().amount(0.9).min_count(8).masks(&model).unwrap_err();
    let expected = PruneError::FloorContradictsAmount {
        parameter: "layers.0.weight".to_string(),
        requested: 9,
        floor: 8,
        available: 2,
    };
    assert_eq!(refused, expected);
    let enough = select(pruner().amount(0.2).min_count(8), &model, &groups);
    let left = |selection: &Selection| {
        let kept = selection.kept().iter();
        let left = kept.map(|kept| kept.iter().filter(|kept| **kept).count());
        left.collect::<Vec<_>>()
    };
    assert_eq!(left(&enough), [8, 16]);
    // There is no multiple of 32 below 10 and 20 but 0.
    let whole = pruner().amount(0.5);
    let whole = whole.allocation(groups.multiple_of(32, Allocation::Uniform));
    assert_eq!(left(&select(whole, &model, &groups)), [10, 20]);
}

#[test]
fn a_goal_that_whole_units_reach_exactly_removes_no_more() {
    let device = Device::flex();
    for units in [3, 7, 10, 13, 32, 49, 100] {
        let linear = |sizes: [usize; 2]| {
            let linear = LinearConfig::new(sizes[0], sizes[1]).with_bias(false);
            linear.init(&device)
        };
        let model: Vec<Linear> = vec![linear([2, units]), linear([units, 3])];
        let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
        let graph = Graph::capture(&model, example([1, 2], &device), forward).unwrap();
        let groups = graph.groups().unwrap();
        for gone in 1..units {
            let fraction = gone as f64 / units as f64;
            for goal in [groups.multiply_adds(fraction), groups.parameters(fraction)] {
                let pruner = Pruner::new(Magnitude::l2()).pattern(groups.pattern());
                let masks = pruner.allocation(goal).masks(&model).unwrap();
                let selection = Selection::from_masks(&groups, &masks).unwrap();
                let kept = selection.kept()[0].iter().filter(|kept| **kept).count();
                assert_eq!(units - kept, gone, "{gone} of {units}");
            }
        }
    }
}
