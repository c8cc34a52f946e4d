use std::cell::RefCell;

use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataloader::batcher::Batcher;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
use burn_prune::Prunable;
use examples_shared::{ImageBatch, ImageBatcher, Images};
use kdam::{Bar, BarExt};

use crate::net::Net;

const BATCH_SIZE: usize = 64;
/// Images that are classified at once.
const PART: usize = 500;

/// What all trainings have in common.
pub(crate) struct Training<'a> {
    pub train: &'a Images,
    pub test: &'a Images,
    pub batcher: &'a ImageBatcher,
    pub seed: u64,
    /// Steps of all trainings.
    pub progress: &'a RefCell<Bar>,
}

impl Training<'_> {
    pub(crate) fn steps(&self, epochs: usize) -> usize {
        epochs * self.train.len().div_ceil(BATCH_SIZE)
    }

    /// Trains a model with Adam. The zeros of a masked one are put back after each step.
    pub(crate) fn run(&self, mut model: Net, epochs: usize, learning_rate: f64) -> Net {
        let device = Device::flex().autodiff();
        let loader = DataLoaderBuilder::new(self.batcher.clone())
            .batch_size(BATCH_SIZE)
            .shuffle(self.seed)
            .set_device(device.clone())
            .build(self.train.clone());
        let loss = CrossEntropyLossConfig::new().init(&device);
        let mut optimizer = AdamConfig::new().init();
        for _ in 0..epochs {
            for batch in loader.iter() {
                let ImageBatch { images, labels } = batch.expect("images are in memory");
                let loss = loss.forward(model.forward(images), labels);
                let grads = GradientsParams::from_grads(loss.backward(), &model);
                model = optimizer.step(learning_rate, model, grads).zero_pruned();
                // A bar that cannot be drawn is no reason to stop.
                drop(self.progress.borrow_mut().update(1));
            }
        }
        model
    }

    /// The fraction of test images that a model in evaluation mode classifies correctly.
    pub(crate) fn accuracy(&self, model: &Net) -> f64 {
        let mut correct = 0;
        for start in (0..self.test.len()).step_by(PART) {
            let end = self.test.len().min(start + PART);
            let items = self.test.items(start..end);
            let ImageBatch { images, labels } = self.batcher.batch(items, &Device::flex());
            let predicted = model.forward(images).argmax(1).flatten(0, 1);
            let right = predicted.equal(labels).int().sum();
            correct += right.into_scalar::<i64>();
        }
        correct as f64 / self.test.len() as f64
    }

    /// The first test images, `[count, 1, 28, 28]`.
    pub(crate) fn examples(&self, count: usize) -> Tensor<4> {
        let items = self.test.items(0..count.min(self.test.len()));
        self.batcher.batch(items, &Device::flex()).images
    }
}
