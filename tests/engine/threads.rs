//! One engine and many threads: the same bits from each.

use std::thread;

use burn::tensor::{Device, Tensor};
use burn_prune_engine::SparseEngine;
use examples_shared::nets::convolutional::{Mlp, Vgg11};
use examples_shared::nets::others::Transformer;
use rayon::ThreadPoolBuilder;
use rayon::prelude::*;

use crate::common::compile;
use crate::law::judge;
use crate::signals::{Outputs, noise, words};
use crate::trained::{masked, trained};

type Engine = SparseEngine<Tensor<4>, Tensor<2>>;

fn vgg() -> Vgg11 {
    masked(&trained(Vgg11::new(16, &Device::flex()), 1), 0.9, 2)
}

fn engine() -> Engine {
    SparseEngine::compile(&vgg(), image(1, 0), Vgg11::forward).unwrap()
}

fn image(batch: usize, seed: u64) -> Tensor<4> {
    noise([batch, 3, 32, 32], seed)
}

/// Outputs for a few batch sizes.
fn outputs(engine: &Engine, seed: u64) -> Vec<Vec<Vec<f64>>> {
    let batches = [1, 3, 2, 1, 5].into_iter();
    batches
        .map(|batch| engine.run(image(batch, seed)).unwrap().values())
        .collect()
}

#[test]
fn an_engine_is_send_and_sync() {
    fn check<T: Send + Sync + Clone + 'static>(_: &T) {}
    check(&engine());
}

#[test]
fn eight_threads_run_one_engine() {
    let engine = engine();
    let expected: Vec<_> = (0..8).map(|seed| outputs(&engine, seed)).collect();
    thread::scope(|scope| {
        for (seed, expected) in expected.iter().enumerate() {
            let engine = &engine;
            scope.spawn(move || {
                for _ in 0..5 {
                    assert_eq!(outputs(engine, seed as u64), *expected);
                }
            });
        }
    });
}

#[test]
fn several_models_are_compiled_at_once() {
    thread::scope(|scope| {
        for seed in 0..3 {
            scope.spawn(move || {
                let model = Mlp::new(&[60, 50, 40, 10], &Device::flex());
                let model = masked(&trained(model, seed), 0.8, seed);
                let engine = compile(&model, noise([1, 60], seed), Mlp::forward, 2);
                let x = noise([4, 60], seed);
                let found = engine.run(x.clone()).unwrap().values();
                judge(&found, &model.forward(x).values(), || unreachable!());
            });
            scope.spawn(move || {
                let model = masked(&trained(Transformer::new(&Device::flex()), seed), 0.5, seed);
                let x = words([2, 5], 20, seed);
                let engine = compile(&model, x.clone(), Transformer::forward, 1);
                let found = engine.run(x.clone()).unwrap().values();
                judge(&found, &model.forward(x).values(), || unreachable!());
            });
        }
    });
}

#[test]
fn pools_of_callers_of_any_size_give_the_same_bits() {
    let engine = engine();
    let expected = outputs(&engine, 1);
    for threads in 1..=4 {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        assert_eq!(
            pool.install(|| outputs(&engine, 1)),
            expected,
            "{threads} threads"
        );
    }
}

#[test]
fn an_engine_runs_in_parallel_loops_of_callers() {
    let engine = engine();
    let expected = outputs(&engine, 1);
    for threads in 1..=4 {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let found: Vec<_> = pool.install(|| {
            let all = (0..12).into_par_iter();
            all.map(|_| outputs(&engine, 1)).collect()
        });
        assert!(
            found.iter().all(|found| *found == expected),
            "{threads} threads"
        );
    }
}

#[test]
fn any_number_of_own_threads_gives_the_same_bits() {
    let engine = engine();
    let expected = outputs(&engine, 1);
    for threads in [1, 2, 3, 8] {
        let own = engine.clone().with_threads(threads);
        assert_eq!(outputs(&own, 1), expected, "{threads} threads");
    }
}

#[test]
fn clones_outlive_the_engine_and_the_model() {
    let (clone, expected) = {
        let engine = engine();
        (engine.clone(), outputs(&engine, 1))
    };
    let found = thread::spawn(move || outputs(&clone, 1)).join().unwrap();
    assert_eq!(found, expected);
}
