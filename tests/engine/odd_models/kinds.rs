//! Models and inputs of every kind.

use burn::module::{Lora, Module};
use burn::nn::conv::{Conv1dConfig, Conv2dConfig, Conv3dConfig, ConvTranspose2dConfig};
use burn::nn::{DropoutConfig, GroupNormConfig, LayerNormConfig, PaddingConfig2d};
use burn::tensor::activation::{leaky_relu, relu, sigmoid};
use burn::tensor::{DType, Device, Distribution, Tensor, s};
use burn_prune_engine::{EngineTensors, SparseEngine};

use super::{Cases, Net, Zeros, with_zeros, wrong};
use crate::common::compile;
use crate::signals::{Outputs, noise};
use crate::trained::{doubled, masked, trained};

fn chain(net: &Net, x: Tensor<4>) -> (Tensor<4>, Tensor<2>) {
    let x = relu(net.norm.forward(net.first.forward(x)));
    let y = sigmoid(net.strided.forward(net.padded.forward(x.clone()) + x));
    let z = net
        .linear
        .forward(y.clone().mean_dim(3).mean_dim(2).flatten(1, 3));
    (net.inside.forward(y), relu(z))
}

fn image(batch: usize) -> Tensor<4> {
    noise([batch, 3, 6, 5], 7)
}

fn same<O: Outputs>(found: &O, expected: &O) {
    let problem = wrong(&found.values(), &expected.values());
    assert_eq!(problem, None);
}

/// Compiles and compares at a few batch sizes.
fn follows<M: Module, O: Outputs + EngineTensors>(model: &M, forward: fn(&M, Tensor<4>) -> O) {
    for example in [1, 3] {
        let engine = compile(model, image(example), forward, 2);
        let dense = model.valid();
        for batch in [1, 2, 3, 4, 5, 6, 7, 8, 9, 17, 33] {
            same(
                &engine.run(image(batch)).unwrap(),
                &forward(&dense, image(batch)),
            );
        }
    }
}

#[test]
fn many_batch_sizes() {
    for zeros in [Zeros::None, Zeros::Some, Zeros::Outputs] {
        follows(&with_zeros(trained(Net::new(), 1), zeros), chain);
    }
}

#[test]
fn models_with_automatic_differentiation_masks_and_adapters() {
    let device = Device::flex().autodiff();
    let model = trained(Net::new(), 1).to_device(&device);
    let engine = compile(&model, image(1), chain, 1);
    same(
        &engine.run(image(2)).unwrap(),
        &chain(&model.valid(), image(2)),
    );
    let model = masked(&model.train(), 0.8, 3);
    let engine = compile(&model, image(1), chain, 1);
    same(
        &engine.run(image(2)).unwrap(),
        &chain(&model.valid(), image(2)),
    );
    let model = trained(Net::new(), 1).apply_lora(Lora::new(2, 4.0));
    let model = trained(model, 4);
    follows(&model, chain);
}

#[test]
fn models_of_other_types_run_in_burn() {
    let model = trained(Net::new(), 1);
    let double = doubled(&model);
    let engine = compile(&double, image(1).cast(DType::F64), chain, 1);
    let found = engine.run(image(3).cast(DType::F64)).unwrap();
    assert_eq!(found.0.dtype(), DType::F64);
    same(&found, &chain(&double, image(3).cast(DType::F64)));
    let mixed = |net: &Net, x: Tensor<4>| {
        let (x, y) = chain(net, x.cast(DType::F32));
        (x.cast(DType::F64), y.cast(DType::F16))
    };
    let engine = compile(&model, image(1).cast(DType::F16), mixed, 1);
    let found = engine.run(image(3).cast(DType::F16)).unwrap();
    let expected = mixed(&model, image(3).cast(DType::F16));
    assert_eq!((found.0.dtype(), found.1.dtype()), (DType::F64, DType::F16));
    same(&found.0, &expected.0);
    let half = |values: Vec<f64>| {
        values
            .iter()
            .map(|value| *value as f32)
            .collect::<Vec<f32>>()
    };
    for (a, b) in half(found.1.values().concat())
        .iter()
        .zip(half(expected.1.values().concat()))
    {
        assert!((a - b).abs() <= 2e-3, "{a} {b}");
    }
}

