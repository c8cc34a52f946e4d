use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig, MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor, activation::relu};
use burn_prune_deploy::DepthwiseConv2d;

use super::{ConvNormRelu, conv, norm};

/// ResNet-18 (He et al. 2016): 11,689,512 parameters at width 64 and 1,000 classes.
#[derive(Module, Debug)]
pub struct ResNet18 {
    pub stem: ConvNormRelu,
    pub pool: MaxPool2d,
    pub blocks: Vec<BasicBlock>,
    pub average: AdaptiveAvgPool2d,
    pub fc: Linear,
}

#[derive(Module, Debug)]
pub struct BasicBlock {
    pub first: ConvNormRelu,
    pub conv2: Conv2d,
    pub norm2: BatchNorm,
    pub down: Option<Down>,
}

#[derive(Module, Debug)]
pub struct Down {
    pub conv: Conv2d,
    pub norm: BatchNorm,
}

impl BasicBlock {
    fn new(channels: [usize; 2], stride: usize, device: &Device) -> Self {
        let [inputs, outputs] = channels;
        Self {
            first: ConvNormRelu::new(channels, 3, stride, device),
            conv2: conv([outputs; 2], 3, 1, device),
            norm2: norm(outputs, device),
            down: (stride > 1 || inputs != outputs).then(|| Down {
                conv: conv(channels, 1, stride, device),
                norm: norm(outputs, device),
            }),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = self.first.forward(x.clone());
        let y = self.norm2.forward(self.conv2.forward(y));
        let shortcut = match &self.down {
            Some(down) => down.norm.forward(down.conv.forward(x)),
            None => x,
        };
        relu(y + shortcut)
    }
}

impl ResNet18 {
    pub fn new(width: usize, classes: usize, device: &Device) -> Self {
        let mut inputs = width;
        let mut blocks = Vec::new();
        for (stage, stride) in [1, 2, 2, 2].into_iter().enumerate() {
            let outputs = width << stage;
            blocks.push(BasicBlock::new([inputs, outputs], stride, device));
            blocks.push(BasicBlock::new([outputs; 2], 1, device));
            inputs = outputs;
        }
        Self {
            stem: ConvNormRelu::new([3, width], 7, 2, device),
            pool: MaxPool2dConfig::new([3, 3])
                .with_strides([2, 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(),
            blocks,
            average: AdaptiveAvgPool2dConfig::new([1, 1]).init(),
            fc: LinearConfig::new(8 * width, classes).init(device),
        }
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.pool.forward(self.stem.forward(x));
        let blocks = self.blocks.iter();
        let x = blocks.fold(x, |x, block| block.forward(x));
        self.fc.forward(self.average.forward(x).flatten(1, 3))
    }
}

/// MobileNetV2 (Sandler et al. 2018): 3,504,872 parameters at width 1 and 1,000 classes.
#[derive(Module, Debug)]
pub struct MobileNetV2 {
    pub stem: Conv2d,
    pub stem_norm: BatchNorm,
    pub blocks: Vec<InvertedResidual>,
    pub head: Conv2d,
    pub head_norm: BatchNorm,
    pub average: AdaptiveAvgPool2d,
    pub fc: Linear,
}

#[derive(Module, Debug)]
pub struct InvertedResidual {
    pub expand: Option<Down>,
    pub depthwise: DepthwiseConv2d,
    pub depthwise_norm: BatchNorm,
    pub project: Conv2d,
    pub project_norm: BatchNorm,
    pub is_residual: bool,
}

/// `min(max(x, 0), 6)`, written with what exporters know.
pub fn relu6(x: Tensor<4>) -> Tensor<4> {
    relu(x.clone()) - relu(x - 6.0)
}

impl InvertedResidual {
    fn new(channels: [usize; 2], stride: usize, times: usize, device: &Device) -> Self {
        let hidden = channels[0] * times;
        Self {
            expand: (times > 1).then(|| Down {
                conv: conv([channels[0], hidden], 1, 1, device),
                norm: norm(hidden, device),
            }),
            depthwise: DepthwiseConv2d::new(hidden, 3, stride, 1, device),
            depthwise_norm: norm(hidden, device),
            project: conv([hidden, channels[1]], 1, 1, device),
            project_norm: norm(channels[1], device),
            is_residual: stride == 1 && channels[0] == channels[1],
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = match &self.expand {
            Some(expand) => relu6(expand.norm.forward(expand.conv.forward(x.clone()))),
            None => x.clone(),
        };
        let y = relu6(self.depthwise_norm.forward(self.depthwise.forward(y)));
        let y = self.project_norm.forward(self.project.forward(y));
        if self.is_residual { x + y } else { y }
    }
}

impl MobileNetV2 {
    pub fn new(classes: usize, device: &Device) -> Self {
        let settings = [
            (1, 16, 1, 1),
            (6, 24, 2, 2),
            (6, 32, 3, 2),
            (6, 64, 4, 2),
            (6, 96, 3, 1),
            (6, 160, 3, 2),
            (6, 320, 1, 1),
        ];
        let mut inputs = 32;
        let mut blocks = Vec::new();
        for (times, outputs, count, stride) in settings {
            for index in 0..count {
                let stride = if index == 0 { stride } else { 1 };
                blocks.push(InvertedResidual::new(
                    [inputs, outputs],
                    stride,
                    times,
                    device,
                ));
                inputs = outputs;
            }
        }
        Self {
            stem: conv([3, 32], 3, 2, device),
            stem_norm: norm(32, device),
            blocks,
            head: conv([320, 1280], 1, 1, device),
            head_norm: norm(1280, device),
            average: AdaptiveAvgPool2dConfig::new([1, 1]).init(),
            fc: LinearConfig::new(1280, classes).init(device),
        }
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu6(self.stem_norm.forward(self.stem.forward(x)));
        let blocks = self.blocks.iter();
        let x = blocks.fold(x, |x, block| block.forward(x));
        let x = relu6(self.head_norm.forward(self.head.forward(x)));
        self.fc.forward(self.average.forward(x).flatten(1, 3))
    }
}
