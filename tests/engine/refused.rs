//! What an engine refuses on whole models, and what it takes all the same.

use burn::module::{Module, Param};
use burn::nn::conv::Conv2dConfig;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{DType, Device, Int, Tensor};
use burn_prune_engine::{EngineError, SparseEngine};
use examples_shared::nets::convolutional::Mlp;

use crate::signals::{Outputs, largest, noise, words};
use crate::trained::{masked, trained};

fn mlp() -> Mlp {
    masked(&trained(Mlp::new(&[8, 6, 4], &Device::flex()), 1), 0.5, 2)
}

fn engine() -> SparseEngine<Tensor<2>, Tensor<2>> {
    SparseEngine::compile(&mlp(), noise([2, 8], 1), Mlp::forward).unwrap()
}

#[test]
fn an_input_of_another_size_says_what_was_expected() {
    let engine = engine();
    let error = engine.run(noise([3, 7], 1)).unwrap_err();
    assert!(matches!(error, EngineError::Input { input: 0, .. }));
    let text = error.to_string();
    assert_eq!(text, "input 0: expected f32 [batch, 8], found f32 [3, 7]");
    // The engine is none the worse for it.
    assert_eq!(engine.run(noise([3, 8], 1)).unwrap().dims(), [3, 4]);
}

#[test]
fn an_empty_batch_is_refused_or_empty() {
    let empty = Tensor::<2>::zeros([0, 8], &Device::flex());
    match engine().run(empty) {
        Ok(output) => assert_eq!(output.dims(), [0, 4]),
        Err(error) => assert!(error.to_string().contains("[0, 8]"), "{error}"),
    }
}

#[test]
fn an_input_of_another_type_says_what_was_expected() {
    let engine = engine();
    let error = engine.run(noise([3, 8], 1).cast(DType::F64)).unwrap_err();
    let text = error.to_string();
    assert_eq!(text, "input 0: expected f32 [batch, 8], found f64 [3, 8]");
    let lookup = |_: &Mlp, words: Tensor<1, Int>| words.float() * 2.0;
    let engine = SparseEngine::compile(&mlp(), words([4], 9, 1), lookup).unwrap();
    let longs = words([4], 9, 1).cast(DType::I64);
    let text = engine.run(longs).unwrap_err().to_string();
    assert!(
        text.contains("i32 [batch]") && text.contains("i64 [4]"),
        "{text}"
    );
}

#[test]
fn an_input_with_automatic_differentiation_gives_an_output_without() {
    let input = noise([2, 8], 1).autodiff().require_grad();
    let output = engine().run(input).unwrap();
    assert!(!output.is_require_grad());
    let expected = engine().run(noise([2, 8], 1)).unwrap();
    assert_eq!(output.to_data(), expected.to_data());
}

/// Weights that are not finite, one after the other.
#[test]
fn weights_that_are_not_finite_are_named() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut model = mlp().valid().materialize();
        let weight = model.layers[1].weight.val();
        let weight =
            weight.slice_assign([2..3, 1..2], Tensor::full([1, 1], value, &Device::flex()));
        model.layers[1].weight = Param::from_tensor(weight);
        let error = SparseEngine::compile(&model, noise([2, 8], 1), Mlp::forward).unwrap_err();
        assert!(matches!(error, EngineError::NotFinite { .. }), "{error}");
        assert!(error.to_string().contains("`layers.1.weight`"), "{error}");
    }
}

#[test]
fn values_under_a_mask_may_be_anything() {
    let mut model = mlp();
    model.layers[0].weight = model.layers[0].weight.clone().map(|weight| {
        let mask = noise([8, 6], 3).greater_elem(2.0);
        weight.mask_fill(mask, f32::NAN)
    });
    let engine = SparseEngine::compile(&model, noise([2, 8], 1), Mlp::forward).unwrap();
    let output = engine.run(noise([2, 8], 1)).unwrap();
    assert!(largest(&output.values()[0]).is_finite());
}

