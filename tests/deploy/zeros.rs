//! What masks make 0, on its way through operations of which 0 is not harmless.

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{
    elu, gelu, hard_sigmoid, leaky_relu, log_sigmoid, log_softmax, mish, sigmoid, silu, softmax,
    softplus,
};
use burn::tensor::{DType, Device, Tensor};
use burn_prune::{Prunable, Pruner, Random};
use burn_prune_deploy::{DeployError, Graph};

use crate::common::{select, values};
use crate::random::{assert_close, example, randomised};

#[derive(Module, Debug)]
struct Net {
    first: Linear,
    gate: Linear,
    last: Linear,
    scale: Param<Tensor<1>>,
}

impl Net {
    /// With a large bias: what goes through it is between 2 and 4 before anything is masked.
    fn new(seed: u64, device: &Device) -> Self {
        let model = Self {
            first: LinearConfig::new(4, 8).init(device),
            gate: LinearConfig::new(4, 8).init(device),
            last: LinearConfig::new(8, 3).init(device),
            scale: Param::from_tensor(Tensor::ones([8], device)),
        };
        let mut model = randomised(model, seed);
        model.first.weight = model.first.weight.map(|weight| weight * 0.3);
        model.first.bias = model
            .first
            .bias
            .map(|bias| bias.map(|bias| bias * 0.2 + 3.0));
        model.scale = model.scale.map(|scale| scale.abs() + 0.5);
        model
    }
}

type Forward = fn(&Net, Tensor<2>) -> Tensor<2>;

/// Whether half of the channels can be cut. If so, nothing changes.
fn is_cut(name: &str, forward: Forward) -> bool {
    let device = Device::flex();
    let mut found = None;
    for seed in 0..3 {
        let model = Net::new(seed, &device);
        let input = example([5, 4], &device);
        let dense = values(forward(&model, input.clone()));
        assert!(dense.iter().all(|value| value.is_finite()), "{name}");
        let graph = Graph::capture(&model, input.clone(), forward).unwrap();
        let groups = match graph.groups() {
            Ok(groups) => groups,
            Err(DeployError::UnknownOperation { .. }) => return false,
            Err(error) => panic!("{error}"),
        };
        let selection = select(Pruner::new(Random::new(seed)).amount(0.5), &model, &groups);
        let cuts = !selection.masks().is_empty();
        assert!(found.is_none_or(|found| found == cuts), "{name}");
        found = Some(cuts);
        if !cuts {
            continue;
        }
        let masked = model.with_masks(&selection.masks()).unwrap();
        let small = (selection.plan())
            .shrink(&masked, input.clone(), forward)
            .unwrap();
        assert_close(&forward(&small, input.clone()), &forward(&masked, input));
    }
    found.unwrap()
}

