use std::cell::RefCell;

use burn::data::dataloader::DataLoaderBuilder;
use burn::module::Module;
use burn::optim::{AdamConfig, ModuleOptimizer};
use burn::tensor::Device;
use burn::train::TrainStep;
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
}

impl Training<'_> {
    pub(crate) fn run(&self, epochs: usize) -> TrainingLength {
        TrainingLength {
            epochs,
            steps_per_epoch: self.train.len().div_ceil(BATCH_SIZE),
        }
    }

    /// Trains a model as it is, masked or not.
    pub(crate) fn plain(&self, model: Cnn, epochs: usize, seed: u64) -> Cnn {
        self.each_batch(model, epochs, seed, |model, optimizer, batch| {
            let output = TrainStep::step(&model, batch);
            model.optimize(optimizer, LEARNING_RATE.into(), output.grads)
        })
    }

    /// Trains a model while the recipe prunes it.
    pub(crate) fn pruning(
        &self,
        model: Cnn,
        recipe: &Recipe,
        epochs: usize,
        seed: u64,
    ) -> Result<Cnn, burn_prune::PruneError> {
        let pruning = recipe.wrap(model, self.run(epochs))?;
        let pruning: Pruning<Cnn> =
            self.each_batch(pruning, epochs, seed, |pruning, optimizer, batch| {
                let output = TrainStep::step(&pruning, batch);
                pruning.optimize(optimizer, LEARNING_RATE.into(), output.grads)
            });
        Ok(pruning.into_inner())
    }

    fn each_batch<M>(
        &self,
        mut model: M,
        epochs: usize,
        seed: u64,
        step: impl Fn(M, &mut ModuleOptimizer, ImageBatch) -> M,
    ) -> M {
        let loader = DataLoaderBuilder::new(self.batcher.clone())
            .batch_size(BATCH_SIZE)
            .shuffle(seed)
            .set_device(Device::flex().autodiff())
            .build(self.train.clone());
        let mut optimizer = AdamConfig::new().init();
        for _ in 0..epochs {
            for batch in loader.iter() {
                model = step(model, &mut optimizer, batch.expect("images are in memory"));
                // A bar that cannot be drawn is no reason to stop.
                drop(self.progress.borrow_mut().update(1));
            }
        }
        model
    }

    /// On the test images, as a model without masks.
    pub(crate) fn accuracy(&self, model: &Cnn) -> f64 {
        let model = model.valid();
        let model = match model.is_pruned() {
            true => model
                .make_permanent()
                .expect("it has masks and nothing else"),
            false => model,
        };
        accuracy(&model, self.test, self.batcher, &Device::flex())
    }
}
