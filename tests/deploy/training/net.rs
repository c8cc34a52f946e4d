use burn::data::dataloader::batcher::Batcher;
use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor, activation::relu};
use burn::train::{ClassificationOutput, InferenceStep, TrainOutput, TrainStep};
use burn_prune::{Magnitude, MaskSet, Pruner};
use burn_prune_deploy::{Graph, Groups, Selection, ShrinkPlan};
use examples_shared::{ImageBatch, ImageBatcher};

use super::{BATCH, STEPS_PER_EPOCH};
use crate::common::values;
use crate::random::{example, randomised};

/// A convolutional network with BatchNorm and a residual: two groups of coupled channels, of which
/// one goes through the residual.
#[derive(Module, Debug)]
pub(crate) struct Net {
    pub stem: Conv2d,
    pub stem_norm: BatchNorm,
    pub block: Conv2d,
    pub block_norm: BatchNorm,
    pub last: Conv2d,
    pub last_norm: BatchNorm,
    average: AdaptiveAvgPool2d,
    pub fc: Linear,
}

impl Net {
    /// With the same weights each time, statistics of norms included.
    pub(crate) fn new(device: &Device) -> Self {
        Self::seeded(11, device)
    }

    pub(crate) fn seeded(seed: u64, device: &Device) -> Self {
        let conv = |channels, stride| {
            Conv2dConfig::new(channels, [3, 3])
                .with_stride([stride; 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .with_bias(false)
                .init(device)
        };
        let norm = |channels| BatchNormConfig::new(channels).init(device);
        let net = Self {
            stem: conv([1, 8], 2),
            stem_norm: norm(8),
            block: conv([8, 8], 1),
            block_norm: norm(8),
            last: conv([8, 12], 2),
            last_norm: norm(12),
            average: AdaptiveAvgPool2dConfig::new([1, 1]).init(),
            fc: LinearConfig::new(12, 10).init(device),
        };
        randomised(net, seed)
    }

    pub(crate) fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = relu(self.stem_norm.forward(self.stem.forward(images)));
        let y = relu(self.block_norm.forward(self.block.forward(x.clone())));
        let x = x + y;
        let x = relu(self.last_norm.forward(self.last.forward(x)));
        self.fc.forward(self.average.forward(x).flatten(1, 3))
    }

    /// An image to capture it with.
    pub(crate) fn example(device: &Device) -> Tensor<4> {
        example([1, 1, 28, 28], device)
    }

    fn classify(&self, batch: ImageBatch) -> ClassificationOutput {
        let output = self.forward(batch.images);
        let loss = CrossEntropyLossConfig::new().init(&output.device());
        let loss = loss.forward(output.clone(), batch.labels.clone());
        ClassificationOutput::new(loss, output, batch.labels)
    }
}

impl TrainStep for Net {
    type Input = ImageBatch;
    type Output = ClassificationOutput;

    fn step(&self, batch: ImageBatch) -> TrainOutput<ClassificationOutput> {
        let output = self.classify(batch);
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl InferenceStep for Net {
    type Input = ImageBatch;
    type Output = ClassificationOutput;

    fn step(&self, batch: ImageBatch) -> ClassificationOutput {
        self.classify(batch)
    }
}

/// What must go together in it.
pub(crate) fn groups() -> Groups {
    let device = Device::flex();
    let graph = Graph::capture(&Net::new(&device), Net::example(&device), Net::forward);
    graph.unwrap().groups().unwrap()
}

/// What goes when a fraction of the channels of each group does.
fn selection(fraction: f64) -> Selection {
    let groups = groups();
    let pruner = Pruner::new(Magnitude::l1()).pattern(groups.pattern());
    let masks = pruner.amount(fraction).masks(&Net::new(&Device::flex()));
    Selection::from_masks(&groups, &masks.unwrap()).unwrap()
}

/// Masks that prune half of the channels of each group, and the plan that cuts them.
pub(crate) fn halved_net() -> (MaskSet, ShrinkPlan) {
    let selection = selection(0.5);
    (selection.masks(), selection.plan())
}

/// The plan that cuts a fraction of the channels of each group.
pub(crate) fn plan_without(fraction: f64) -> ShrinkPlan {
    selection(fraction).plan()
}

/// The batch of a step.
pub(crate) fn images(step: usize) -> ImageBatch {
    let images = super::train_images();
    let batcher = ImageBatcher::new(&images);
    let start = BATCH * (step % STEPS_PER_EPOCH);
    let device = Device::flex().autodiff();
    batcher.batch(images.items(start..start + BATCH), &device)
}

/// The bits of all that a model reads, statistics of norms included.
pub(crate) fn weights<M: Module>(model: &M) -> Vec<u32> {
    struct Read(Vec<u32>);
    impl ModuleVisitor for Read {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let values: Vec<f32> = values(param.val());
            self.0.extend(values.into_iter().map(f32::to_bits));
        }
    }
    let mut read = Read(Vec::new());
    model.valid().materialize().visit(&mut read);
    read.0
}
