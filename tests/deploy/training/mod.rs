//! Channels that are pruned while a model trains, in Burn's `Learner` and in loops of one's own, and
//! then cut, with what the optimizer knows of them.

mod checkpoint;
mod checkpoint_kills;
mod checkpoint_refusals;
mod net;
mod own_loop;

use std::path::Path;

use burn::data::dataloader::DataLoaderBuilder;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::{AdamConfig, ModuleOptimizer, SgdConfig, momentum::MomentumConfig};
use burn::train::checkpoint::KeepLastNCheckpoints;
use burn::train::{InferenceStep, LearnerModel, SupervisedTraining, TrainStep};
use examples_shared::{EpochLines, ImageBatch, ImageBatcher, Images, bundled_data};

pub(crate) const STEPS_PER_EPOCH: usize = 6;
const BATCH: usize = 16;

pub(crate) fn adam() -> ModuleOptimizer {
    AdamConfig::new().init()
}

pub(crate) fn momentum() -> ModuleOptimizer {
    let momentum = MomentumConfig::new().with_momentum(0.9);
    SgdConfig::new().with_momentum(Some(momentum)).init()
}

/// A learning rate that is another one at each step.
pub(crate) fn rate() -> ModuleLrScheduler {
    let steps = 4 * STEPS_PER_EPOCH;
    let config = CosineAnnealingLrSchedulerConfig::new(1e-2, steps);
    config.init().unwrap()
}

/// A training of six steps an epoch in a folder, which keeps all its checkpoints.
pub(crate) fn training<M>(folder: &Path, epochs: usize) -> SupervisedTraining<M>
where
    M: LearnerModel + TrainStep<Input = ImageBatch> + InferenceStep<Input = ImageBatch>,
{
    let images = Images::train(&bundled_data())
        .unwrap()
        .first(STEPS_PER_EPOCH * BATCH);
    let batcher = ImageBatcher::new(&images);
    let loader = || {
        let builder = DataLoaderBuilder::new(batcher.clone());
        builder.batch_size(BATCH).build(images.clone())
    };
    SupervisedTraining::new(folder, loader(), loader())
        .num_epochs(epochs)
        .renderer(Box::new(EpochLines::to(std::io::sink())))
        .with_application_logger(None)
        .with_checkpointing_strategy(KeepLastNCheckpoints::new(epochs))
        .with_default_checkpointers()
}
