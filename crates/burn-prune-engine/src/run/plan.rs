use std::time::Instant;

use burn_flex::FlexTensor;

use crate::error::EngineError;
use crate::kernel::Simd;
use crate::plan::program::{Program, ValueId};
use crate::run::build::Builder;
use crate::run::draft::Draft;
use crate::run::memory::Memory;
use crate::run::sizes::Sizes;
use crate::run::state::State;
use crate::run::step::{Step, Where, Work};
use crate::run::threads::Threads;
use crate::run::weights::WeightSet;

/// Work that takes less is done by the calling thread alone: waking others would cost more.
const WORTH_A_TEAM: f64 = 60_000.0;

/// The steps of a program at one batch size.
#[derive(Debug)]
pub(crate) struct Plan {
    steps: Vec<Step>,
    /// Runs of steps that are all Burn's or all ours.
    stretches: Vec<Stretch>,
    inputs: Vec<ValueId>,
    outputs: Vec<ValueId>,
    constants: Vec<(ValueId, FlexTensor)>,
    values: usize,
    /// Values of the arena.
    memory: usize,
}

/// Steps one after the other that are run by one team.
#[derive(Debug)]
struct Stretch {
    steps: std::ops::Range<usize>,
    nanoseconds: f64,
}

impl Stretch {
    /// How many threads are worth it.
    fn threads(&self, threads: &Threads) -> usize {
        if self.nanoseconds < WORTH_A_TEAM {
            1
        } else {
            threads.count()
        }
    }
}

impl Plan {
    /// Plans a run at this batch size.
    ///
    /// # Errors
    ///
    /// What Burn's steps cannot be made of.
    pub(crate) fn new(
        program: &Program,
        weights: &WeightSet,
        batch: usize,
    ) -> Result<Self, EngineError> {
        Prepared::new(program, batch).plan(program, weights, batch)
    }

    /// Its steps, in their order.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Bytes of buffers that a run needs.
    pub(crate) fn buffer_bytes(&self) -> usize {
        self.memory * size_of::<f32>()
    }

    /// Runs the steps on inputs of the shapes that it is planned for.
    ///
    /// # Errors
    ///
    /// What Burn's steps report.
    pub(crate) fn run(
        &self,
        state: &mut State,
        inputs: impl IntoIterator<Item = FlexTensor>,
        threads: &Threads,
    ) -> Result<Vec<FlexTensor>, EngineError> {
        self.fill(state, inputs, threads);
        let result = self.run_stretches(state, threads, |run| run());
        let outputs = self
            .outputs
            .iter()
            .map(|value| state.tensors[value.0].clone())
            .collect::<Option<Vec<_>>>();
        // What an error has left is not kept alive.
        state.tensors.fill(None);
        result?;
        Ok(outputs.expect("each output is made by a step or is an input"))
    }

    /// Makes a state large enough, and puts there what is known before the first step.
    pub(super) fn fill(
        &self,
        state: &mut State,
        inputs: impl IntoIterator<Item = FlexTensor>,
        threads: &Threads,
    ) {
        state.fit(self.memory, self.values, threads.count());
        for (value, tensor) in &self.constants {
            state.tensors[value.0] = Some(tensor.clone());
        }
        for (value, tensor) in self.inputs.iter().zip(inputs) {
            state.tensors[value.0] = Some(tensor);
        }
    }

    /// Runs the steps as [`run`](Self::run) does, and says how many seconds each took. Waking the helping threads is
    /// not counted.
    ///
    /// # Errors
    ///
    /// What Burn's steps report.
    pub(crate) fn profile(
        &self,
        state: &mut State,
        inputs: impl IntoIterator<Item = FlexTensor>,
        threads: &Threads,
    ) -> Result<Vec<f64>, EngineError> {
        self.fill(state, inputs, threads);
        let mut seconds = Vec::with_capacity(self.steps.len());
        let result = self.run_stretches(state, threads, |run| {
            let start = Instant::now();
            let result = run();
            seconds.push(start.elapsed().as_secs_f64());
            result
        });
        state.tensors.fill(None);
        result.map(|()| seconds)
    }

