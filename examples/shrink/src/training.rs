use std::path::{Path, PathBuf};

use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataloader::batcher::Batcher;
use burn::module::Module;
use burn::optim::AdamConfig;
use burn::tensor::{Device, Tensor};
use burn::train::checkpoint::KeepLastNCheckpoints;
use burn::train::metric::{AccuracyMetric, LossMetric};
use burn::train::{InferenceStep, Learner, LearnerModel, SupervisedTraining, TrainStep};
use burn_prune::{Pruning, SparsityMetric};
use examples_shared::{EpochLines, ImageBatch, ImageBatcher, Images};

use crate::net::Net;

const BATCH_SIZE: usize = 64;
/// Images that are classified at once.
const PART: usize = 500;

/// What all trainings have in common.
pub(crate) struct Training<'a> {
    pub train: &'a Images,
    pub test: &'a Images,
    /// Of the test images. They are shown while training, and nothing is chosen by them.
    pub shown: &'a Images,
    pub batcher: &'a ImageBatcher,
    pub seed: u64,
    /// The folder of logs and checkpoints.
    pub folder: PathBuf,
}

impl Training<'_> {
    pub(crate) fn steps_per_epoch(&self) -> usize {
        self.train.len().div_ceil(BATCH_SIZE)
    }

    /// Trains a model in Burn's `Learner` and returns it, ready for more training.
    pub(crate) fn run(&self, name: &str, model: Net, epochs: usize, learning_rate: f64) -> Net {
        println!("\n== {name}: {epochs} epochs");
        let training = self.supervised(name, epochs);
        launch(training, model, learning_rate).train()
    }

    /// Trains a model whose masks move, and leaves a checkpoint of the last epoch.
    pub(crate) fn pruning(
        &self,
        name: &str,
        pruning: Pruning<Net>,
        epochs: usize,
        learning_rate: f64,
    ) {
        println!("\n== {name}: {epochs} epochs, in which channels are pruned");
        let training = self
            .supervised(name, epochs)
            .metric_train_numeric(SparsityMetric::new(&pruning))
            .with_checkpointing_strategy(KeepLastNCheckpoints::new(1))
            .with_default_checkpointers();
        drop(launch(training, pruning, learning_rate));
    }

    /// Resumes the checkpoint of an epoch, and returns the model, ready for more training.
    pub(crate) fn resume(
        &self,
        name: &str,
        model: Net,
        epoch: usize,
        epochs: usize,
        learning_rate: f64,
    ) -> Net {
        println!("\n== {name}: from epoch {} to {epochs}", epoch + 1);
        let training = self
            .supervised(name, epochs)
            .with_checkpointing_strategy(KeepLastNCheckpoints::new(1))
            .with_default_checkpointers()
            .checkpoint(epoch);
        launch(training, model, learning_rate).train()
    }

    /// Where the checkpoints of a training are.
    pub(crate) fn checkpoints(&self, name: &str) -> PathBuf {
        self.folder(name).join("checkpoint")
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{}-{name}", self.seed))
    }

    fn supervised<M>(&self, name: &str, epochs: usize) -> SupervisedTraining<M>
    where
        M: LearnerModel + TrainStep<Input = ImageBatch> + InferenceStep<Input = ImageBatch>,
        M: TrainStep<Output = burn::train::ClassificationOutput>,
        M: InferenceStep<Output = burn::train::ClassificationOutput>,
    {
        let train = DataLoaderBuilder::new(self.batcher.clone())
            .batch_size(BATCH_SIZE)
            .shuffle(self.seed)
            .build(self.train.clone());
        let shown = DataLoaderBuilder::new(self.batcher.clone())
            .batch_size(PART)
            .build(self.shown.clone());
        SupervisedTraining::new(self.folder(name), train, shown)
            .metrics((LossMetric::new(), AccuracyMetric::new()))
            .num_epochs(epochs)
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
        examples(self.test, self.batcher, count)
    }
}

/// The first images, `[count, 1, 28, 28]`.
pub(crate) fn examples(images: &Images, batcher: &ImageBatcher, count: usize) -> Tensor<4> {
    let items = images.items(0..count.min(images.len()));
    batcher.batch(items, &Device::flex()).images
}

/// Trains with Adam; the model comes back in evaluation mode.
fn launch<M: LearnerModel>(training: SupervisedTraining<M>, model: M, learning_rate: f64) -> M {
    let learner = Learner::new(model, AdamConfig::new().init(), learning_rate);
    EpochLines::new()
        .unless_terminal(training)
        .launch(learner)
        .model
}

/// The model file in a folder of checkpoints.
pub(crate) fn model_file(checkpoints: &Path, epoch: usize) -> PathBuf {
    checkpoints.join(format!("model-{epoch}.bpk"))
}
