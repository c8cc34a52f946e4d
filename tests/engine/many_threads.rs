//! One engine for many threads, many engines at once, and many runs.

use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Device, Tensor, TensorData};
use burn_prune::Prunable;
use burn_prune_engine::SparseEngine;

type Model = Vec<Linear>;

fn model() -> Model {
    let device = Device::flex();
    let linear = |sizes: [usize; 2]| LinearConfig::new(sizes[0], sizes[1]).init(&device);
    let model = vec![linear([64, 96]), linear([96, 96]), linear([96, 10])];
    model.l1_unstructured(0.9).unwrap()
}

/// Softmax is Burn's, the rest is ours.
fn forward(model: &Model, x: Tensor<2>) -> Tensor<2> {
    let x = relu(model[0].forward(x));
    let x = softmax(relu(model[1].forward(x)), 1);
    model[2].forward(x)
}

fn input(batch: usize, seed: usize) -> Tensor<2> {
    let values = (0..batch * 64).map(|at| ((at * 7 + seed * 13) % 29) as f32 / 29.0 - 0.4);
    let values = TensorData::new(values.collect::<Vec<f32>>(), [batch, 64]);
    Tensor::from_data(values, &Device::flex())
}

fn values(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

#[test]
fn an_engine_can_be_sent_and_shared() {
    fn check<T: Send + Sync + Clone>() {}
    check::<SparseEngine<Tensor<2>, (Tensor<2>, Vec<Tensor<1>>)>>();
}

#[test]
fn eight_threads_run_one_engine() {
    let model = model();
    let engine = SparseEngine::compile(&model, input(1, 0), forward).unwrap();
    let single = engine.clone().with_threads(1);
    let expected = |seed| values(single.run(input(1 + seed % 5, seed)).unwrap());
    let expected: Vec<Vec<f32>> = (0..8).map(expected).collect();
    std::thread::scope(|scope| {
        for first in 0..8 {
            let (engine, expected) = (&engine, &expected);
            scope.spawn(move || {
                for run in 0..50 {
                    let seed = (first + run) % 8;
                    let found = values(engine.run(input(1 + seed % 5, seed)).unwrap());
                    assert_eq!(found, expected[seed]);
                }
            });
        }
    });
}

#[test]
fn several_engines_are_compiled_at_once() {
    let expected = {
        let model = model();
        let x = input(2, 3);
        (values(forward(&model, x.clone())), model, x)
    };
    std::thread::scope(|scope| {
        for _ in 0..6 {
            let (expected, model, x) = &expected;
            scope.spawn(move || {
                let engine = SparseEngine::compile(model, input(1, 0), forward).unwrap();
                let found = values(engine.run(x.clone()).unwrap());
                let differences = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
                assert!(differences.fold(0.0, f32::max) <= 1e-5);
            });
        }
    });
}

#[test]
fn a_thousand_runs_return_the_same() {
    let engine = SparseEngine::compile(&model(), input(1, 0), forward).unwrap();
    for threads in [1, 2, 3] {
        let engine = engine.clone().with_threads(threads);
        let expected = values(engine.run(input(1, 1)).unwrap());
        for _ in 0..1000 {
            assert_eq!(values(engine.run(input(1, 1)).unwrap()), expected);
        }
    }
}

#[test]
fn the_number_of_threads_does_not_change_the_outputs() {
    let engine = SparseEngine::compile(&model(), input(1, 0), forward).unwrap();
    for batch in [1, 2, 33] {
        let run = |threads| {
            let engine = engine.clone().with_threads(threads);
            values(engine.run(input(batch, 5)).unwrap())
        };
        let expected = run(1);
        for threads in [2, 3, 8] {
            assert_eq!(run(threads), expected);
        }
    }
}

#[test]
fn an_engine_runs_inside_a_pool_of_the_caller() {
    let engine = SparseEngine::compile(&model(), input(1, 0), forward).unwrap();
    let expected = values(engine.run(input(4, 2)).unwrap());
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let pool = pool.build().unwrap();
        let found = pool.install(|| values(engine.run(input(4, 2)).unwrap()));
        assert_eq!(found, expected);
    }
}