    /// Runs all steps, each inside of `around`.
    fn run_stretches(
        &self,
        state: &mut State,
        threads: &Threads,
        mut around: impl FnMut(&mut dyn FnMut() -> Result<(), EngineError>) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let simd = Simd::best();
        for stretch in &self.stretches {
            let steps = &self.steps[stretch.steps.clone()];
            for step in steps {
                step.prepare(&mut state.tensors);
            }
            let (team, mut memory) = state.parts();
            let crew = threads.gather(team, stretch.threads(threads));
            for step in steps {
                around(&mut || step.run(&mut memory, &crew, simd))?;
            }
        }
        Ok(())
    }
}

/// What is known of a plan before its steps are made.
pub(super) struct Prepared {
    sizes: Sizes,
    pub(super) draft: Draft,
    memory: Memory,
}

impl Prepared {
    pub(super) fn new(program: &Program, batch: usize) -> Self {
        let sizes = Sizes::new(program, batch);
        let draft = Draft::new(program, &sizes);
        let memory = Memory::plan(&draft);
        Self {
            sizes,
            draft,
            memory,
        }
    }

    pub(super) fn builder<'a>(
        &'a self,
        program: &'a Program,
        weights: &'a WeightSet,
        batch: usize,
    ) -> Builder<'a> {
        Builder {
            program,
            weights,
            sizes: &self.sizes,
            draft: &self.draft,
            memory: &self.memory,
            batch,
        }
    }

    pub(super) fn plan(
        &self,
        program: &Program,
        weights: &WeightSet,
        batch: usize,
    ) -> Result<Plan, EngineError> {
        let mut steps = self.builder(program, weights, batch).steps()?;
        let constants: Vec<(ValueId, FlexTensor)> = program
            .values
            .iter()
            .enumerate()
            .filter_map(|(at, value)| {
                let tensor = value.constant.clone()?;
                Some((ValueId(at), tensor))
            })
            .collect();
        let is_kept = |value: ValueId| {
            program.outputs.contains(&value) || program.values[value.0].constant.is_some()
        };
        find_last_uses(&mut steps, program, is_kept);
        Ok(Plan {
            stretches: stretches(&steps),
            steps,
            inputs: program.inputs.clone(),
            outputs: program.outputs.clone(),
            constants,
            values: program.values.len(),
            memory: self.memory.len,
        })
    }
}

/// Cuts where steps of Burn begin or end: these use the same threads in their own way.
fn stretches(steps: &[Step]) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        match stretches.last_mut() {
            Some(last) if steps[last.steps.start].is_burn() == step.is_burn() => {
                last.steps.end = at + 1;
                last.nanoseconds += step.nanoseconds;
            }
            _ => stretches.push(Stretch {
                steps: at..at + 1,
                nanoseconds: step.nanoseconds,
            }),
        }
    }
    stretches
}

/// Marks the step after which a tensor of Burn is not needed any more.
fn find_last_uses(steps: &mut [Step], program: &Program, is_kept: impl Fn(ValueId) -> bool) {
    let mut seen = vec![false; program.values.len()];
    for step in steps.iter_mut().rev() {
        let mut used = Vec::new();
        for read in &step.reads {
            if let Where::Tensor(tensor) = read {
                used.push(tensor.value);
            }
        }
        match (&step.work, step.node) {
            (Work::Reshape { from, .. }, _) => used.push(*from),
            (Work::Burn(_), Some(node)) => {
                used.extend(&program.nodes[node].inputs);
                used.extend(&program.nodes[node].outputs);
            }
            _ => {}
        }
        for value in used {
            if !seen[value.0] && !is_kept(value) {
                step.last_uses.push(value);
            }
            seen[value.0] = true;
        }
    }
}
