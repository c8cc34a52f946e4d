//! What pruners rank by, and groups where there is nothing to rank by.

use burn::module::{Module, ParamGroup};
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, Linear, LinearConfig};
use burn::tensor::{Device, Tensor, activation::relu};
use burn_prune::{Allocation, Magnitude, NormScale, PruneError, Pruner, Random};
use burn_prune_deploy::Graph;

use examples_shared::nets::convolutional::Mlp;
use examples_shared::nets::{conv, norm};

use crate::common::select;
use crate::random::{example, randomised};

#[test]
fn groups_of_a_graph_without_values_prune_the_same() {
    let device = Device::flex();
    let model = Mlp::new(&[6, 8, 4, 3], &device);
    let input = example([1, 6], &device);
    let graph = Graph::capture(&model, input.clone(), Mlp::forward).unwrap();
    let json = serde_json::to_string(&graph).unwrap();
    let loaded: Graph = serde_json::from_str(&json).unwrap();
    assert!(graph.values().is_some());
    assert!(loaded.values().is_none());
    let pruner = |groups: &burn_prune_deploy::Groups| {
        [
            Pruner::new(Magnitude::l2()).amount(0.5),
            Pruner::new(Random::new(1)).amount(0.5),
            Pruner::new(Magnitude::l1()).allocation(groups.multiply_adds(0.5)),
        ]
    };
    let [groups, again] = [&graph, &loaded].map(|graph| graph.groups().unwrap());
    assert_eq!(groups.pattern(), again.pattern());
    for (here, there) in pruner(&groups).into_iter().zip(pruner(&again)) {
        let selection = select(here, &model, &groups);
        assert!(!selection.masks().is_empty());
        assert_eq!(select(there, &model, &again).masks(), selection.masks());
    }
    // The graph of a plan prunes the small model further.
    let plan = select(Pruner::new(Magnitude::l2()).amount(0.5), &model, &groups).plan();
    let small = plan.shrink(&model, input, Mlp::forward).unwrap();
    assert!(plan.graph.values().is_none());
    let groups = plan.graph.groups().unwrap();
    let selection = select(Pruner::new(Magnitude::l2()).amount(0.5), &small, &groups);
    let left: Vec<usize> = selection.kept().iter().map(|kept| left(kept)).collect();
    assert_eq!(left, [2, 1]);
}

fn left(kept: &[bool]) -> usize {
    kept.iter().filter(|kept| **kept).count()
}

/// One group with a norm, one without.
#[derive(Module, Debug)]
struct Mixed {
    with: Conv2d,
    norm: BatchNorm,
    without: Linear,
    head: Linear,
}

impl Mixed {
    fn new(device: &Device) -> Self {
        let model = Self {
            with: conv([3, 8], 3, 1, device),
            norm: norm(8, device),
            without: LinearConfig::new(8, 10).init(device),
            head: LinearConfig::new(10, 2).init(device),
        };
        randomised(model, 4)
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.norm.forward(self.with.forward(x)));
        let x = x.mean_dim(3).mean_dim(2).flatten(1, 3);
        self.head.forward(relu(self.without.forward(x)))
    }
}

#[test]
fn groups_without_a_norm_are_left_alone_when_they_are_excluded() {
    let device = Device::flex();
    let model = Mixed::new(&device);
    let graph = Graph::capture(&model, example([1, 3, 6, 6], &device), Mixed::forward).unwrap();
    let groups = graph.groups().unwrap();
    let pruner = || Pruner::new(NormScale).pattern(groups.pattern());
    // Its weight also reads the channels of the other group.
    let rest = || ParamGroup::from_path("without.bias");
    for pruner in [
        pruner().amount(0.5).exclude(rest()),
        pruner()
            .amount(0.5)
            .only(ParamGroup::from_path("norm.gamma")),
        pruner()
            .amount(0.5)
            .allocation(Allocation::Global)
            .exclude(rest()),
        pruner()
            .allocation(groups.multiply_adds(0.4))
            .exclude(rest()),
    ] {
        let selection = select(pruner.clone(), &model, &groups);
        assert!(left(&selection.kept()[0]) < 8, "{pruner:?}");
        assert_eq!(left(&selection.kept()[1]), 10, "{pruner:?}");
    }
    for pruner in [
        pruner().amount(0.5),
        pruner().amount(0.5).allocation(Allocation::Global),
        pruner().allocation(groups.parameters(0.2)),
    ] {
        let error = pruner.masks(&model).unwrap_err();
        let PruneError::Criterion { path, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(path, "without.weight");
        assert!(error.to_string().contains("exclude"), "{error}");
    }
}
