use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataloader::batcher::Batcher;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
use burn_prune::{Allocation, Magnitude, MaskMode, Prunable, PruneError, Pruner};
use examples_shared::{ImageBatch, ImageBatcher, Images};

use crate::nets::Classifier;

const BATCH_SIZE: usize = 64;
const LEARNING_RATE: f64 = 1e-3;
/// Images that are classified at once.
pub(crate) const PART: usize = 500;

/// What all trainings have in common.
pub(crate) struct Training<'a> {
    pub train: &'a Images,
    pub test: &'a Images,
    pub batcher: &'a ImageBatcher,
    pub seed: u64,
}

impl Training<'_> {
    /// Trains a model with Adam. Pruned weights stay at zero.
    pub(crate) fn run<M: Classifier>(&self, name: &str, mut model: M, epochs: usize) -> M {
        let device = Device::flex().autodiff();
        let loader = DataLoaderBuilder::new(self.batcher.clone())
            .batch_size(BATCH_SIZE)
            .shuffle(self.seed)
            .set_device(device.clone())
            .build(self.train.clone());
        let mut optimizer = AdamConfig::new().init();
        let loss = CrossEntropyLossConfig::new().init(&device);
        for epoch in 1..=epochs {
            let mut total = 0.0;
            let mut batches = 0;
            for batch in loader.iter() {
                let batch: ImageBatch = batch.expect("images are in memory");
                let loss = loss.forward(model.classify(batch.images), batch.labels);
                total += loss.clone().into_scalar::<f64>();
                batches += 1;
                let gradients = GradientsParams::from_grads(loss.backward(), &model);
                model = optimizer
                    .step(LEARNING_RATE, model, gradients)
                    .zero_pruned();
            }
            let loss = total / f64::from(batches);
            println!(
                "{}, {name}: epoch {epoch}/{epochs}: loss {loss:.4}",
                M::NAME
            );
        }
        model
    }

    /// Prunes single weights with the smallest magnitude, ranked over the whole model, and trains on.
    pub(crate) fn prune<M: Classifier>(
        &self,
        model: M,
        sparsity: f64,
        epochs: usize,
    ) -> Result<M, PruneError> {
        let pruner = Pruner::new(Magnitude::l1())
            .allocation(Allocation::Global)
            .to_sparsity(sparsity);
        let model = model.prune(&pruner)?.with_mask_mode(MaskMode::AfterStep)?;
        Ok(self.run(&format!("{:.0} % pruned", 100.0 * sparsity), model, epochs))
    }

    /// The fraction of test images that are classified correctly.
    pub(crate) fn accuracy(&self, classify: impl Fn(Tensor<4>) -> Tensor<2>) -> f64 {
        let mut correct = 0;
        for start in (0..self.test.len()).step_by(PART) {
            let items = self.test.items(start..self.test.len().min(start + PART));
            let ImageBatch { images, labels } = self.batcher.batch(items, &Device::flex());
            let predicted = classify(images).argmax(1).flatten(0, 1);
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
