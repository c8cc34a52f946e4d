use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor, activation::relu};
use burn::train::{ClassificationOutput, InferenceStep, TrainOutput, TrainStep};
use burn_prune::MaskSet;
use burn_prune_deploy::{ChannelPruner, Graph, Groups, Importance, ShrinkPlan};
use examples_shared::ImageBatch;

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

/// Masks that prune half of the channels of each group, and the plan that cuts them.
pub(crate) fn halved_net() -> (MaskSet, ShrinkPlan) {
    let pruner = ChannelPruner::new(Importance::l1()).fraction(0.5);
    let selection = pruner.select(&groups()).unwrap();
    (selection.masks(), selection.plan())
}

/// The plan that cuts a fraction of the channels of each group.
pub(crate) fn plan_without(fraction: f64) -> ShrinkPlan {
    let pruner = ChannelPruner::new(Importance::l1()).fraction(fraction);
    pruner.select(&groups()).unwrap().plan()
}
