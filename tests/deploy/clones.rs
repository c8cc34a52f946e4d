//! Layers that began as clones have one parameter id, and perhaps other values by now.

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::nn::{Linear, LinearConfig};
use burn::optim::AdamConfig;
use burn::tensor::{Device, Tensor, activation::relu};
use burn_prune::{Magnitude, Prunable, Pruner};
use burn_prune_deploy::{DeployError, Graph, Selection};
use proptest::prelude::*;

use crate::common::{cases, select, values};
use crate::random::{assert_close, example, randomised};

/// Square layers in a row, all of them clones of the first.
#[derive(Module, Debug)]
struct Chain {
    layers: Vec<Linear>,
}

impl Chain {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let (last, layers) = self.layers.split_last().unwrap();
        let layers = layers.iter();
        last.forward(layers.fold(x, |x, layer| relu(layer.forward(x))))
    }
}

/// Clones with values of their own, and the ids that they had.
fn trained_apart(count: usize, size: usize, device: &Device) -> Chain {
    let first = LinearConfig::new(size, size).init(device);
    let model = randomised(
        Chain {
            layers: vec![first.clone(); count],
        },
        3,
    );
    assert!(
        model
            .layers
            .iter()
            .all(|layer| layer.weight.id == first.weight.id)
    );
    model
}

fn fresh_ids(mut model: Chain) -> Chain {
    for layer in &mut model.layers {
        layer.weight = Param::from_tensor(layer.weight.val());
        layer.bias = layer.bias.take().map(|bias| Param::from_tensor(bias.val()));
    }
    model
}

proptest! {
    #![proptest_config(cases(32))]

    /// As if they had never been clones.
    #[test]
    fn clones_that_were_trained_apart_are_layers_of_their_own(
        count in 2usize..5,
        size in 2usize..9,
        batch in 1usize..4,
    ) {
        let device = Device::flex();
        let model = trained_apart(count, size, &device);
        let input = example([batch, size], &device);
        let graph = Graph::capture(&model, input.clone(), Chain::forward).unwrap();
        let other = fresh_ids(model.clone());
        let other = Graph::capture(&other, input.clone(), Chain::forward).unwrap();
        prop_assert_eq!(&graph, &other);
        let groups = graph.groups().unwrap();
        prop_assert_eq!(groups.groups().len(), count - 1);
        let selection = select(Pruner::new(Magnitude::l2()).amount(0.5), &model, &groups);
        prop_assert!(!selection.masks().is_empty());
        let small = selection.plan().shrink(&model, input.clone(), Chain::forward).unwrap();
        let half = (size as f64 / 2.0).round_ties_even() as usize;
        prop_assert_eq!(small.layers[0].weight.dims(), [size, size - half]);
        let masked = model.with_masks(&selection.masks()).unwrap();
        assert_close(&small.forward(input.clone()), &masked.forward(input));
    }
}

#[test]
fn clones_that_are_still_equal_are_one_parameter() {
    let device = Device::flex();
    let first = LinearConfig::new(4, 4).init(&device);
    let model = Chain {
        layers: vec![first; 3],
    };
    let graph = Graph::capture(&model, example([2, 4], &device), Chain::forward).unwrap();
    assert_eq!(graph.parameters().len(), 2);
    let groups = graph.groups().unwrap();
    // Its output is its input.
    assert!(groups.groups().is_empty());
    let mut frozen = groups.frozen().iter();
    assert!(frozen.any(|frozen| frozen.reason.contains("of the model")));
}

/// Moves the first weight that has been seen before, as Burn's optimizers do: not its copies.
struct MovesOne {
    id: ParamId,
    is_done: bool,
}

impl ModuleMapper for MovesOne {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if param.id != self.id || self.is_done {
            return param;
        }
        self.is_done = true;
        param.map(|weight| weight * 1.5)
    }
}

#[test]
fn what_has_one_mask_is_one_parameter_though_its_copies_differ() {
    let device = Device::flex();
    let linear = |sizes: [usize; 2]| LinearConfig::new(sizes[0], sizes[1]).init(&device);
    let tied = linear([6, 6]);
    let model = Chain {
        layers: vec![linear([4, 6]), tied.clone(), tied.clone(), linear([6, 2])],
    };
    let input = example([2, 4], &device);
    let capture = |model: &Chain| Graph::capture(model, input.clone(), Chain::forward).unwrap();
    let graph = capture(&model);
    let groups = graph.groups().unwrap();
    let selection = select(Pruner::new(Magnitude::l2()).amount(0.5), &model, &groups);
    let masked = model.clone().with_masks(&selection.masks()).unwrap();
    let moved = |model: Chain| {
        model.map(&mut MovesOne {
            id: tied.weight.id,
            is_done: false,
        })
    };
    // Without masks, they are now two.
    let apart = capture(&moved(model));
    assert_eq!(apart.parameters().len(), graph.parameters().len() + 1);
    let masked = moved(masked);
    let [a, b] = [1, 2].map(|layer: usize| values(masked.layers[layer].weight.val()));
    assert_ne!(a, b);
    let again = capture(&masked);
    assert_eq!(again.groups().unwrap().groups(), groups.groups());
    let plan = selection.plan();
    let small = plan.shrink(&masked, input.clone(), Chain::forward).unwrap();
    for layer in [1, 2] {
        assert_eq!(small.layers[layer].weight.dims(), [3, 3]);
    }
    assert_close(&small.forward(input.clone()), &masked.forward(input));
}

#[test]
fn an_optimizer_that_cannot_tell_clones_apart_is_not_cut() {
    let device = Device::flex();
    let model = trained_apart(3, 6, &device);
    let input = example([2, 6], &device);
    let graph = Graph::capture(&model, input, Chain::forward).unwrap();
    let groups = graph.groups().unwrap();
    let plan = |first: [usize; 2], second: [usize; 2]| {
        let selection = Selection::new(&groups).remove("layers.0.weight", first);
        let selection = selection.unwrap().remove("layers.1.weight", second);
        selection.unwrap().plan()
    };
    let optimizer = AdamConfig::new().init();
    // Also where only one of them is cut along an axis.
    let selection = Selection::new(&groups).remove("layers.0.weight", [0, 1]);
    let one = selection.unwrap().plan();
    let error = one.shrink_optimizer(&optimizer, &model).err().unwrap();
    assert!(matches!(error, DeployError::SharedId { .. }), "{error}");
    let error = plan([0, 1], [2, 3]).shrink_optimizer(&optimizer, &model);
    let error = error.err().unwrap();
    assert!(matches!(error, DeployError::SharedId { .. }), "{error}");
    for part in ["`layers.1.", "`layers.0.", "one parameter id"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}
