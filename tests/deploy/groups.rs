//! Which channels go together, and which never go.

use burn::module::{Module, Param};
use burn::nn::conv::Conv2d;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Int, Tensor};
use burn_prune::{Magnitude, Prunable, Pruner};
use burn_prune_deploy::{DeployError, Graph, Selection};

use examples_shared::nets::conv;
use examples_shared::nets::convolutional::Mlp;
use examples_shared::nets::others::Transformer;

use crate::common::{halved, select, values};
use crate::random::{assert_close, example, randomised};

#[test]
fn a_group_can_be_printed_and_pruned_by_hand() {
    let device = Device::flex();
    let model = Mlp::new(&[6, 4, 3], &device);
    let input = example([1, 6], &device);
    let graph = Graph::capture(&model, input.clone(), Mlp::forward).unwrap();
    let groups = graph.groups().unwrap();
    let text = groups.to_string();
    for line in [
        "layers.0.weight: 4 units",
        "  layers.0.weight, axis 1",
        "  layers.0.bias, axis 0",
        "  layers.1.weight, axis 0",
        "never cut: layers.0.weight, axis 0, 6 entries: an input of the model",
        "never cut: layers.1.bias, axis 0, 3 entries: an output of the model",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    let selection = Selection::new(&groups)
        .remove("layers.0.weight", [1, 3])
        .unwrap();
    let masks = selection.masks();
    let kept = |path: &str| masks.get(path).unwrap().iter().collect::<Vec<bool>>();
    assert_eq!(kept("layers.0.bias"), [true, false, true, false]);
    assert_eq!(
        kept("layers.0.weight"),
        [true, false, true, false].repeat(6)
    );
    let small = selection
        .plan()
        .shrink(&model, input, Mlp::forward)
        .unwrap();
    let before = values(model.layers[0].bias.as_ref().unwrap().val());
    let after = values(small.layers[0].bias.as_ref().unwrap().val());
    assert_eq!(after, [before[0], before[2]]);
    let all = Selection::new(&groups)
        .remove("layers.0.weight", 0..4)
        .unwrap_err();
    assert!(
        matches!(all, DeployError::EmptyGroup { units: 4, .. }),
        "{all}"
    );
    let unit = Selection::new(&groups)
        .remove("layers.0.weight", [4])
        .unwrap_err();
    assert!(
        matches!(unit, DeployError::UnknownUnit { found: 4, .. }),
        "{unit}"
    );
    let group = Selection::new(&groups)
        .remove("layers.9.weight", [0])
        .unwrap_err();
    assert!(
        group.to_string().contains("there are: layers.0.weight"),
        "{group}"
    );
}

/// Takes the largest channels by their numbers.
#[derive(Module, Debug)]
struct TopChannels {
    fc1: Linear,
    fc2: Linear,
}

#[test]
fn an_operation_that_is_not_understood_is_named_with_its_parameters() {
    let device = Device::flex();
    let model = TopChannels {
        fc1: LinearConfig::new(4, 8).init(&device),
        fc2: LinearConfig::new(3, 2).init(&device),
    };
    for is_activated in [false, true] {
        let forward = |model: &TopChannels, x: Tensor<2>| {
            let x = model.fc1.forward(x);
            let x = if is_activated { relu(x) } else { x };
            model.fc2.forward(x.topk(3, 1))
        };
        let graph = Graph::capture(&model, example([1, 4], &device), forward).unwrap();
        let error = graph.groups().unwrap_err();
        let DeployError::UnknownOperation { parameters, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(parameters, &["fc1.bias", "fc1.weight", "fc2.weight"]);
    }
}

#[test]
fn heads_of_burns_attention_are_never_cut_and_it_says_why() {
    let device = Device::flex();
    let model = Transformer::new(&device);
    let words = Tensor::<2, Int>::from_data([[1, 2, 3]], &device);
    let graph = Graph::capture(&model, words, Transformer::forward).unwrap();
    let groups = graph.groups().unwrap();
    let names: Vec<_> = groups
        .groups()
        .iter()
        .map(|group| group.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "encoder.layers.0.pwff.linear_inner.weight",
            "encoder.layers.1.pwff.linear_inner.weight"
        ]
    );
    let mut frozen = groups.frozen().iter();
    let query = frozen
        .find(|frozen| frozen.parameter == "encoder.layers.0.mha.query.weight")
        .unwrap();
    assert!(
        query.reason.contains("MultiHeadAttention"),
        "{}",
        query.reason
    );
}

/// Scores between channels that a sigmoid makes: one that is masked is 0.5, not 0.
#[derive(Module, Debug)]
struct Similarity {
    query: Linear,
    key: Linear,
}

#[test]
fn channels_that_two_activations_are_multiplied_over_are_never_cut() {
    let device = Device::flex();
    let linear = || LinearConfig::new(4, 6).init(&device);
    let model = Similarity {
        query: linear(),
        key: linear(),
    };
    let forward = |model: &Similarity, x: Tensor<2>| {
        let query = sigmoid(model.query.forward(x.clone()));
        let key = sigmoid(model.key.forward(x));
        query.matmul(key.transpose())
    };
    let graph = Graph::capture(&model, example([3, 4], &device), forward).unwrap();
    let groups = graph.groups().unwrap();
    assert_eq!(groups.groups().len(), 0);
    let mut frozen = groups.frozen().iter();
    let query = frozen.find(|frozen| frozen.parameter == "query.weight" && frozen.axis == 1);
    assert_eq!(
        query.unwrap().reason,
        "a product of two activations needs all of it"
    );
}

#[test]
fn an_operation_that_is_not_understood_may_see_what_is_never_cut() {
    let device = Device::flex();
    let model = TopChannels {
        fc1: LinearConfig::new(4, 8).init(&device),
        fc2: LinearConfig::new(8, 3).init(&device),
    };
    let model = randomised(model, 6);
    let input = example([2, 4], &device);
    fn of_the_input(model: &TopChannels, x: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let best = x.clone().topk(3, 1).topk(2, 1);
        (model.fc2.forward(relu(model.fc1.forward(x))), best)
    }
    fn of_the_output(model: &TopChannels, x: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let y = model.fc2.forward(relu(model.fc1.forward(x)));
        (y.clone(), y.topk(2, 1))
    }
    fn before_the_layers(model: &TopChannels, x: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let x = model.fc1.forward(x.topk(4, 1));
        let y = model.fc2.forward(relu(x));
        (y.clone(), y)
    }
    for forward in [of_the_input, of_the_output, before_the_layers] {
        let graph = Graph::capture(&model, input.clone(), forward).unwrap();
        let groups = graph.groups().unwrap();
        let plan = halved(&model, &groups);
        let small = plan.shrink(&model, input.clone(), forward).unwrap();
        assert_eq!(small.fc1.weight.dims(), [4, 4]);
    }
}

/// Channels that a sigmoid makes are read by one row of weights for all.
#[derive(Module, Debug)]
struct Repeated {
    fc: Linear,
    weight: Param<Tensor<2>>,
}

#[test]
fn channels_that_a_repeated_weight_reads_are_never_cut() {
    let device = Device::flex();
    let model = Repeated {
        fc: LinearConfig::new(4, 6).init(&device),
        weight: Param::from_tensor(example([1, 3], &device)),
    };
    let forward = |model: &Repeated, x: Tensor<2>| {
        sigmoid(model.fc.forward(x)).matmul(model.weight.val().expand([6, 3]))
    };
    let graph = Graph::capture(&model, example([2, 4], &device), forward).unwrap();
    let groups = graph.groups().unwrap();
    assert_eq!(groups.groups().len(), 0);
    let mut frozen = groups.frozen().iter();
    let weight = frozen.find(|frozen| frozen.parameter == "fc.weight" && frozen.axis == 1);
    assert_eq!(
        weight.unwrap().reason,
        "a product with a repeated weight needs all of it"
    );
}

/// Two convolutions have their weights in one parameter.
#[derive(Module, Debug)]
struct Halves {
    first: Conv2d,
    weight: Param<Tensor<4>>,
    last: Conv2d,
}

#[test]
fn channels_are_followed_through_parts_of_a_weight() {
    let device = Device::flex();
    let model = Halves {
        first: conv([3, 6], 3, 1, &device),
        weight: Param::from_tensor(Tensor::zeros([8, 6, 3, 3], &device)),
        last: conv([4, 2], 3, 1, &device),
    };
    let model = randomised(model, 8);
    let input = example([2, 3, 8, 8], &device);
    let forward = |model: &Halves, x: Tensor<4>| {
        let x = relu(model.first.forward(x));
        let options = || ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
        let halves = model.weight.val().chunk(2, 0).into_iter();
        let mut halves = halves.map(|weight| conv2d(x.clone(), weight, None, options()));
        let (a, b) = (halves.next().unwrap(), halves.next().unwrap());
        model.last.forward(relu(a) + sigmoid(b))
    };
    let graph = Graph::capture(&model, input.clone(), forward).unwrap();
    let groups = graph.groups().unwrap();
    let selection = select(Pruner::new(Magnitude::l1()).amount(0.5), &model, &groups);
    let masked = model.with_masks(&selection.masks()).unwrap();
    let small = selection.plan();
    let small = small.shrink(&masked, input.clone(), forward).unwrap();
    assert_eq!(small.weight.dims(), [4, 3, 3, 3]);
    assert_close(&forward(&small, input.clone()), &forward(&masked, input));
}