fn check(expected: bool, cases: &[(&str, Forward)]) {
    let wrong: Vec<&str> = cases
        .iter()
        .filter(|(name, forward)| is_cut(name, *forward) != expected)
        .map(|(name, _)| *name)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

macro_rules! channels {
    ($($name:literal => $expected:literal: |$model:ident, $x:ident| $body:expr,)+) => {
        &[$(($name, $expected, |$model: &Net, input: Tensor<2>| {
            let $x = $model.first.forward(input);
            $model.last.forward($body)
        })),+]
    };
    ($($name:literal: |$model:ident, $x:ident| $body:expr,)+) => {
        &[$(($name, |$model: &Net, input: Tensor<2>| {
            let $x = $model.first.forward(input.clone());
            let _ = &input;
            $model.last.forward($body)
        })),+]
    };
}

#[test]
fn channels_stay_where_a_masked_one_is_infinite_or_not_a_number() {
    check(
        false,
        channels! {
            "acosh": |model, x| x.acosh(),
            "log": |model, x| x.log(),
            "log of a difference": |model, x| (x - 1.0).log(),
            "log of what rounding may make 0": |model, x| (x + 1e-12 + 1.0 - 1.0).log(),
            "log1p at -1": |model, x| (x - 1.0).log1p(),
            "recip": |model, x| x.recip(),
            "reciprocal root": |model, x| x.sqrt().recip(),
            "negative integer power": |model, x| x.powi_scalar(-3),
            "negative power": |model, x| x.powf_scalar(-0.5),
            "fractional power of a negative": |model, x| (x - 1.0).powf_scalar(0.5),
            "root of a negative": |model, x| (x - 0.5).sqrt(),
            "atanh at 1": |model, x| (-(x * 0.1) + 1.0).atanh(),
            "asin above 1": |model, x| (x - 3.5).asin(),
            "exp that overflows": |model, x| ((-x + 1.0) * 1000.0).exp(),
            "what overflows later": |model, x| (-x * 20.0 + 20.0).exp() * 1e35,
            "a number that is nearly infinite": |model, x| (-x + 85.0).exp(),
            "division by itself": |model, x| x.clone() / x,
            "division by another": |model, x| {
                let gate = x.clone() * model.scale.val().unsqueeze();
                x / gate
            },
            "rest of a division": |model, x| (x.clone() + 1.0).remainder(x),
            "tangent near its pole": |model, x| (x * 0.01 + 1.570_796_4).tan(),
            "power of channels": |model, x| (x.clone() - 0.1).powf(x),
            "norm by hand of one": |model, x| x.clone() / (x.clone() * x).sqrt(),
        },
    );
}

#[test]
fn channels_stay_where_the_weights_that_read_them_cannot_be_masked() {
    let cases: &[(&str, Forward)] = &[
        ("a reader that divides elsewhere", |model, input| {
            let x = sigmoid(model.first.forward(input));
            let weight = model.last.weight.val();
            let rest = weight.clone().abs().recip().sum_dim(0) * 1e-3;
            x.matmul(weight) + rest
        }),
        ("a reader whose logarithm is taken", |model, input| {
            let x = model.first.forward(input).exp();
            let weight = model.last.weight.val().abs();
            let product = x.matmul(model.last.weight.val());
            product + model.last.weight.val().powi_scalar(-2).sum_dim(0) * 1e-6 + weight.mean_dim(0)
        }),
        ("a reciprocal that reads", |model, input| {
            let x = model.first.forward(input);
            x.matmul(model.last.weight.val().recip())
        }),
    ];
    check(false, cases);
}

#[test]
fn channels_go_where_a_masked_one_is_a_number() {
    check(
        true,
        channels! {
            "sigmoid": |model, x| sigmoid(x),
            "exp": |model, x| x.exp(),
            "gelu": |model, x| gelu(x),
            "silu": |model, x| silu(x),
            "mish": |model, x| mish(x),
            "elu": |model, x| elu(x, 1.0),
            "softplus": |model, x| softplus(x, 2.0),
            "log sigmoid": |model, x| log_sigmoid(x),
            "hard sigmoid": |model, x| hard_sigmoid(x, 0.2, 0.5),
            "leaky relu": |model, x| leaky_relu(x, -0.3),
            "acosh above 1": |model, x| (x.abs() + 1.5).acosh(),
            "acosh at 1": |model, x| (x.abs() + 1.0).acosh(),
            "acos": |model, x| (x * 0.1).acos(),
            "asin": |model, x| (x * 0.1).asin(),
            "atanh": |model, x| (x * 0.1).atanh(),
            "log1p": |model, x| x.log1p(),
            "log with a margin": |model, x| (x.abs() + 1e-6).log(),
            "erf": |model, x| x.erf(),
            "cos": |model, x| x.cos(),
            "tangent": |model, x| (x * 0.1).tan(),
            "power": |model, x| x.powf_scalar(2.5),
            "cube": |model, x| x.powi_scalar(3),
            "softsign": |model, x| x.clone() / (x.abs() + 1.0),
            "sigmoid by hand": |model, x| (x.neg().exp() + 1.0).recip(),
            "softplus by hand": |model, x| (x.exp() + 1.0).log(),
            "comparison": |model, x| x.clone().mask_fill(x.lower_elem(2.9), 0.7),
            "clamped logarithm": |model, x| x.log().clamp(-3.0, 3.0),
            "dead where masked": |model, x| {
                let is_zero = x.clone().equal_elem(0.0);
                x.recip().mask_fill(is_zero, 0.0)
            },
        },
    );
}

#[test]
fn gates_stay_cuttable() {
    let cases: &[(&str, Forward)] = &[
        ("swiglu", |model, input| {
            let gate = silu(model.gate.forward(input.clone()));
            model.last.forward(model.first.forward(input) * gate)
        }),
        ("a sigmoid gate", |model, input| {
            let gate = sigmoid(model.gate.forward(input.clone()));
            model.last.forward(model.first.forward(input) * gate)
        }),
        ("an exponential gate", |model, input| {
            let gate = model.gate.forward(input.clone()).exp();
            model.last.forward(model.first.forward(input) * gate + 0.3)
        }),
        ("both sides of a highway", |model, input| {
            let gate = sigmoid(model.gate.forward(input.clone()));
            let x = model.first.forward(input);
            let carried = x.clone().tanh() * (-gate.clone() + 1.0);
            model.last.forward(x * gate + carried)
        }),
        ("a divisor that is masked to 1", |model, input| {
            let gate = model.gate.forward(input.clone()).exp();
            model.last.forward(model.first.forward(input) / gate)
        }),
        ("softmax over the batch", |model, input| {
            model.last.forward(softmax(model.first.forward(input), 0))
        }),
        ("a norm over the batch", |model, input| {
            let x = model.first.forward(input);
            let mean = x.clone().mean_dim(0);
            let centred = x - mean;
            let variance = centred.clone().square().mean_dim(0);
            model.last.forward(centred / (variance + 1e-5).sqrt())
        }),
        ("a norm over the batch behind a sigmoid", |model, input| {
            let x = sigmoid(model.first.forward(input));
            let mean = x.clone().mean_dim(0);
            let centred = x - mean;
            let variance = centred.clone().square().mean_dim(0);
            model.last.forward(centred / (variance + 1e-5).sqrt())
        }),
    ];
    check(true, cases);
}

#[test]
fn what_mixes_channels_keeps_them() {
    check(
        false,
        channels! {
            "softmax": |model, x| softmax(x, 1),
            "log softmax": |model, x| log_softmax(x, 1),
            "log of a sum of exponentials": |model, x| {
                let sum = x.clone().exp().sum_dim(1).log();
                x - sum
            },
            "layer norm by hand": |model, x| {
                let mean = x.clone().mean_dim(1);
                let centred = x - mean;
                let variance = centred.clone().square().mean_dim(1);
                centred / (variance + 1e-5).sqrt()
            },
            "length one": |model, x| {
                let length = x.clone().square().sum_dim(1).sqrt();
                x / length
            },
            "weight norm by hand": |model, x| {
                let weight = model.gate.weight.val();
                let norm = weight.clone().square().sum_dim(0).sqrt();
                let _ = x.clone();
                x.clone().slice([0..5, 0..4]).matmul(weight / norm) + x
            },
            "cumulative sum": |model, x| x.cumsum(1),
            "sorted": |model, x| x.sort(1),
        },
    );
}

#[test]
fn an_infinite_mask_of_scores_is_harmless() {
    check(
        true,
        &[("a causal mask", |model, input| {
            // A head of its own for each channel.
            let x = model.first.forward(input);
            let [batch, channels] = x.dims();
            let x = x.swap_dims(0, 1).reshape([channels, batch, 1]);
            let scores = x.clone().mul(x.clone().swap_dims(1, 2));
            let future = Tensor::<2>::ones([batch, batch], &x.device())
                .triu(1)
                .bool();
            let scores = scores.mask_fill(future.unsqueeze(), f32::NEG_INFINITY);
            let mixed = softmax(scores, 2).matmul(x);
            model
                .last
                .forward(mixed.reshape([channels, batch]).swap_dims(0, 1))
        })],
    );
}

#[test]
fn half_precision_overflows_earlier() {
    struct Half;
    impl ModuleMapper for Half {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|tensor| tensor.cast(DType::F16))
        }
    }
    let device = Device::flex();
    let cuts = |model: &Net, forward: Forward| {
        let input = example([5, 4], &device).cast(model.scale.val().dtype());
        let graph = Graph::capture(model, input, forward).unwrap();
        let groups = graph.groups().unwrap();
        !groups.groups().is_empty()
    };
    let single = Net::new(0, &device);
    let half = single.clone().map(&mut Half);
    let cases: &[(&str, bool, Forward)] = channels! {
        "a norm" => true: |model, x| {
            let mean = x.clone().mean_dim(0);
            let centred = x - mean;
            let variance = centred.clone().square().mean_dim(0);
            silu(centred / (variance + 1e-5).sqrt())
        },
        "an exponential" => true: |model, x| (x * 0.5 + 1.0).exp(),
        "a large exponential" => false: |model, x| (-x + 12.0).exp(),
        "a small divisor" => false: |model, x| x.clone() / (x.square() + 1e-9),
    };
    for (name, in_half, forward) in cases {
        assert!(cuts(&single, *forward), "{name}");
        assert_eq!(cuts(&half, *forward), *in_half, "{name}");
    }
}
