use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{AdaptiveAvgPool2dConfig, MaxPool2dConfig};
use burn::nn::{BatchNorm, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::{gelu, relu};
use burn::tensor::{Tensor, TensorData};

use super::{conv, device, kinds, lowered, norm, product};
use crate::plan::program::Program;

/// The layer without some of its outputs.
fn without_outputs(mut conv: Conv2d, outputs: &[usize]) -> Conv2d {
    conv.weight = conv.weight.map(|weight| masked(weight, outputs, 0));
    conv
}

fn without_features(mut linear: Linear, outputs: &[usize]) -> Linear {
    linear.weight = linear.weight.map(|weight| masked(weight, outputs, 1));
    linear
}

fn masked<const D: usize>(weight: Tensor<D>, entries: &[usize], axis: usize) -> Tensor<D> {
    let size = weight.dims()[axis];
    let kept = |at: usize| if entries.contains(&at) { 0.0f32 } else { 1.0 };
    let mask: Vec<f32> = (0..size).map(kept).collect();
    let mut shape = [1; D];
    shape[axis] = size;
    let mask = Tensor::<1>::from_data(TensorData::new(mask, [size]), &device());
    weight * mask.reshape(shape)
}

fn linear(inputs: usize, outputs: usize) -> Linear {
    LinearConfig::new(inputs, outputs).init(&device())
}

/// Rows and columns of its products.
fn sizes(program: &Program) -> Vec<[usize; 2]> {
    let products = (0..program.nodes.len()).filter(|at| kinds(program)[*at] == "product");
    let sizes = products.map(|at| {
        let weight = &product(program, at).weight;
        assert_eq!(weight.values.len(), weight.rows * weight.columns);
        [weight.rows, weight.columns]
    });
    sizes.collect()
}

#[test]
fn rows_of_zeros_go_with_the_columns_that_read_them() {
    // Their biases are not 0: they go into the next layer.
    let model = (without_features(linear(6, 8), &[1, 4, 7]), linear(8, 3));
    let program = lowered(&model, [2, 6], |model: &(Linear, Linear), x: Tensor<2>| {
        model.1.forward(gelu(model.0.forward(x)))
    });
    assert_eq!(sizes(&program), [[5, 6], [3, 5]]);
    // Features of three axes as well.
    let program = lowered(
        &model,
        [2, 3, 6],
        |model: &(Linear, Linear), x: Tensor<3>| model.1.forward(gelu(model.0.forward(x))),
    );
    assert_eq!(sizes(&program), [[5, 6], [3, 5]]);
}

#[test]
fn outputs_and_inputs_keep_their_shapes() {
    let model = without_features(linear(6, 8), &[1, 4, 7]);
    let program = lowered(&model, [2, 6], |model: &Linear, x: Tensor<2>| {
        model.forward(x)
    });
    assert_eq!(sizes(&program), [[8, 6]]);
}

#[test]
fn a_constant_behind_padding_stays_unless_it_is_zero() {
    type Model = (Conv2d, BatchNorm, Conv2d);
    let first = || without_outputs(conv([3, 5], 1, 0), &[0, 3]);
    let forward =
        |model: &Model, x: Tensor<4>| model.2.forward(relu(model.1.forward(model.0.forward(x))));
    let mut shifted = norm(5);
    // Positive in channel 0, negative in channel 3, whatever the convolution makes.
    let beta = TensorData::from([9.0f32, 0.1, 0.1, -9.0, 0.1]);
    shifted.beta = shifted.beta.map(|_| Tensor::from_data(beta, &device()));
    let padded: Model = (first(), shifted.clone(), conv([5, 2], 3, 1));
    let program = lowered(&padded, [1, 3, 4, 4], forward);
    assert_eq!(sizes(&program), [[4, 3], [2, 36]]);
    let plain: Model = (first(), shifted, conv([5, 2], 3, 0));
    let program = lowered(&plain, [1, 3, 4, 4], forward);
    assert_eq!(sizes(&program), [[3, 3], [2, 27]]);
}

#[test]
fn channels_go_through_pools_and_flattening() {
    let model = (without_outputs(conv([2, 4], 3, 1), &[2]), linear(16, 3));
    let program = lowered(
        &model,
        [1, 2, 4, 4],
        |model: &(Conv2d, Linear), x: Tensor<4>| {
            let pool = MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init();
            let x = pool.forward(relu(model.0.forward(x)));
            model.1.forward(x.flatten::<2>(1, 3))
        },
    );
    assert_eq!(sizes(&program), [[3, 18], [3, 12]]);
}

#[test]
fn channels_go_through_averages_and_gates() {
    type Model = (Conv2d, Conv2d, Linear);
    let model: Model = (
        without_outputs(conv([2, 4], 1, 0), &[1]),
        conv([4, 4], 1, 0),
        linear(4, 3),
    );
    let program = lowered(&model, [1, 2, 4, 4], |model: &Model, x: Tensor<4>| {
        let x = relu(model.0.forward(x));
        let average = AdaptiveAvgPool2dConfig::new([1, 1]).init();
        let gate = model.1.forward(average.forward(x.clone()));
        let x: Tensor<2> = average.forward(x * gate).flatten(1, 3);
        model.2.forward(x)
    });
    // The constant of the channel is 0 or not, as its bias is.
    let found = sizes(&program);
    let bias = model.0.bias.as_ref().unwrap().val().into_data();
    let is_zero = bias.as_slice::<f32>().unwrap()[1] <= 0.0;
    let expected = if is_zero {
        [[3, 2], [3, 3], [3, 3]]
    } else {
        [[4, 2], [4, 4], [3, 4]]
    };
    assert_eq!(found, expected);
}

#[test]
fn depthwise_convolutions_lose_groups() {
    type Model = (Conv2d, Conv2d, Conv2d);
    let depthwise = Conv2dConfig::new([6, 6], [3, 3])
        .with_groups(6)
        .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
        .init(&device());
    let model: Model = (
        conv([3, 6], 1, 0),
        without_outputs(depthwise, &[0, 5]),
        conv([6, 4], 1, 0),
    );
    let program = lowered(&model, [1, 3, 5, 5], |model: &Model, x: Tensor<4>| {
        let x = relu(model.0.forward(x));
        model.2.forward(relu(model.1.forward(x)))
    });
    assert_eq!(sizes(&program), [[4, 3], [4, 9], [4, 4]]);
    assert_eq!(product(&program, 1).window.unwrap().groups, 4);
}

#[test]
fn a_residual_chain_loses_a_channel_only_as_a_whole() {
    type Model = Vec<Conv2d>;
    let forward = |model: &Model, x: Tensor<4>| {
        let x = model[0].forward(x);
        let y = x.clone() + model[1].forward(x);
        model[2].forward(y)
    };
    let gone = |conv| without_outputs(conv, &[1]);
    let half: Model = vec![
        conv([3, 4], 1, 0),
        gone(conv([4, 4], 1, 0)),
        conv([4, 2], 1, 0),
    ];
    let program = lowered(&half, [1, 3, 3, 3], forward);
    assert_eq!(sizes(&program), [[4, 3], [4, 4], [2, 4]]);
    let whole: Model = vec![
        gone(conv([3, 4], 1, 0)),
        gone(conv([4, 4], 1, 0)),
        conv([4, 2], 1, 0),
    ];
    let program = lowered(&whole, [1, 3, 3, 3], forward);
    assert_eq!(sizes(&program), [[3, 3], [3, 3], [2, 3]]);
}

#[test]
fn what_no_column_reads_is_not_computed() {
    let mut last = linear(8, 3);
    last.weight = last.weight.map(|weight| masked(weight, &[0, 2], 0));
    let model = vec![linear(6, 7), linear(7, 8), last];
    let program = lowered(&model, [2, 6], |model: &Vec<Linear>, x: Tensor<2>| {
        let x = relu(model[0].forward(x));
        model[2].forward(relu(model[1].forward(x)))
    });
    assert_eq!(sizes(&program), [[7, 6], [6, 7], [3, 6]]);
}

#[test]
fn parts_of_a_concatenation_lose_their_own_channels() {
    type Model = (Conv2d, Conv2d, Conv2d);
    let model: Model = (
        without_outputs(conv([3, 4], 1, 0), &[0]),
        without_outputs(conv([3, 5], 1, 0), &[1, 4]),
        conv([9, 2], 1, 0),
    );
    let program = lowered(&model, [1, 3, 3, 3], |model: &Model, x: Tensor<4>| {
        let parts = vec![model.0.forward(x.clone()), model.1.forward(x)];
        model.2.forward(Tensor::cat(parts, 1))
    });
    assert_eq!(sizes(&program), [[3, 3], [3, 3], [2, 6]]);
}

#[test]
fn a_model_without_any_weight_left_still_runs() {
    let all: Vec<usize> = (0..8).collect();
    let model = (without_features(linear(6, 8), &all), linear(8, 3));
    let program = lowered(&model, [2, 6], |model: &(Linear, Linear), x: Tensor<2>| {
        model.1.forward(relu(model.0.forward(x)))
    });
    assert_eq!(sizes(&program), [[1, 6], [3, 1]]);
}