#[test]
fn a_weight_that_is_not_constant_is_refused_or_read_at_each_run() {
    let model = Conv2dConfig::new([2, 3], [3, 3]).init(&Device::flex());
    let forward = |_: &_, (x, weight): (Tensor<4>, Tensor<4>)| {
        conv2d(x, weight, None, ConvOptions::new([1, 1], [1, 1], [1, 1], 1))
    };
    let builder = SparseEngine::builder().batch(burn_prune_deploy::Batch::Fixed);
    let inputs = |seed| (noise([2, 2, 6, 6], seed), noise([3, 2, 3, 3], seed + 1));
    match builder.compile(&model, inputs(1), forward) {
        Err(error) => assert!(error.to_string().contains("constant"), "{error}"),
        Ok(engine) => {
            for seed in [1, 5] {
                let found = engine.run(inputs(seed)).unwrap();
                let expected = forward(&model, inputs(seed));
                crate::law::judge(&found.values(), &expected.values(), || unreachable!());
            }
        }
    }
}

#[test]
fn all_operations_that_nobody_knows_are_named_at_once() {
    let linear = LinearConfig::new(8, 4).init(&Device::flex());
    let forward = |layer: &Linear, x: Tensor<2>| {
        let y = relu(layer.forward(x));
        let counts = y.clone().int().cast(DType::I64).float();
        let flags = y.clone().greater_elem(0.5).int().cast(DType::I64).float();
        y + counts + flags
    };
    let error = SparseEngine::compile(&linear, noise([2, 8], 1), forward).unwrap_err();
    let EngineError::Unsupported { operations } = &error else {
        panic!("{error}");
    };
    assert_eq!(operations.len(), 2, "{error}");
}

#[test]
fn a_forward_pass_that_panics_is_an_error() {
    let forward = |model: &Mlp, x: Tensor<2>| {
        assert_eq!(x.dims()[1], 9, "nine features");
        model.forward(x)
    };
    let error = SparseEngine::compile(&mlp(), noise([2, 8], 1), forward).unwrap_err();
    assert!(matches!(error, EngineError::Capture(_)), "{error}");
    assert!(error.to_string().contains("nine features"), "{error}");
}

#[test]
fn a_panic_of_burn_during_a_run_is_an_error() {
    // Words that the table does not have.
    let table = noise([5, 3], 1);
    let forward = move |_: &Mlp, words: Tensor<1, Int>| {
        let table = table.clone().to_device(&words.device());
        table.select(0, words)
    };
    let engine = SparseEngine::compile(&mlp(), words([4], 5, 1), forward).unwrap();
    let wrong = words([4], 1, 1) + 77;
    for _ in 0..2 {
        let error = engine.run(wrong.clone()).unwrap_err();
        assert!(matches!(error, EngineError::Burn { .. }), "{error}");
    }
    assert_eq!(engine.run(words([4], 5, 1)).unwrap().dims(), [4, 3]);
}

#[test]
fn another_image_size_needs_a_plan_of_its_own() {
    let model = Conv2dConfig::new([3, 4], [3, 3]).init(&Device::flex());
    let image = |batch, size| noise([batch, 3, size, size], 1);
    let forward = |model: &burn::nn::conv::Conv2d, x| model.forward(x);
    let mut engine = SparseEngine::compile(&model, image(1, 8), forward).unwrap();
    assert!(engine.run(image(1, 10)).is_err());
    engine.compile_for(&model, image(1, 10), forward).unwrap();
    for size in [8, 10] {
        for batch in [1, 3] {
            let found = engine.run(image(batch, size)).unwrap().values();
            let expected = model.forward(image(batch, size)).values();
            crate::law::judge(&found, &expected, || unreachable!());
        }
    }
}

#[test]
fn a_forward_pass_of_one_batch_size_says_so() {
    let stored = noise([2, 8], 3);
    let forward = move |model: &Mlp, x: Tensor<2>| {
        let stored = stored.clone().to_device(&x.device());
        model.forward(x + stored)
    };
    let engine = SparseEngine::compile(&mlp(), noise([2, 8], 1), forward).unwrap();
    assert!(engine.run(noise([2, 8], 4)).is_ok());
    let text = engine.run(noise([3, 8], 4)).unwrap_err().to_string();
    assert!(text.contains("compile_for"), "{text}");
}
