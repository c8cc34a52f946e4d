//! Floors and multiples, also those that no group has.

use burn::tensor::Device;
use burn_prune_deploy::{ChannelPruner, Graph, Importance};
use proptest::prelude::*;

use examples_shared::nets::convolutional::Mlp;

use crate::common::cases;
use crate::random::{example, randomised};

fn graph(width: usize) -> Graph {
    let device = Device::flex();
    let model = randomised(Mlp::new(&[6, width, 2 * width, 3], &device), 2);
    Graph::capture(&model, example([1, 6], &device), Mlp::forward).unwrap()
}

/// Small and very large ones.
fn number() -> impl Strategy<Value = usize> {
    prop_oneof![
        1usize..20,
        (0usize..3).prop_map(|less| usize::MAX - less),
        (1usize..64).prop_map(|shift| 1 << shift),
    ]
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn no_floor_or_multiple_is_too_large(
        width in 1usize..20,
        fraction in 0.0..=1.0f64,
        floor in number(),
        multiple in number(),
        is_global in any::<bool>(),
    ) {
        let graph = graph(width);
        let groups = graph.groups().unwrap();
        let pruner = ChannelPruner::new(Importance::l2()).fraction(fraction);
        let pruner = pruner.floor(floor).multiple_of(multiple);
        let pruner = if is_global { pruner.global() } else { pruner };
        let selection = pruner.select(&groups).unwrap();
        let (mut units, mut removed, mut asked) = (0, 0, 0);
        for (group, kept) in groups.groups().iter().zip(selection.kept()) {
            let all = group.units.len();
            let kept = kept.iter().filter(|kept| **kept).count();
            prop_assert!(kept >= floor.min(all));
            prop_assert!(kept == all || kept.is_multiple_of(multiple));
            let asked_here = (all as f64 * fraction).round_ties_even() as usize;
            units += all;
            removed += all - kept;
            asked += asked_here;
            // What was asked for is done, or said.
            let name = Some(group.name.as_str());
            let mut told = selection.shortfalls().iter();
            let told = told.find(|shortfall| shortfall.group.as_deref() == name);
            prop_assert_eq!(told.is_some(), !is_global && all - kept < asked_here);
            if let Some(told) = told {
                prop_assert_eq!((told.asked, told.removed), (asked_here, all - kept));
            }
        }
        if is_global {
            asked = (units as f64 * fraction).round_ties_even() as usize;
            prop_assert_eq!(selection.shortfalls().is_empty(), removed >= asked);
        }
        prop_assert!(removed >= asked || !selection.shortfalls().is_empty());
    }
}

#[test]
fn a_floor_that_holds_back_is_told() {
    let graph = graph(10);
    let groups = graph.groups().unwrap();
    let pruner = ChannelPruner::new(Importance::l1()).fraction(0.9).floor(8);
    let selection = pruner.select(&groups).unwrap();
    let told: Vec<String> = selection
        .shortfalls()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        told,
        [
            "group `layers.0.weight` loses 2 units instead of 9, because of a floor of 8",
            "group `layers.1.weight` loses 12 units instead of 18, because of a floor of 8"
        ]
    );
    let enough = ChannelPruner::new(Importance::l1()).fraction(0.2).floor(8);
    assert!(enough.select(&groups).unwrap().shortfalls().is_empty());
    let whole = ChannelPruner::new(Importance::l1())
        .fraction(0.5)
        .multiple_of(32);
    let told = whole.select(&groups).unwrap().shortfalls()[0].to_string();
    assert!(told.ends_with("a floor of 1 and multiples of 32"), "{told}");
}
