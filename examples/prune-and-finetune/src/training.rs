use std::path::Path;

use burn::data::dataloader::DataLoaderBuilder;
use burn::optim::AdamConfig;
use burn_prune::Prunable;
use burn_train::metric::{AccuracyMetric, LossMetric};
use burn_train::{Learner, SupervisedTraining};
use examples_shared::{Cnn, EpochLines, ImageBatcher, Images};

const BATCH_SIZE: usize = 64;
const LEARNING_RATE: f64 = 1e-3;

/// What all trainings of this program have in common.
pub(crate) struct Training<'a> {
    pub out: &'a Path,
    pub train: &'a Images,
    /// Shown as validation while training. Nothing is chosen by it.
    pub test: &'a Images,
    pub batcher: &'a ImageBatcher,
    pub seed: u64,
}

impl Training<'_> {
    /// Trains a model in Burn's `Learner`, masked or not, and returns it ready for more training.
    ///
    /// The training knows nothing about pruning: the masks are on the model. Only the sparsity that
    /// is printed comes from them.
    pub(crate) fn run(&self, name: &str, model: Cnn, epochs: usize) -> Cnn {
        println!("\n== {name}: {epochs} epochs");
        let sparsity = model.sparsity_report().sparsity();
        let train = DataLoaderBuilder::new(self.batcher.clone())
            .batch_size(BATCH_SIZE)
            .shuffle(self.seed)
            .build(self.train.clone());
        let test = DataLoaderBuilder::new(self.batcher.clone())
            .batch_size(500)
            .build(self.test.clone());
        let learner = Learner::new(model, AdamConfig::new().init(), LEARNING_RATE);
        let training = SupervisedTraining::new(self.out.join(name), train, test)
            .metrics((LossMetric::new(), AccuracyMetric::new()))
            .num_epochs(epochs)
            .summary();
        let result = EpochLines::new()
            .with_note(format!("sparsity {:.2} %", 100.0 * sparsity))
            .unless_terminal(training)
            .launch(learner);
        burn::module::Module::train(result.model)
    }
}
