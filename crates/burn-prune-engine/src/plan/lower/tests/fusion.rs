use burn::nn::conv::Conv2d;
use burn::nn::pool::{AdaptiveAvgPool2dConfig, MaxPool2dConfig};
use burn::nn::{BatchNorm, Linear, LinearConfig};
use burn::tensor::activation::{
    gelu, hard_sigmoid, hard_swish, leaky_relu, relu, relu6, sigmoid, silu, tanh,
};
use burn::tensor::{Tensor, TensorData};

use super::{conv, device, kinds, lowered, norm, product, random, try_lowered};
use crate::activation::Activation;
use crate::error::EngineError;
use crate::kernel::ResidualPlace;
use crate::plan::program::NodeKind;

#[test]
fn a_convolution_with_its_norm_and_activation_is_one_node() {
    let model = (conv([3, 4], 3, 1), norm(4));
    let program = lowered(&model, [1, 3, 6, 5], |model: &(Conv2d, BatchNorm), x| {
        relu(model.1.forward(model.0.forward(x)))
    });
    assert_eq!(kinds(&program), ["product"]);
    assert_eq!(product(&program, 0).activation, Activation::Relu);
    assert_eq!(program.nodes[0].name, "0.weight");
    assert_eq!(program.nodes[0].operation, 2);
}

#[test]
fn a_norm_in_front_of_a_padded_convolution_stays() {
    let model = (norm(3), conv([3, 4], 3, 1));
    let program = lowered(&model, [1, 3, 6, 5], |model: &(BatchNorm, Conv2d), x| {
        model.1.forward(relu(model.0.forward(x)))
    });
    assert_eq!(kinds(&program), ["affine", "product"]);
    assert!(product(&program, 1).is_behind_relu);
}

#[test]
fn a_norm_is_not_folded_where_others_read_the_product_too() {
    let model = (conv([3, 3], 1, 0), norm(3));
    let program = lowered(&model, [1, 3, 2, 2], |model: &(Conv2d, BatchNorm), x| {
        let y = model.0.forward(x);
        Tensor::cat(vec![y.clone(), model.1.forward(y)], 1)
    });
    assert_eq!(kinds(&program), ["product", "affine", "concatenate"]);
}

#[test]
fn activations_are_recognised_in_every_form() {
    type Function = fn(Tensor<2>) -> Tensor<2>;
    let sixth = 1.0 / 6.0;
    let relu6_twice = |x: Tensor<2>| relu(x.clone()) - relu(x - 6.0);
    let (low, high) = (0.0, 6.0);
    let clamp = Activation::Clamp { low, high };
    let cases: [(Function, Activation); 16] = [
        (relu, Activation::Relu),
        (|x| x.clamp_min(0.0), Activation::Relu),
        (relu6, clamp),
        (relu6_twice, clamp),
        (|x| x.clamp_min(0.0).clamp_max(6.0), clamp),
        (|x| relu(x).clamp_max(6.0), clamp),
        (silu, Activation::Silu),
        (|x| sigmoid(x.clone()) * x, Activation::Silu),
        (hard_swish, Activation::HardSwish),
        (
            |x| x.clone() * (x + 3.0).clamp(0.0, 6.0) / 6.0,
            Activation::HardSwish,
        ),
        (
            |x| x.clone() * (relu6(x + 3.0) / 6.0),
            Activation::HardSwish,
        ),
        (
            |x| hard_sigmoid(x, 0.2, 0.4),
            Activation::HardSigmoid {
                alpha: 0.2,
                beta: 0.4,
            },
        ),
        (
            |x| relu6(x + 3.0) / 6.0,
            Activation::HardSigmoid {
                alpha: sixth,
                beta: 0.5,
            },
        ),
        (|x| leaky_relu(x, 0.1), Activation::LeakyRelu { slope: 0.1 }),
        (tanh, Activation::Tanh),
        (gelu, Activation::Gelu),
    ];
    let model = LinearConfig::new(5, 4).init(&device());
    for (function, activation) in cases {
        let program = lowered(&model, [2, 5], |model: &Linear, x| {
            function(model.forward(x) * 4.0)
        });
        assert_eq!(kinds(&program), ["product"], "{activation:?}");
        assert_eq!(product(&program, 0).activation, activation);
    }
}

