use std::cell::RefCell;
use std::fmt;

use burn::data::dataloader::DataLoaderBuilder;
use burn::module::Module;
use burn::optim::{AdamConfig, ModuleOptimizer};
use burn::tensor::Device;
use burn::train::{ClassificationOutput, TrainOutput, TrainStep};
use burn_prune::{Prunable, Pruning, Recipe, TrainingLength};
use examples_shared::{Cnn, ImageBatch, ImageBatcher, Images, accuracy};
use kdam::{Bar, BarExt};

const BATCH_SIZE: usize = 64;
const LEARNING_RATE: f64 = 1e-3;

/// What all trainings have in common.
pub(crate) struct Training<'a> {
    pub train: &'a Images,
    pub test: &'a Images,
    pub batcher: &'a ImageBatcher,
    /// Steps of all trainings.
    pub progress: &'a RefCell<Bar>,
    pub shows: Shows,
}

/// How the progress of trainings is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shows {
    /// As a bar, in a terminal.
    Bar,
    /// As one line an epoch.
    Lines,
}

/// What the lines of a training say that it is.
#[derive(Clone, Copy)]
pub(crate) struct Name<'a> {
    pub seed: u64,
    pub method: &'a str,
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}, {}", self.seed, self.method)
    }
}

impl Training<'_> {
    pub(crate) fn length(&self, epochs: usize) -> TrainingLength {
        TrainingLength {
            epochs,
            steps_per_epoch: self.train.len().div_ceil(BATCH_SIZE),
        }
    }

    /// Trains a model as it is, masked or not.
    pub(crate) fn plain(&self, name: Name<'_>, model: Cnn, epochs: usize) -> Cnn {
        let sparsity = |model: &Cnn| model.sparsity_report().sparsity();
        self.each_batch(name, model, epochs, sparsity, |model, optimizer, batch| {
            let TrainOutput { grads, item } = TrainStep::step(&model, batch);
            (model.optimize(optimizer, LEARNING_RATE.into(), grads), item)
        })
    }

    /// Trains a model while the recipe prunes it.
    pub(crate) fn pruning(
        &self,
        name: Name<'_>,
        model: Cnn,
        recipe: &Recipe,
        epochs: usize,
    ) -> Result<Cnn, burn_prune::PruneError> {
        let pruning = recipe.wrap(model, self.length(epochs))?;
        let step = |pruning: Pruning<Cnn>, optimizer: &mut ModuleOptimizer, batch| {
            let TrainOutput { grads, item } = TrainStep::step(&pruning, batch);
            let pruning = pruning.optimize(optimizer, LEARNING_RATE.into(), grads);
            (pruning, item)
        };
        let pruning = self.each_batch(name, pruning, epochs, Pruning::sparsity, step);
        Ok(pruning.into_inner())
    }

    fn each_batch<M>(
        &self,
        name: Name<'_>,
        mut model: M,
        epochs: usize,
        sparsity: impl Fn(&M) -> f64,
        step: impl Fn(M, &mut ModuleOptimizer, ImageBatch) -> (M, ClassificationOutput),
    ) -> M {
        let loader = DataLoaderBuilder::new(self.batcher.clone())
            .batch_size(BATCH_SIZE)
            .shuffle(name.seed)
            .set_device(Device::flex().autodiff())
            .build(self.train.clone());
        let mut optimizer = AdamConfig::new().init();
        for epoch in 1..=epochs {
            let mut seen = Seen::default();
            for batch in loader.iter() {
                let output;
                let batch = batch.expect("images are in memory");
                (model, output) = step(model, &mut optimizer, batch);
                seen.add(output);
                // A bar that cannot be drawn is no reason to stop.
                drop(self.progress.borrow_mut().update(1));
            }
            if self.shows == Shows::Lines {
                let sparsity = 100.0 * sparsity(&model);
                println!("{name}: epoch {epoch}/{epochs}: {seen}, sparsity {sparsity:.2} %");
            }
        }
        model
    }

    /// On the test images, as a model without masks.
    pub(crate) fn accuracy(&self, model: &Cnn) -> f64 {
        let model = model.valid();
        let model = if model.is_pruned() {
            let permanent = model.make_permanent();
            permanent.expect("it has masks and nothing else")
        } else {
            model
        };
        accuracy(&model, self.test, self.batcher, &Device::flex())
    }
}

/// Sums over the batches of an epoch.
#[derive(Default)]
struct Seen {
    images: f64,
    loss: f64,
    correct: f64,
}

impl Seen {
    fn add(&mut self, output: ClassificationOutput) {
        let images = output.targets.dims()[0] as f64;
        let predicted = output.output.argmax(1).flatten(0, 1);
        let correct = predicted.equal(output.targets).int().sum();
        self.images += images;
        self.loss += images * output.loss.into_scalar::<f64>();
        self.correct += correct.into_scalar::<i64>() as f64;
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let loss = self.loss / self.images;
        let accuracy = 100.0 * self.correct / self.images;
        write!(f, "loss {loss:.4}, accuracy {accuracy:.2} %")
    }
}
