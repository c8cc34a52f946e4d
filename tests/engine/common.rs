//! Compiling, and small models.

use burn::module::Module;
use burn_prune_engine::{EngineTensors, SparseEngine};

/// An engine with so many threads.
pub(crate) fn compile<M: Module, I: EngineTensors, O: EngineTensors>(
    model: &M,
    example: I,
    forward: impl FnMut(&M, I) -> O,
    threads: usize,
) -> SparseEngine<I, O> {
    let builder = SparseEngine::builder().threads(threads);
    builder.compile(model, example, forward).unwrap()
}

/// So many cases, or as many times more as `BURN_PRUNE_TEST_SCALE` says.
pub(crate) fn cases(cases: u64) -> u64 {
    let scale = std::env::var("BURN_PRUNE_TEST_SCALE").ok();
    let scale = scale.map_or(1, |scale| {
        let scale = scale.parse::<u64>();
        scale.expect("BURN_PRUNE_TEST_SCALE is a whole number")
    });
    cases * scale
}
