//! Batch sizes that the example does not have, and plans for other sizes.

use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use burn_prune_deploy::Batch;
use burn_prune_engine::{EngineError, SparseEngine};

fn linear(sizes: [usize; 2]) -> Linear {
    LinearConfig::new(sizes[0], sizes[1]).init(&Device::flex())
}

fn ones<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::ones(shape, &Device::flex())
}

fn close<const D: usize>(a: Tensor<D>, b: Tensor<D>) {
    assert_eq!(a.dims(), b.dims());
    let difference = (a - b).abs().max().into_scalar::<f32>();
    assert!(difference <= 1e-5, "{difference}");
}

#[test]
fn any_batch_size_runs_in_any_order() {
    let model = vec![linear([8, 6]), linear([6, 3])];
    let forward = |model: &Vec<Linear>, x: Tensor<2>| model[1].forward(relu(model[0].forward(x)));
    for example in [1, 2, 8] {
        let engine = SparseEngine::compile(&model, ones([example, 8]), forward).unwrap();
        for batch in [3, 1, 64, 2, 3, 17] {
            let x = ones([batch, 8]) * batch as f32;
            close(engine.run(x.clone()).unwrap(), forward(&model, x));
        }
    }
}

#[test]
fn more_batch_sizes_than_plans_are_kept() {
    let model = linear([4, 2]);
    let engine = SparseEngine::compile(&model, ones([1, 4]), Linear::forward).unwrap();
    for batch in (1..200).chain([1, 100]) {
        let x = ones([batch, 4]);
        close(engine.run(x.clone()).unwrap(), model.forward(x));
    }
}

#[test]
fn the_batch_may_be_in_another_axis() {
    let model = linear([4, 2]);
    let forward = |model: &Linear, (x, offset): (Tensor<3>, Tensor<1>)| {
        let mean = x.clone().mean_dim(0);
        model.forward(x + mean) + offset.unsqueeze()
    };
    let inputs = |batch: usize| (ones([5, batch, 4]), ones([2]));
    let engine = SparseEngine::builder()
        .batch(Batch::axes([Some(1), None]))
        .compile(&model, inputs(2), forward)
        .unwrap();
    for batch in [1, 2, 6] {
        close(
            engine.run(inputs(batch)).unwrap(),
            forward(&model, inputs(batch)),
        );
    }
    let error = engine.run((ones([6, 2, 4]), ones([2]))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "input 0: expected f32 [5, batch, 4], found f32 [6, 2, 4]"
    );
}

#[test]
fn a_batch_of_none_is_an_error() {
    let engine = SparseEngine::compile(&linear([4, 2]), ones([1, 4]), Linear::forward).unwrap();
    let none = Tensor::<2>::zeros([0, 4], &Device::flex());
    assert!(matches!(engine.run(none), Err(EngineError::Input { .. })));
}

#[test]
fn where_the_batch_is_fixed_another_plan_is_added() {
    let model = linear([4, 2]);
    // What it does depends on the batch.
    let forward = |model: &Linear, x: Tensor<2>| {
        let y = model.forward(x);
        if y.dims()[0] < 3 { y } else { relu(y) }
    };
    let mut engine = SparseEngine::compile(&model, ones([2, 4]), forward).unwrap();
    close(
        engine.run(ones([2, 4])).unwrap(),
        forward(&model, ones([2, 4])),
    );
    let error = engine.run(ones([4, 4])).unwrap_err().to_string();
    assert!(error.contains("compile_for"), "{error}");
    assert!(error.starts_with("input 0: expected f32 [2, 4]"), "{error}");

    let before = engine.clone();
    engine
        .compile_for(&model, ones([4, 4]) * -1, forward)
        .unwrap();
    let x = ones([4, 4]) * -2;
    close(engine.run(x.clone()).unwrap(), forward(&model, x.clone()));
    close(
        engine.run(ones([2, 4])).unwrap(),
        forward(&model, ones([2, 4])),
    );
    assert!(before.run(x).is_err());
}

#[test]
fn images_of_another_size_need_a_plan_of_their_own() {
    let device = Device::flex();
    let model = Conv2dConfig::new([2, 3], [3, 3]).init(&device);
    let mut engine = SparseEngine::compile(&model, ones([1, 2, 6, 6]), Conv2d::forward).unwrap();
    assert!(engine.run(ones([1, 2, 8, 6])).is_err());
    engine
        .compile_for(&model, ones([1, 2, 8, 6]), Conv2d::forward)
        .unwrap();
    for [height, batch] in [[6, 1], [8, 1], [8, 4], [6, 4]] {
        let x = ones([batch, 2, height, 6]);
        close(engine.run(x.clone()).unwrap(), model.forward(x));
    }
}
