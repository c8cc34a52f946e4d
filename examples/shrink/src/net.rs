use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor, activation::relu};
use burn::train::{ClassificationOutput, InferenceStep, TrainOutput, TrainStep};
use examples_shared::ImageBatch;

/// A ResNet (He et al. 2016) for 28x28 grey images of ten classes, with one block in each of its
/// three stages, of 32, 64 and 128 channels: 308,074 parameters.
///
/// Nothing in it knows about pruning. The stem halves the images: on a CPU, few channels on large
/// images are slow for their multiply-adds.
#[derive(Module, Debug)]
pub(crate) struct Net {
    stem: ConvNorm,
    blocks: Vec<Block>,
    average: AdaptiveAvgPool2d,
    fc: Linear,
}

#[derive(Module, Debug)]
struct Block {
    first: ConvNorm,
    second: ConvNorm,
    /// Where the sizes of input and output differ.
    shortcut: Option<ConvNorm>,
}

/// A convolution that keeps the size, or halves it, and a BatchNorm.
#[derive(Module, Debug)]
struct ConvNorm {
    conv: Conv2d,
    norm: BatchNorm,
}

impl Net {
    /// A network with fresh weights.
    pub(crate) fn new(device: &Device) -> Self {
        Self {
            stem: ConvNorm::new([1, 32], 3, 2, device),
            blocks: vec![
                Block::new([32, 32], 1, device),
                Block::new([32, 64], 2, device),
                Block::new([64, 128], 2, device),
            ],
            average: AdaptiveAvgPool2dConfig::new([1, 1]).init(),
            fc: LinearConfig::new(128, 10).init(device),
        }
    }

    /// Class scores.
    ///
    /// # Shapes
    /// - images: `[batch, 1, 28, 28]`
    /// - output: `[batch, 10]`
    pub(crate) fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let stem = relu(self.stem.forward(images));
        let blocks = self.blocks.iter();
        let features = blocks.fold(stem, |x, block| block.forward(x));
        self.fc
            .forward(self.average.forward(features).flatten(1, 3))
    }
}

impl Net {
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

impl Block {
    fn new(channels: [usize; 2], stride: usize, device: &Device) -> Self {
        let outputs = channels[1];
        Self {
            first: ConvNorm::new(channels, 3, stride, device),
            second: ConvNorm::new([outputs; 2], 3, 1, device),
            shortcut: (stride > 1).then(|| ConvNorm::new(channels, 1, stride, device)),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = relu(self.first.forward(x.clone()));
        let y = self.second.forward(y);
        let x = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x),
            None => x,
        };
        relu(x + y)
    }
}

impl ConvNorm {
    fn new(channels: [usize; 2], kernel: usize, stride: usize, device: &Device) -> Self {
        let side = kernel / 2;
        Self {
            conv: Conv2dConfig::new(channels, [kernel; 2])
                .with_stride([stride; 2])
                .with_padding(PaddingConfig2d::Explicit(side, side, side, side))
                .with_bias(false)
                .init(device),
            norm: BatchNormConfig::new(channels[1]).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.norm.forward(self.conv.forward(x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_documented_number_of_parameters() {
        // The means and variances of the norms count as parameters in Burn.
        let statistics = 2 * (3 * 32 + 3 * 64 + 3 * 128);
        let all = Net::new(&Device::flex()).num_params();
        assert_eq!(all - statistics, 308_074);
    }
}
