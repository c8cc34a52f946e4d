//! What an engine does, step by step, for people and for tests.

mod display;
mod step_name;

use std::collections::BTreeSet;

use crate::format::FormatKind;
use crate::plan::multiply_adds::multiply_adds;
use crate::plan::program::{NodeKind, Program};
use crate::run::{Plan, Step, WeightSet, Where, Work};

/// What a compiled model does at one batch size, step by step.
///
/// Shown as a table.
///
/// ```
/// # use burn::nn::LinearConfig;
/// # use burn::tensor::{Device, Tensor};
/// # use burn_prune_engine::SparseEngine;
/// # let device = Device::flex();
/// # let model = LinearConfig::new(8, 4).init(&device);
/// # let x = Tensor::<2>::ones([3, 8], &device);
/// let engine = SparseEngine::compile(&model, x, |model, x| model.forward(x))?;
/// let plan = engine.plan();
/// assert_eq!((plan.batch, plan.border_crossings), (3, 2));
/// assert!(plan.to_string().contains("batch 3: the engine runs 100.00% of 96 multiply-adds"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PlanReport {
    /// The batch size.
    pub batch: usize,
    /// The steps in their order.
    pub steps: Vec<PlanStep>,
    /// Tensors that are handed to Burn or taken from it, inputs and outputs of the model included.
    pub border_crossings: usize,
    /// Bytes of the packed weights.
    pub weight_bytes: usize,
    /// Bytes of the same weights, dense, in `f32`.
    pub dense_bytes: usize,
    /// Bytes of the buffers that a run needs.
    pub buffer_bytes: usize,
}

/// One step of a [`PlanReport`].
///
/// ```
/// # use burn::nn::LinearConfig;
/// # use burn::tensor::{Device, Tensor};
/// # use burn_prune_engine::SparseEngine;
/// # let device = Device::flex();
/// # let model = LinearConfig::new(8, 4).init(&device);
/// # let x = Tensor::<2>::ones([3, 8], &device);
/// let engine = SparseEngine::compile(&model, x, |model, x| model.forward(x))?;
/// let plan = engine.plan();
/// let step = plan.steps.iter().find(|step| step.weight.is_some()).unwrap();
/// assert_eq!((step.name.as_str(), step.multiply_adds), ("weight", 3 * 8 * 4));
/// assert_eq!(step.shape, [3, 4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PlanStep {
    /// The parameter path of its weight, or the name of its operation.
    pub name: String,
    /// What it does, as `convolution 3x3/2` or `phases`.
    pub operation: String,
    /// Who runs it.
    pub runner: Runner,
    /// Of its output, as in Burn; empty where the output is no tensor of the model.
    pub shape: Vec<usize>,
    /// Multiply-adds of the dense operation.
    pub multiply_adds: u64,
    /// Of a product.
    pub weight: Option<PlanWeight>,
    /// How long it took, in a report of a run.
    pub seconds: Option<f64>,
}

/// Who runs a step.
///
/// ```
/// # use burn::nn::LinearConfig;
/// # use burn::tensor::{Device, Tensor};
/// # use burn::tensor::activation::softmax;
/// use burn_prune_engine::{Runner, SparseEngine};
/// # let device = Device::flex();
/// # let model = LinearConfig::new(8, 4).init(&device);
/// # let x = Tensor::<2>::ones([3, 8], &device);
/// let forward = |model: &burn::nn::Linear, x| softmax(model.forward(x), 1);
/// let engine = SparseEngine::compile(&model, x, forward)?;
/// let plan = engine.plan();
/// let softmax = plan.steps.iter().filter(|step| step.runner == Runner::Burn);
/// assert!(softmax.count() > 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Runner {
    /// The engine.
    Engine,
    /// Burn, on flex.
    Burn,
}

/// The weight of a [`PlanStep`].
///
/// ```
/// # use burn::nn::LinearConfig;
/// # use burn::tensor::{Device, Tensor};
/// # use burn_prune_engine::SparseEngine;
/// # let device = Device::flex();
/// # let model = LinearConfig::new(8, 4).init(&device);
/// # let x = Tensor::<2>::ones([3, 8], &device);
/// let engine = SparseEngine::compile(&model, x, |model, x| model.forward(x))?;
/// let plan = engine.plan();
/// let weight = plan.steps.iter().find_map(|step| step.weight).unwrap();
/// assert_eq!((weight.sparsity, weight.dense_bytes), (0.0, 4 * 8 * 4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct PlanWeight {
    /// How it is packed; none for a depthwise one, which is dense.
    pub format: Option<FormatKind>,
    /// The share of its values that is 0.
    pub sparsity: f64,
    /// Of memory.
    pub bytes: usize,
    /// Of the dense weight in `f32`.
    pub dense_bytes: usize,
    /// How much faster it was than the dense product when the format was chosen; none where nothing
    /// was measured.
    pub gain: Option<f64>,
}

