use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor};
use burn_prune_deploy::DepthwiseConv2d;

use super::residual::relu6;

/// Height and width of an image. Others that 32 divides will do.
pub const SIZE: usize = 224;

/// Channels of a block before its depthwise convolution as a multiple of those that come in,
/// channels that go out, blocks, stride of the first one, kernel.
const STAGES: [(usize, usize, usize, usize, usize); 7] = [
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
];

/// EfficientNet-Lite0: EfficientNet-B0 (Tan and Le 2019) without squeeze-and-excitation and with
/// ReLU6, for 1,000 classes: 4,652,008 parameters.
///
/// Nothing in it knows about pruning but that its depthwise convolutions count their own channels.
#[derive(Module, Debug)]
pub struct EfficientNetLite0 {
    pub stem: ConvNorm,
    pub blocks: Vec<Block>,
    pub head: ConvNorm,
    pub average: AdaptiveAvgPool2d,
    pub fc: Linear,
}

#[derive(Module, Debug)]
pub struct Block {
    pub expand: Option<ConvNorm>,
    pub depthwise: DepthwiseNorm,
    pub project: ConvNorm,
    pub is_residual: bool,
}

#[derive(Module, Debug)]
pub struct ConvNorm {
    pub conv: Conv2d,
    pub norm: BatchNorm,
}

#[derive(Module, Debug)]
pub struct DepthwiseNorm {
    pub conv: DepthwiseConv2d,
    pub norm: BatchNorm,
}

impl EfficientNetLite0 {
    /// A network with fresh weights.
    pub fn new(device: &Device) -> Self {
        let mut inputs = 32;
        let mut blocks = Vec::new();
        for (times, outputs, count, stride, kernel) in STAGES {
            for index in 0..count {
                let stride = if index == 0 { stride } else { 1 };
                let channels = [inputs, inputs * times, outputs];
                blocks.push(Block::new(channels, kernel, stride, device));
                inputs = outputs;
            }
        }
        Self {
            stem: ConvNorm::new([3, 32], 3, 2, device),
            blocks,
            head: ConvNorm::new([inputs, 1280], 1, 1, device),
            average: AdaptiveAvgPool2dConfig::new([1, 1]).init(),
            fc: LinearConfig::new(1280, 1000).init(device),
        }
    }

    /// # Shapes
    /// - images: `[batch, 3, SIZE, SIZE]`
    /// - output: logits, `[batch, 1000]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = relu6(self.stem.forward(images));
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x));
        let x = self.average.forward(relu6(self.head.forward(x)));
        self.fc.forward(x.flatten(1, 3))
    }
}

impl Block {
    fn new(channels: [usize; 3], kernel: usize, stride: usize, device: &Device) -> Self {
        let [inputs, hidden, outputs] = channels;
        Self {
            expand: (hidden > inputs).then(|| ConvNorm::new([inputs, hidden], 1, 1, device)),
            depthwise: DepthwiseNorm::new(hidden, kernel, stride, device),
            project: ConvNorm::new([hidden, outputs], 1, 1, device),
            is_residual: stride == 1 && inputs == outputs,
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = match &self.expand {
            Some(expand) => relu6(expand.forward(x.clone())),
            None => x.clone(),
        };
        let y = relu6(self.depthwise.forward(y));
        let y = self.project.forward(y);
        if self.is_residual { x + y } else { y }
    }
}

impl ConvNorm {
    fn new(channels: [usize; 2], kernel: usize, stride: usize, device: &Device) -> Self {
        Self {
            conv: Conv2dConfig::new(channels, [kernel; 2])
                .with_stride([stride; 2])
                .with_padding(PaddingConfig2d::Same)
                .with_bias(false)
                .init(device),
            norm: norm(channels[1], device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.norm.forward(self.conv.forward(x))
    }
}

impl DepthwiseNorm {
    fn new(channels: usize, kernel: usize, stride: usize, device: &Device) -> Self {
        // As `PaddingConfig2d::Same`, for sizes that the stride divides.
        let zeros = kernel - stride;
        let padding = [(zeros / 2, zeros - zeros / 2); 2];
        let conv = DepthwiseConv2d::new(channels, kernel, stride, 0, device);
        Self {
            conv: conv.with_padding(padding),
            norm: norm(channels, device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.norm.forward(self.conv.forward(x))
    }
}

/// With the epsilon of TensorFlow.
fn norm(channels: usize, device: &Device) -> BatchNorm {
    BatchNormConfig::new(channels)
        .with_epsilon(1e-3)
        .init(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_documented_number_of_parameters() {
        let model = EfficientNetLite0::new(&Device::flex());
        // Those of PyTorch, and the mean and variance of each channel, which Burn counts too.
        let channels: usize = channels(&model);
        assert_eq!(model.num_params(), 4_652_008 + 2 * channels);
    }

    fn channels(model: &EfficientNetLite0) -> usize {
        let of = |norm: &BatchNorm| norm.gamma.dims()[0];
        let blocks = model.blocks.iter().map(|block| {
            let expand = block.expand.as_ref().map_or(0, |expand| of(&expand.norm));
            expand + of(&block.depthwise.norm) + of(&block.project.norm)
        });
        of(&model.stem.norm) + blocks.sum::<usize>() + of(&model.head.norm)
    }
}