#[test]
fn tied_weights() {
    let mut model = trained(Net::new(), 1);
    model.plain.copies[0].weight = model.linear.weight.clone();
    model.inside.copies[0].weight = model.padded.weight.clone();
    let forward = |net: &Net, x: Tensor<4>| {
        let x = net.inside.forward(
            net.norm
                .forward(net.padded.forward(relu(net.first.forward(x)))),
        );
        let x: Tensor<2> = x.mean_dim(2).mean_dim(3).flatten(1, 3);
        let y = net
            .plain
            .forward(relu(net.norm.forward(net.linear.forward(x))));
        y.matmul(net.linear.weight.val().transpose())
    };
    follows(&model, forward);
    follows(&masked(&model, 0.6, 3), forward);
    let dead = model.map(&mut super::Zeroing(Zeros::Inputs));
    follows(&dead, forward);
}

#[test]
fn values_that_are_not_numbers_stay() {
    let model = trained(Net::new(), 1);
    let forward = |net: &Net, x: Tensor<4>| {
        let x = net.point.forward(net.first.forward(x));
        let y = net.point.forward(relu(x.clone()));
        let z = net.point.forward(x.clone().clamp(-0.5, 0.5));
        (
            vec![y, z, leaky_relu(x.clone(), 0.1), sigmoid(x.clone())],
            relu(x),
        )
    };
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let x = image(2).slice_assign(
            s![0..1, 1..2, 2..3, 1..2],
            Tensor::full([1, 1, 1, 1], value, &Device::flex()),
        );
        let engine = compile(&model, image(1), forward, 1);
        let (found, last) = engine.run(x.clone()).unwrap();
        let (expected, expected_last) = forward(&model, x);
        let all = found
            .into_iter()
            .chain([last])
            .zip(expected.into_iter().chain([expected_last]));
        for (at, (found, expected)) in all.enumerate() {
            for (found, expected) in found
                .values()
                .concat()
                .iter()
                .zip(expected.values().concat())
            {
                let is_same = found.is_nan() && expected.is_nan()
                    || *found == expected
                    || (found - expected).abs() < 1e-4;
                assert!(
                    is_same,
                    "{value}: output {at}: {found} instead of {expected}"
                );
            }
        }
    }
}

#[test]
fn what_does_not_follow_the_input() {
    let model = trained(Net::new(), 1);
    let forward = |net: &Net, x: Tensor<4>| {
        (
            net.linear.weight.val() * 2.0,
            Tensor::<1>::ones([3], &x.device()),
        )
    };
    follows(&model, forward);
    let forward = |_: &Net, x: Tensor<4>| (x.clone(), x);
    follows(&model, forward);
    let forward = |net: &Net, (x, _unused): (Tensor<4>, Tensor<3>)| net.first.forward(x);
    let inputs = |batch| (image(batch), noise([batch, 2, 2], 1));
    let engine = compile(&model, inputs(1), forward, 1);
    same(&engine.run(inputs(4)).unwrap(), &forward(&model, inputs(4)));
    let two = |net: &Net, (a, b): (Tensor<4>, Tensor<4>)| {
        (
            a.clone().exp() + net.padded.forward(net.first.forward(b.clone())).mean_dim(1),
            b * a,
        )
    };
    let engine = compile(&model, (image(1), image(1)), two, 1);
    let x = image(3);
    for _ in 0..2 {
        let found = engine.run((x.clone(), x.clone())).unwrap();
        same(&found, &two(&model, (x.clone(), x.clone())));
    }
    same(&x, &image(3));
}