impl PlanReport {
    pub(crate) fn new(program: &Program, plan: &Plan, weights: &WeightSet, batch: usize) -> Self {
        let steps: Vec<PlanStep> = plan
            .steps()
            .iter()
            .map(|step| describe(program, step, batch))
            .collect();
        Self {
            batch,
            steps,
            border_crossings: border_crossings(plan),
            weight_bytes: weights.bytes(),
            dense_bytes: weights.dense_bytes(),
            buffer_bytes: plan.buffer_bytes(),
        }
    }

    /// With the seconds of each step.
    pub(crate) fn timed(mut self, seconds: &[f64]) -> Self {
        for (step, &seconds) in self.steps.iter_mut().zip(seconds) {
            step.seconds = Some(seconds);
        }
        self
    }

    /// Multiply-adds of all steps, zeros included.
    ///
    /// ```
    /// # use burn::nn::LinearConfig;
    /// # use burn::tensor::{Device, Tensor};
    /// # use burn_prune_engine::SparseEngine;
    /// # let device = Device::flex();
    /// # let model = LinearConfig::new(8, 4).init(&device);
    /// # let x = Tensor::<2>::ones([3, 8], &device);
    /// let engine = SparseEngine::compile(&model, x, |model, x| model.forward(x))?;
    /// assert_eq!(engine.plan().multiply_adds(), 3 * 8 * 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn multiply_adds(&self) -> u64 {
        self.steps.iter().map(|step| step.multiply_adds).sum()
    }

    /// The share of the multiply-adds that the engine runs itself, in `[0, 1]`; 1 where there are
    /// none.
    ///
    /// ```
    /// # use burn::nn::LinearConfig;
    /// # use burn::tensor::{Device, Tensor};
    /// # use burn_prune_engine::SparseEngine;
    /// # let device = Device::flex();
    /// # let model = LinearConfig::new(8, 4).init(&device);
    /// # let x = Tensor::<2>::ones([3, 8], &device);
    /// let engine = SparseEngine::compile(&model, x, |model, x| model.forward(x))?;
    /// assert_eq!(engine.plan().engine_share(), 1.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn engine_share(&self) -> f64 {
        let all = self.multiply_adds();
        if all == 0 {
            return 1.0;
        }
        let ours = self
            .steps
            .iter()
            .filter(|step| step.runner == Runner::Engine);
        ours.map(|step| step.multiply_adds).sum::<u64>() as f64 / all as f64
    }
}

fn describe(program: &Program, step: &Step, batch: usize) -> PlanStep {
    let node = step.node.map(|node| &program.nodes[node]);
    let product = node.and_then(|node| match &node.kind {
        NodeKind::Product(product) => Some(product),
        _ => None,
    });
    let (runner, operation) = match (&step.work, node.map(|node| &node.kind)) {
        (Work::Burn(_), _) => (Runner::Burn, "Burn".to_string()),
        (work, _) => (Runner::Engine, step_name::of(work, product)),
    };
    let is_result = step_name::is_result(&step.work);
    let output = node
        .filter(|_| is_result)
        .and_then(|node| node.outputs.first());
    let shape = output.map(|&output| program.values[output.0].at(batch));
    let shape = shape.unwrap_or_default();
    let weights = match &step.work {
        Work::Product(work) => Some(&work.weights),
        Work::Depthwise(work) => Some(&work.weights),
        _ => None,
    };
    let ours = product.filter(|_| weights.is_some()).map(|product| {
        shape.iter().map(|&size| size as u64).product::<u64>() * product.weight.columns as u64
    });
    PlanStep {
        name: node.map_or_else(|| "output".to_string(), |node| node.name.clone()),
        operation,
        runner,
        seconds: None,
        multiply_adds: match &step.work {
            Work::Burn(burn) => multiply_adds(burn.operation()),
            _ => ours.unwrap_or(0),
        },
        shape,
        weight: weights.map(|weights| PlanWeight {
            format: weights.format(),
            sparsity: weights.zeros(),
            bytes: weights.bytes(),
            dense_bytes: weights.values * size_of::<f32>(),
            gain: weights
                .trial()
                .map(|trial| trial.dense_seconds / trial.seconds),
        }),
    }
}

/// Tensors that our steps read from Burn, or write for it; each once.
fn border_crossings(plan: &Plan) -> usize {
    let (mut taken, mut handed) = (BTreeSet::new(), BTreeSet::new());
    for step in plan.steps() {
        for read in &step.reads {
            if let Where::Tensor(tensor) = read {
                taken.insert(tensor.value);
            }
        }
        if let Where::Tensor(tensor) = &step.write {
            handed.insert(tensor.value);
        }
    }
    taken.len() + handed.len()
}
