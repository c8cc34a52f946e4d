//! How long products take with other weights, on the values of a real run.

use std::sync::Arc;
use std::time::Instant;

use burn_flex::FlexTensor;

use crate::error::EngineError;
use crate::kernel::{Crew, Simd};
use crate::plan::program::{NodeKind, Product, Program};
use crate::run::plan::Prepared;
use crate::run::product::Path;
use crate::run::state::State;
use crate::run::step::{Memory, Step, Work};
use crate::run::threads::Threads;
use crate::run::weights::{NodeWeights, WeightSet};

/// Measured runs of one product: at least, and at most.
const RUNS: [usize; 2] = [3, 10];

/// Seconds after which no more are made than have to be.
const ENOUGH: f64 = 4e-3;

/// A product whose input is there, so that it can be run.
pub(crate) struct Candidate<'a> {
    pub node: usize,
    pub product: &'a Product,
    /// The weight that it has so far.
    pub weights: Arc<NodeWeights>,
    /// The loop that it has so far.
    pub path: Path,
    /// Of one image.
    pub positions: usize,
    time: &'a mut dyn FnMut(&Arc<NodeWeights>, Path) -> f64,
}

impl Candidate<'_> {
    /// The seconds of the fastest run with this weight.
    pub(crate) fn seconds(&mut self, weights: &Arc<NodeWeights>, path: Path) -> f64 {
        (self.time)(weights, path)
    }
}

/// Runs a program step by step; `choose` sees each product when its input is there.
pub(crate) fn measure(
    program: &Program,
    weights: &WeightSet,
    batch: usize,
    inputs: Vec<FlexTensor>,
    threads: &Threads,
    mut choose: impl FnMut(Candidate<'_>),
) -> Result<(), EngineError> {
    let prepared = Prepared::new(program, batch);
    let builder = prepared.builder(program, weights, batch);
    let plan = prepared.plan(program, weights, batch)?;
    let mut state = State::new();
    plan.fill(&mut state, inputs, threads);
    let simd = Simd::best();
    let (team, mut memory) = state.parts();
    for (step, draft) in plan.steps().iter().zip(&prepared.draft.steps) {
        step.prepare(memory.tensors);
        let crew = threads.gather(team, if step.is_burn() { 1 } else { threads.count() });
        if let Work::Product(work) = &step.work
            && let Some(node) = step.node
            && let NodeKind::Product(product) = &program.nodes[node].kind
        {
            let mut time = |weights: &Arc<NodeWeights>, path: Path| {
                let step = builder.with_weights(draft, weights, path);
                step.map_or(f64::INFINITY, |step| {
                    fastest(&step, &mut memory, &crew, simd)
                })
            };
            choose(Candidate {
                node,
                product,
                weights: Arc::clone(&work.weights),
                path: work.path,
                positions: step.write.planes().height * step.write.planes().width,
                time: &mut time,
            });
        }
        // It may free what it has read.
        step.run(&mut memory, &crew, simd)?;
    }
    Ok(())
}

fn fastest(step: &Step, memory: &mut Memory<'_>, crew: &Crew<'_>, simd: Simd) -> f64 {
    let begin = Instant::now();
    let mut best = f64::INFINITY;
    // The first run only brings the weight into the cache.
    for run in 0..=RUNS[1] {
        if run > RUNS[0] && begin.elapsed().as_secs_f64() > ENOUGH {
            break;
        }
        let start = Instant::now();
        if step.run(memory, crew, simd).is_err() {
            return f64::INFINITY;
        }
        if run > 0 {
            best = best.min(start.elapsed().as_secs_f64());
        }
    }
    best
}