#[test]
fn chance_is_new_in_each_run() {
    let model = trained(Net::new(), 1);
    let forward = |net: &Net, x: Tensor<4>| {
        let x = DropoutConfig::new(0.9).init().forward(net.first.forward(x));
        let noise = x.random_like(Distribution::Uniform(0.0, 1.0));
        (net.padded.forward(x), noise)
    };
    let engine = SparseEngine::compile(&model, image(1), forward).unwrap();
    let (a, b) = (engine.run(image(2)).unwrap(), engine.run(image(2)).unwrap());
    same(&a.0, &b.0);
    same(&a.0, &forward(&model, image(2)).0);
    assert_ne!(a.1.into_data(), b.1.into_data());
}

#[test]
fn nothing_at_all() {
    let mut cases = Cases::default();
    cases.images("empty parts", |net, x| {
        let y = net.first.forward(x);
        let none = y.clone().slice(s![.., 2..2, .., ..]);
        let all = Tensor::cat(vec![none.clone(), y.clone()], 1);
        (net.padded.forward(all), relu(none))
    });
    cases.check(
        "one pixel",
        |batch, seed| noise::<4>([batch, 3, 1, 1], seed),
        |net, x| {
            let x = net.padded.forward(relu(net.first.forward(x)));
            net.point.forward(net.strided.forward(x.clone()) + x)
        },
    );
    cases.check(
        "one line",
        |batch, seed| noise::<4>([batch, 3, 1, 17], seed),
        |net, x| {
            let x = net.padded.forward(relu(net.first.forward(x)));
            net.norm.forward(net.strided.forward(x)).repeat_dim(2, 3)
        },
    );
    cases.check(
        "one column",
        |batch, seed| noise::<4>([batch, 3, 17, 1], seed),
        |net, x| {
            let x = net.padded.forward(relu(net.first.forward(x)));
            net.after
                .forward(net.depthwise.forward(net.strided.forward(x)))
        },
    );
}

#[test]
fn layers_of_every_kind() {
    let device = &Device::flex();
    let zeros = [Zeros::None, Zeros::Outputs, Zeros::Inputs, Zeros::All];
    let config = |channels| Conv2dConfig::new(channels, [3, 3]);
    let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
    let make = || {
        (
            config([6, 12])
                .with_groups(2)
                .with_padding(padding.clone())
                .init(device),
            config([12, 6])
                .with_groups(3)
                .with_stride([2, 1])
                .init(device),
            config([1, 6])
                .with_padding(PaddingConfig2d::Same)
                .init(device),
            ConvTranspose2dConfig::new([6, 6], [2, 2])
                .with_stride([2, 2])
                .init(device),
            GroupNormConfig::new(3, 6).init(device),
            LayerNormConfig::new(5).init(device),
            (
                Conv3dConfig::new([6, 4], [1, 2, 2]).init(device),
                Conv1dConfig::new(6, 12, 3).with_groups(6).init(device),
            ),
            Net::new(),
        )
    };
    for zeros in zeros {
        let model = trained(make(), 3);
        let model = match zeros {
            Zeros::None => model,
            zeros => model.map(&mut super::Zeroing(zeros)),
        };
        follows(
            &model,
            |(grouped, strided, single, up, group, layer, (third, line), net), x| {
                let x = sigmoid(net.first.forward(x));
                let a = strided.forward(relu(grouped.forward(x.clone())));
                let b = single.forward(x.clone().narrow(1, 3, 1)) + x.clone();
                let c = relu(up.forward(x.clone()));
                let d = net
                    .padded
                    .forward(relu(group.forward(net.padded.forward(x.clone()))));
                let e = net
                    .point
                    .forward(layer.forward(net.point.forward(x.clone())));
                let f = third
                    .forward(relu(x.clone()).unsqueeze_dim::<5>(2))
                    .squeeze_dim::<4>(2);
                let g: Tensor<3> = x.flatten(2, 3);
                let g = net.line.forward(line.forward(g).slice(s![.., 0..12;2, ..]));
                (
                    ((a, net.padded.forward(c)), (net.padded.forward(b), d)),
                    ((e, f), g),
                )
            },
        );
    }
}