#[test]
fn a_residual_sum_goes_into_the_product_before_it() {
    let model = (conv([3, 3], 3, 1), conv([3, 3], 1, 0));
    let inside = lowered(&model, [1, 3, 5, 5], |model: &(Conv2d, Conv2d), x| {
        relu(model.0.forward(x.clone()) + x)
    });
    assert_eq!(kinds(&inside), ["product"]);
    assert_eq!(product(&inside, 0).residual, Some(ResidualPlace::Inside));
    assert_eq!(product(&inside, 0).activation, Activation::Relu);
    let outside = lowered(&model, [1, 3, 5, 5], |model: &(Conv2d, Conv2d), x| {
        x.clone() + silu(model.0.forward(x))
    });
    assert_eq!(kinds(&outside), ["product"]);
    assert_eq!(product(&outside, 0).residual, Some(ResidualPlace::Outside));
    let both = lowered(&model, [1, 3, 5, 5], |model: &(Conv2d, Conv2d), x| {
        relu(model.0.forward(x.clone()) + model.1.forward(x))
    });
    assert_eq!(kinds(&both), ["product", "product"]);
    let activated = lowered(&model, [1, 3, 5, 5], |model: &(Conv2d, Conv2d), x| {
        relu(relu(model.0.forward(x.clone())) + silu(model.1.forward(x)))
    });
    assert_eq!(kinds(&activated), ["product", "product", "sum"]);
}

#[test]
fn what_is_read_twice_is_not_fused() {
    let model = conv([3, 3], 3, 1);
    let program = lowered(&model, [1, 3, 5, 5], |model: &Conv2d, x| {
        let y = model.forward(x);
        relu(y.clone()) + y
    });
    assert_eq!(kinds(&program), ["product", "activation", "sum"]);
    let program = lowered(&model, [1, 3, 5, 5], |model: &Conv2d, x| {
        let y = model.forward(x);
        y.clone() + y
    });
    assert_eq!(kinds(&program), ["product", "sum"]);
}

#[test]
fn squeeze_and_excite_has_no_node_of_burn() {
    let model = (conv([4, 4], 3, 1), conv([4, 2], 1, 0), conv([2, 4], 1, 0));
    type Model = (Conv2d, Conv2d, Conv2d);
    let gate = |model: &Model, x: Tensor<4>| sigmoid(model.2.forward(relu(model.1.forward(x))));
    let program = lowered(&model, [1, 4, 4, 4], |model: &Model, x| {
        let x = silu(model.0.forward(x));
        let pooled = AdaptiveAvgPool2dConfig::new([1, 1])
            .init()
            .forward(x.clone());
        x * gate(model, pooled)
    });
    let expected = ["product", "average", "product", "product", "multiply"];
    assert_eq!(kinds(&program), expected);
    let program = lowered(&model, [1, 4, 4, 4], |model: &Model, x| {
        let x = silu(model.0.forward(x));
        let pooled = x.clone().mean_dim(3).mean_dim(2);
        gate(model, pooled) * x
    });
    assert_eq!(kinds(&program), expected);
}

#[test]
fn splits_and_concatenations_are_channels() {
    let model = (conv([3, 4], 1, 0), conv([2, 2], 3, 1));
    let program = lowered(&model, [1, 3, 4, 4], |model: &(Conv2d, Conv2d), x| {
        let mut parts = silu(model.0.forward(x)).chunk(2, 1);
        let last = parts[1].clone();
        parts.push(last.clone() + silu(model.1.forward(last)));
        Tensor::cat(parts, 1)
    });
    let expected = ["product", "channels", "channels", "product", "concatenate"];
    assert_eq!(kinds(&program), expected);
}

#[test]
fn padding_with_a_number_goes_into_its_reader() {
    let pool = || MaxPool2dConfig::new([2, 2]).with_strides([1, 1]).init();
    let model = conv([3, 3], 3, 0);
    let program = lowered(&model, [1, 3, 5, 4], |model: &Conv2d, x| {
        let x = model.forward(x.pad((1, 0, 2, 1), 0.0));
        pool().forward(x.pad((0, 1, 0, 1), f32::NEG_INFINITY))
    });
    assert_eq!(kinds(&program), ["product", "pool"]);
    let window = product(&program, 0).window.unwrap();
    assert_eq!(window.padding, [(2, 1), (1, 0)]);
    let NodeKind::Pool(pool) = &program.nodes[1].kind else {
        panic!("{:?}", program.nodes[1]);
    };
    assert_eq!(pool.padding, [(0, 1), (0, 1)]);
}

#[test]
fn scalars_and_constants_of_channels_are_folded() {
    let model = conv([3, 2], 3, 1);
    let program = lowered(&model, [1, 3, 4, 4], |model: &Conv2d, x| {
        let scale = TensorData::from([[[[2.0f32]], [[-3.0]]]]);
        let scale = Tensor::<4>::from_data(scale, &x.device());
        -(model.forward(x) * scale / 7.0 + 1.0)
    });
    assert_eq!(kinds(&program), ["product"]);
}

#[test]
fn a_weight_that_is_not_finite_is_named() {
    let mut model = vec![LinearConfig::new(3, 2).init(&device())];
    model[0].weight = model[0]
        .weight
        .clone()
        .map(|weight: Tensor<2>| weight / 0.0);
    let forward = |model: &Vec<Linear>, x: Tensor<2>| model[0].forward(x);
    let error = try_lowered(&model, random([1, 3]), forward).unwrap_err();
    match error {
        EngineError::NotFinite { path } => assert_eq!(path, "0.weight"),
        other => panic!("{other}"),
    }
}
