//! What cannot be compiled or run is an error that says what, where, and what to do.

use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, FloatDType, Int, IntDType, Tensor, TensorData};
use burn_prune_deploy::Batch;
use burn_prune_engine::{EngineError, SparseEngine};

fn linear(sizes: [usize; 2]) -> Linear {
    LinearConfig::new(sizes[0], sizes[1]).init(&Device::flex())
}

fn ones<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::ones(shape, &Device::flex())
}

#[test]
fn inputs_of_other_sizes_types_and_numbers_are_named() {
    let model = linear([4, 2]);
    let forward = |model: &Linear, inputs: Vec<Tensor<2>>| model.forward(inputs[0].clone());
    let engine = SparseEngine::compile(&model, vec![ones([1, 4]); 2], forward).unwrap();
    let message = |inputs| engine.run(inputs).unwrap_err().to_string();
    assert_eq!(
        message(vec![ones([3, 4]), ones([3, 5])]),
        "input 1: expected f32 [batch, 4], found f32 [3, 5]"
    );
    // The batch of the first is 3.
    assert_eq!(
        message(vec![ones([3, 4]), ones([2, 4])]),
        "input 1: expected f32 [batch, 4], found f32 [2, 4]"
    );
    assert_eq!(
        message(vec![ones([3, 4])]),
        "input 1: expected 2 tensors in all, found 1"
    );
    let double = ones([3, 4]).cast(FloatDType::F64);
    assert_eq!(
        message(vec![ones([3, 4]), double]),
        "input 1: expected f32 [batch, 4], found f64 [3, 4]"
    );
}

#[test]
fn a_model_that_reads_values_cannot_be_compiled() {
    let forward = |model: &Linear, x: Tensor<2>| {
        let sum = x.clone().sum().into_scalar::<f32>();
        model.forward(x) * sum
    };
    let error = SparseEngine::compile(&linear([4, 2]), ones([1, 4]), forward).unwrap_err();
    assert!(matches!(error, EngineError::Capture(_)), "{error}");
}

#[test]
fn operations_that_nobody_knows_are_named_all_at_once() {
    let forward = |model: &Linear, x: Tensor<2>| {
        let first = x.clone().greater_elem(0.0).int().cast(IntDType::I64);
        let second = x.clone().int().cast(IntDType::I16);
        model.forward(x + first.float() + second.float())
    };
    let error = SparseEngine::compile(&linear([4, 4]), ones([1, 4]), forward).unwrap_err();
    let EngineError::Unsupported { operations } = &error else {
        panic!("{error}");
    };
    assert_eq!(operations.len(), 2, "{operations:?}");
    assert!(error.to_string().contains("`cast`"), "{error}");
}

#[test]
fn a_panic_in_burn_is_an_error_and_the_engine_goes_on() {
    let rows = LinearConfig::new(3, 2).init(&Device::flex());
    let forward =
        |model: &Linear, (x, at): (Tensor<2>, Tensor<1, Int>)| model.forward(x.select(1, at));
    let inputs = |last: i32| {
        let at = Tensor::<1, Int>::from_data(TensorData::from([0i32, 1, last]), &Device::flex());
        (ones([3, 4]), at)
    };
    let engine = SparseEngine::builder()
        .batch(Batch::axes([Some(0), None]))
        .compile(&rows, inputs(2), forward)
        .unwrap();
    let before = engine.run(inputs(3)).unwrap().into_data();
    let error = engine.run(inputs(400)).unwrap_err();
    let EngineError::Burn { operation, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(operation, "select");
    let after = engine.run(inputs(3)).unwrap().into_data();
    after.assert_eq(&before, true);
}
