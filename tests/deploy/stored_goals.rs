//! Allocations that need a graph, in a file.

use burn::tensor::Device;
use burn_prune::{Allocation, Magnitude, Pruner};
use burn_prune_deploy::{Graph, Groups};

use examples_shared::nets::convolutional::Mlp;

use crate::random::example;

fn mlp(device: &Device) -> (Mlp, Groups) {
    let model = Mlp::new(&[6, 16, 8, 3], device);
    let graph = Graph::capture(&model, example([1, 6], device), Mlp::forward).unwrap();
    let groups = graph.groups().unwrap();
    (model, groups)
}

#[test]
fn a_goal_is_stored_and_takes_only_itself_again() {
    let (model, groups) = mlp(&Device::flex());
    let goals = [
        groups.multiply_adds(0.5),
        groups.multiply_adds(0.4),
        groups.multiply_adds_with(0.5, Allocation::Global),
        groups.parameters(0.5),
        groups.multiple_of(4, groups.parameters(0.5)),
        groups.multiple_of(2, groups.parameters(0.5)),
    ];
    let pruner = |goal: &Allocation| {
        Pruner::new(Magnitude::l2())
            .pattern(groups.pattern())
            .allocation(goal.clone())
    };
    for (number, goal) in goals.iter().enumerate() {
        let json = serde_json::to_string(&pruner(goal)).unwrap();
        let read: Pruner = serde_json::from_str(&json).unwrap();
        let not_given = read.masks(&model).unwrap_err().to_string();
        assert!(not_given.contains("give_allocation"), "{not_given}");
        for (other, wrong) in goals.iter().enumerate().filter(|(n, _)| *n != number) {
            let refused = read.clone().give_allocation(wrong.clone());
            assert!(refused.is_err(), "{number} takes {other}");
        }
        let given = read.give_allocation(goal.clone()).unwrap();
        let expected = pruner(goal);
        assert_eq!(
            given.masks(&model).unwrap(),
            expected.masks(&model).unwrap()
        );
        let identities = [&given, &expected].map(|pruner| pruner.identity(&model).unwrap());
        assert_eq!(identities[0], identities[1]);
    }
}

#[test]
fn multiples_of_an_amount_are_stored_too() {
    let (model, groups) = mlp(&Device::flex());
    let multiples = groups.multiple_of(4, Allocation::Uniform);
    let pruner = Pruner::new(Magnitude::l2())
        .pattern(groups.pattern())
        .allocation(multiples.clone())
        .amount(0.3);
    let json = serde_json::to_string(&pruner).unwrap();
    let read: Pruner = serde_json::from_str(&json).unwrap();
    let given = read.give_allocation(multiples).unwrap();
    assert_eq!(given.masks(&model).unwrap(), pruner.masks(&model).unwrap());
    // 0.3 of 16 and of 8 units are 5 and 2: 11 and 6 would stay, and 12 and 8 do.
    let masks = pruner.masks(&model).unwrap();
    assert_eq!(masks.get("layers.0.bias").unwrap().kept(), 12);
    assert_eq!(masks.get("layers.1.bias").unwrap().kept(), 8);
}
