use std::error::Error;

use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Int, Tensor};
use burn_prune::lottery::{CellTraining, LearningCurve, Trained};
use burn_prune::{MaskMode, Prunable, PruneError};
use serde::Serialize;

use crate::data::{Batches, Data, Set};
use crate::nets::Classifier;

/// How a network is trained: all that affects the numbers besides the data and the seed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Training {
    pub network: &'static str,
    pub optimizer: Optimizer,
    pub batch_size: usize,
    /// The learning rate from each of these steps on.
    pub learning_rates: Vec<(usize, f64)>,
    /// Iterations between validations.
    pub validate_every: usize,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) enum Optimizer {
    /// Kingma and Ba's constants, as in the paper; Burn's own epsilon is 1e-5.
    Adam {
        beta_1: f32,
        beta_2: f32,
        epsilon: f32,
    },
    SgdWithMomentum {
        momentum: f64,
    },
}

impl Optimizer {
    fn init(self) -> ModuleOptimizer {
        match self {
            Self::Adam {
                beta_1,
                beta_2,
                epsilon,
            } => AdamConfig::new()
                .with_beta_1(beta_1)
                .with_beta_2(beta_2)
                .with_epsilon(epsilon)
                .init(),
            Self::SgdWithMomentum { momentum } => {
                let momentum = MomentumConfig::new().with_momentum(momentum);
                SgdConfig::new().with_momentum(Some(momentum)).init()
            }
        }
    }
}

impl Training {
    fn learning_rate(&self, step: usize) -> f64 {
        let rates = self.learning_rates.iter();
        let begun = rates.take_while(|(from, _)| *from <= step);
        begun.last().map_or(0.0, |(_, rate)| *rate)
    }

    /// Trains a cell to the end, and remembers the weights with the lowest validation loss.
    pub(crate) fn run<M: Classifier>(
        &self,
        data: &Data,
        cell: &CellTraining<'_>,
        model: M,
    ) -> Result<Trained<M>, Box<dyn Error + Send + Sync>> {
        // Zeroing after each step costs less than masking at every read.
        let mut model = if model.is_pruned() {
            let zeroed = model.with_mask_mode(MaskMode::AfterStep);
            zeroed.map_err(PruneError::from)?
        } else {
            model
        };
        let mut batches = Batches::new(&data.train, self.batch_size, cell.seed());
        let mut optimizer = self.optimizer.init();
        let mut curve = LearningCurve::new();
        let mut best = None;
        let last = cell.schedule().end;
        for step in cell.schedule() {
            let Set { pixels, labels } = batches.at(step);
            let labels = on_device(labels, &Device::flex().autodiff());
            let output = model.scores(Tensor::from_inner(pixels));
            let loss = CrossEntropyLossConfig::new().init(&output.device());
            let loss = loss.forward(output, labels);
            let grads = GradientsParams::from_grads(loss.backward(), &model);
            model = optimizer
                .step(self.learning_rate(step), model, grads)
                .zero_pruned();
            let done = step + 1;
            cell.after_step(done, &model);
            let trained = done - cell.schedule().start;
            if trained.is_multiple_of(self.validate_every) || done == last {
                // Not a clone: running statistics would go on changing in it.
                let now = model.valid();
                if curve.push(done, loss_on(&now, &data.validation)) {
                    best = Some(now);
                }
            }
        }
        let test_accuracy = best.map_or(0.0, |best| accuracy_on(&best, &data.test));
        Ok(Trained {
            model,
            curve,
            test_accuracy,
        })
    }
}

/// Integers have no inner tensor; they are copied.
fn on_device(labels: Tensor<1, Int>, device: &Device) -> Tensor<1, Int> {
    Tensor::from_data(labels.into_data(), device)
}

const PART: usize = 1000;

fn loss_on<M: Classifier>(model: &M, set: &Set) -> f64 {
    let losses = set.parts(PART).map(|part| {
        let output = model.scores(part.pixels);
        let loss = CrossEntropyLossConfig::new().init(&output.device());
        let count = part.labels.dims()[0] as f64;
        count * loss.forward(output, part.labels).into_scalar::<f64>()
    });
    losses.sum::<f64>() / set.len() as f64
}

fn accuracy_on<M: Classifier>(model: &M, set: &Set) -> f64 {
    let correct = set.parts(PART).map(|part| {
        let predicted = model.scores(part.pixels).argmax(1).flatten(0, 1);
        predicted
            .equal(part.labels)
            .int()
            .sum()
            .into_scalar::<i64>()
    });
    correct.sum::<i64>() as f64 / set.len() as f64
}
