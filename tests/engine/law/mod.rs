//! The law: for each output tensor, the engine differs from Burn by at most 1e-5 of the largest value;
//! where it differs more, it is at most twice as far from the outputs in double precision as Burn is.

mod architectures;
mod precisions;
mod sequences;

use burn::module::Module;

use crate::common::compile;
use crate::signals::{Inputs, Outputs, difference, largest};
use crate::trained::{doubled, masked, trained};

/// Says what was tried when something panics.
struct Case(String);

impl Drop for Case {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

/// Batches of the examples that engines are compiled with, and of others.
const BATCHES: [usize; 2] = [1, 3];

/// Holds an engine to the law: no, some, most and all weights zero; one thread and two; the batch of the
/// example and another one; small, usual and large inputs.
fn check<M: Module, I: Inputs, O: Outputs>(
    model: M,
    input: impl Fn(usize) -> I,
    forward: impl Fn(&M, I) -> O + Copy,
) {
    let model = trained(model, 1);
    for sparsity in [0.0, 0.5, 0.9, 1.0] {
        let model = masked(&model, sparsity, 2);
        let dense = model.valid().materialize();
        let exact = doubled(&model);
        let engine = compile(&model, input(BATCHES[0]), forward, 1);
        let engines = [engine.clone(), engine.with_threads(2)];
        for batch in BATCHES {
            for scale in [1e-3, 1.0, 1e3] {
                let _case = Case(format!("{sparsity} zeros, batch {batch}, inputs x {scale}"));
                let x = input(batch).scaled(scale);
                let expected = forward(&dense, x.clone()).values();
                assert!(sparsity == 1.0 || expected.iter().all(|values| largest(values) > 0.0));
                let found = engines
                    .each_ref()
                    .map(|engine| engine.run(x.clone()).unwrap().values());
                assert_eq!(
                    found[0], found[1],
                    "another number of threads, other outputs"
                );
                judge(&found[0], &expected, || {
                    forward(&exact, x.clone().doubled()).values()
                });
            }
        }
    }
}

/// Compares each output tensor with that of Burn, and with that in double precision where it has to be.
pub(crate) fn judge(
    found: &[Vec<f64>],
    expected: &[Vec<f64>],
    exact: impl FnOnce() -> Vec<Vec<f64>>,
) {
    let is_close = |found: &Vec<f64>, expected: &Vec<f64>| {
        difference(found, expected) <= 1e-5 * largest(expected)
    };
    assert_eq!(found.len(), expected.len());
    let mut pairs = found.iter().zip(expected);
    if pairs.all(|(found, expected)| is_close(found, expected)) {
        return;
    }
    for ((found, expected), exact) in found.iter().zip(expected).zip(&exact()) {
        if is_close(found, expected) {
            continue;
        }
        let [ours, burns] = [found, expected].map(|values| difference(values, exact));
        assert!(
            ours <= 2.0 * burns,
            "off by {ours:e}, Burn by {burns:e}, where the largest is {:e}: {:?} instead of {:?}",
            largest(expected),
            &found[..found.len().min(8)],
            &expected[..expected.len().min(8)],
        );
    }
}
