//! Importances where they have nothing to rank by.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, Linear, LinearConfig};
use burn::tensor::{Device, Tensor, activation::relu};
use burn_prune_deploy::{ChannelPruner, DeployError, Graph, Importance};

use examples_shared::nets::convolutional::Mlp;
use examples_shared::nets::{conv, norm};

use crate::random::{example, randomised};

#[test]
fn a_graph_without_values_is_an_error_that_names_a_parameter() {
    let device = Device::flex();
    let model = Mlp::new(&[6, 8, 4, 3], &device);
    let graph = Graph::capture(&model, example([1, 6], &device), Mlp::forward).unwrap();
    let groups = graph.groups().unwrap();
    let json = serde_json::to_string(&graph).unwrap();
    let loaded: Graph = serde_json::from_str(&json).unwrap();
    let pruner = ChannelPruner::new(Importance::random(1)).fraction(0.5);
    let planned = pruner.select(&groups).unwrap().plan().graph;
    for graph in [loaded, planned] {
        let groups = graph.groups().unwrap();
        for importance in [Importance::l1(), Importance::l2()] {
            for pruner in [
                ChannelPruner::new(importance.clone()).fraction(0.5),
                ChannelPruner::new(importance.clone())
                    .fraction(0.5)
                    .global(),
                ChannelPruner::new(importance.clone()).multiply_adds(0.5),
                ChannelPruner::new(importance.clone()).group_fraction("layers.0.weight", 0.5),
            ] {
                let error = pruner.select(&groups).unwrap_err();
                let DeployError::NoValues { path } = &error else {
                    panic!("{error}")
                };
                assert_eq!(path, "layers.0.weight");
                assert!(error.to_string().contains("capture the model"), "{error}");
            }
            // Nothing is ranked.
            let nothing = ChannelPruner::new(importance).select(&groups).unwrap();
            assert!(nothing.masks().is_empty());
        }
        let chosen = ChannelPruner::new(Importance::random(1)).fraction(0.5);
        assert!(!chosen.select(&groups).unwrap().masks().is_empty());
    }
}

#[test]
fn a_loaded_graph_has_no_scales_either() {
    let device = Device::flex();
    let model = Mixed::new(&device);
    let graph = Graph::capture(&model, example([1, 3, 6, 6], &device), Mixed::forward).unwrap();
    let json = serde_json::to_string(&graph).unwrap();
    let graph: Graph = serde_json::from_str(&json).unwrap();
    let groups = graph.groups().unwrap();
    let pruner = ChannelPruner::new(Importance::batch_norm_scale());
    let pruner = pruner.group_fraction("with.weight", 0.5);
    let error = pruner.select(&groups).unwrap_err();
    assert!(matches!(error, DeployError::NoValues { .. }), "{error}");
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
fn only_groups_that_lose_units_need_a_norm() {
    let device = Device::flex();
    let model = Mixed::new(&device);
    let graph = Graph::capture(&model, example([1, 3, 6, 6], &device), Mixed::forward).unwrap();
    let groups = graph.groups().unwrap();
    let pruner = || ChannelPruner::new(Importance::batch_norm_scale());
    // A tenth of 10 units rounds to one, a twentieth to none.
    for pruner in [
        pruner().fraction(0.5).group_fraction("without.weight", 0.0),
        pruner()
            .fraction(0.5)
            .group_fraction("without.weight", 0.05),
        pruner().group_fraction("with.weight", 0.5),
        pruner()
            .fraction(0.5)
            .global()
            .group_fraction("without.weight", 0.0),
        pruner()
            .multiply_adds(0.4)
            .group_fraction("without.weight", 0.0),
    ] {
        let selection = pruner.select(&groups).unwrap();
        let kept = |group: usize| selection.kept()[group].iter().filter(|kept| **kept).count();
        assert!(kept(0) < 8, "{pruner:?}");
        assert_eq!(kept(1), 10, "{pruner:?}");
    }
    for pruner in [
        pruner().fraction(0.5),
        pruner().group_fraction("without.weight", 0.1),
        pruner().fraction(0.5).global(),
        pruner().parameters(0.2),
    ] {
        let error = pruner.select(&groups).unwrap_err();
        let DeployError::NoScale { group } = &error else {
            panic!("{error}")
        };
        assert_eq!(group, "without.weight");
        assert!(error.to_string().contains("group_fraction"), "{error}");
    }
}
