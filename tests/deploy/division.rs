//! What is divided by, which masks must not make 0.

use burn::module::{Module, Param, RunningState};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, activation::gelu};
use burn_prune::{Magnitude, Prunable, Pruner};
use burn_prune_deploy::{Graph, Selection};

use crate::common::select;
use crate::random::{assert_close, example, randomised};

#[derive(Module, Debug)]
struct Net {
    first: Linear,
    last: Linear,
    scale: Param<Tensor<1>>,
    mean: RunningState<Tensor<1>>,
    variance: RunningState<Tensor<1>>,
}

fn net(device: &Device) -> Net {
    let model = Net {
        first: LinearConfig::new(4, 8).init(device),
        last: LinearConfig::new(8, 3).init(device),
        scale: Param::from_tensor(Tensor::ones([8], device)),
        mean: RunningState::new(Tensor::zeros([8], device)),
        variance: RunningState::new(Tensor::ones([8], device)),
    };
    let mut model = randomised(model, 4);
    model.scale = model.scale.map(|scale| scale.abs() + 0.5);
    model.variance = RunningState::new(Tensor::ones([8], device) * 0.7);
    model
}

/// Half of the eight channels go, and nothing changes.
fn halves(forward: impl Fn(&Net, Tensor<2>) -> Tensor<2> + Copy) {
    let device = Device::flex();
    let model = net(&device);
    let input = example([5, 4], &device);
    let graph = Graph::capture(&model, input.clone(), forward).unwrap();
    let groups = graph.groups().unwrap();
    let selection = select(Pruner::new(Magnitude::l1()).amount(0.5), &model, &groups);
    let masked = model.with_masks(&selection.masks()).unwrap();
    let small = selection
        .plan()
        .shrink(&masked, input.clone(), forward)
        .unwrap();
    assert_eq!(small.first.weight.dims(), [4, 4]);
    assert_eq!(small.scale.dims(), [4]);
    assert_close(&forward(&small, input.clone()), &forward(&masked, input));
    // What is gone once stays gone.
    let graph = Graph::capture(&masked, example([5, 4], &device), forward).unwrap();
    let groups = graph.groups().unwrap();
    let again = Selection::from_masks(&groups, &masked.masks()).unwrap();
    assert_eq!(again.kept(), selection.kept());
}

#[test]
fn a_parameter_that_divides_is_cut_but_not_masked() {
    halves(|model, x| {
        let x = model.first.forward(x) / model.scale.val().unsqueeze();
        model.last.forward(gelu(x))
    });
    halves(|model, x| {
        let x = model.first.forward(x) * model.scale.val().recip().unsqueeze();
        model.last.forward(gelu(x))
    });
}

#[test]
fn what_is_a_number_behind_a_mask_may_divide() {
    halves(|model, x| {
        let x = model.first.forward(x);
        let gate = (-(x.clone() * model.scale.val().unsqueeze())).exp() + 1.0;
        model.last.forward(x / gate)
    });
}

#[test]
fn statistics_of_a_norm_of_ones_own_are_not_masked() {
    halves(|model, x| {
        let mean = model.mean.value().unsqueeze();
        let deviation = (model.variance.value() + 1e-5).sqrt().unsqueeze();
        let x = (model.first.forward(x) - mean) / deviation;
        model.last.forward(x * model.scale.val().unsqueeze())
    });
}

#[test]
fn channels_that_masks_would_divide_by_zero_stay() {
    let device = Device::flex();
    let input = example([5, 4], &device);
    // Normalised weights: that of a masked channel would be 0 / 0.
    let normalised = |model: &Net, x: Tensor<2>| {
        let weight = model.first.weight.val();
        let norm = weight.clone().square().sum_dim(0).sqrt();
        let x = x.matmul(weight / norm * model.scale.val().unsqueeze());
        model.last.forward(x)
    };
    let activation = |model: &Net, x: Tensor<2>| {
        let x = model.first.forward(x);
        model.last.forward(x.clone() / x)
    };
    let model = net(&device);
    for graph in [
        Graph::capture(&model, input.clone(), normalised).unwrap(),
        Graph::capture(&model, input, activation).unwrap(),
    ] {
        let groups = graph.groups().unwrap();
        assert!(groups.groups().is_empty(), "{groups}");
        let mut frozen = groups.frozen().iter();
        assert!(frozen.any(
            |frozen| frozen.reason.contains("product of two activations")
                || frozen.reason.contains("`div`, need not be a finite number")
        ));
    }
}
