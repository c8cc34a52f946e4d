//! Channels that are pruned while a model trains, in Burn's `Learner` and in loops of one's own, and
//! then cut, with what the optimizer knows of them.

mod checkpoint;
mod checkpoint_kills;
mod checkpoint_refusals;
mod coupled;
mod coupled_kills;
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

/// A training of six steps an epoch in a folder, which keeps all its checkpoints and prints nothing.
pub(crate) fn training<M>(folder: &Path, epochs: usize) -> SupervisedTraining<M>
where
    M: LearnerModel + TrainStep<Input = ImageBatch> + InferenceStep<Input = ImageBatch>,
{
    let silent = EpochLines::to(std::io::sink());
    with_progress_lines(folder, epochs).renderer(Box::new(silent))
}

/// The same, with Burn's lines for each batch.
pub(crate) fn with_progress_lines<M>(folder: &Path, epochs: usize) -> SupervisedTraining<M>
where
    M: LearnerModel + TrainStep<Input = ImageBatch> + InferenceStep<Input = ImageBatch>,
{
    let images = train_images();
    let batcher = ImageBatcher::new(&images);
    let loader = || {
        let builder = DataLoaderBuilder::new(batcher.clone());
        builder.batch_size(BATCH).build(images.clone())
    };
    SupervisedTraining::new(folder, loader(), loader())
        .num_epochs(epochs)
        .with_application_logger(None)
        .with_checkpointing_strategy(KeepLastNCheckpoints::new(epochs))
        .with_default_checkpointers()
}

fn train_images() -> Images {
    let images = Images::train(&bundled_data()).unwrap();
    images.first(STEPS_PER_EPOCH * BATCH)
}

/// Random numbers below 2^24, the same each run (SplitMix64).
pub(crate) fn chance(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (z ^ (z >> 31)) >> 40
    }
}
