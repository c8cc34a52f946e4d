use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::interpolate::{Interpolate2d, Interpolate2dConfig, InterpolateMode};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::transformer::{
    TransformerEncoder, TransformerEncoderConfig, TransformerEncoderInput,
};
use burn::nn::{
    BatchNorm, Embedding, EmbeddingConfig, GroupNorm, GroupNormConfig, Linear, LinearConfig,
    PaddingConfig2d,
};
use burn::tensor::activation::{relu, silu, softmax};
use burn::tensor::{Device, Int, Tensor};

use super::{ConvNormRelu, conv, norm};

/// A DenseNet block (Huang et al. 2017): each layer reads all before it. BatchNorm comes first.
#[derive(Module, Debug)]
pub struct DenseNet {
    pub stem: Conv2d,
    pub layers: Vec<DenseLayer>,
    pub head: Conv2d,
}

#[derive(Module, Debug)]
pub struct DenseLayer {
    pub norm1: BatchNorm,
    pub conv1: Conv2d,
    pub norm2: BatchNorm,
    pub conv2: Conv2d,
}

impl DenseNet {
    pub fn new(device: &Device) -> Self {
        let (growth, stem) = (8, 16);
        let layer = |index: usize| {
            let inputs = stem + index * growth;
            DenseLayer {
                norm1: norm(inputs, device),
                conv1: conv([inputs, 4 * growth], 1, 1, device),
                norm2: norm(4 * growth, device),
                conv2: conv([4 * growth, growth], 3, 1, device),
            }
        };
        Self {
            stem: conv([3, stem], 3, 1, device),
            layers: (0..4).map(layer).collect(),
            head: conv([stem + 4 * growth, 10], 1, 1, device),
        }
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mut x = self.stem.forward(x);
        for layer in &self.layers {
            let y = layer.conv1.forward(relu(layer.norm1.forward(x.clone())));
            let y = layer.conv2.forward(relu(layer.norm2.forward(y)));
            x = Tensor::cat(vec![x, y], 1);
        }
        self.head.forward(x)
    }
}

/// A U-Net (Ronneberger et al. 2015) of two levels with transposed convolutions.
#[derive(Module, Debug)]
pub struct UNet {
    pub down1: ConvNormRelu,
    pub down2: ConvNormRelu,
    pub bottom: ConvNormRelu,
    pub up2: ConvTranspose2d,
    pub merge2: ConvNormRelu,
    pub up1: ConvTranspose2d,
    pub merge1: ConvNormRelu,
    pub head: Conv2d,
    pub pool: MaxPool2d,
}

impl UNet {
    pub fn new(device: &Device) -> Self {
        let up = |channels| {
            ConvTranspose2dConfig::new(channels, [2, 2])
                .with_stride([2, 2])
                .init(device)
        };
        Self {
            down1: ConvNormRelu::new([1, 8], 3, 1, device),
            down2: ConvNormRelu::new([8, 16], 3, 1, device),
            bottom: ConvNormRelu::new([16, 32], 3, 1, device),
            up2: up([32, 16]),
            merge2: ConvNormRelu::new([32, 16], 3, 1, device),
            up1: up([16, 8]),
            merge1: ConvNormRelu::new([16, 8], 3, 1, device),
            head: conv([8, 2], 1, 1, device),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
        }
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let level1 = self.down1.forward(x);
        let level2 = self.down2.forward(self.pool.forward(level1.clone()));
        let x = self.bottom.forward(self.pool.forward(level2.clone()));
        let x = Tensor::cat(vec![level2, self.up2.forward(x)], 1);
        let x = self.up1.forward(self.merge2.forward(x));
        self.head
            .forward(self.merge1.forward(Tensor::cat(vec![level1, x], 1)))
    }
}

/// Convolution, BatchNorm, SiLU: the piece that YOLO is made of.
#[derive(Module, Debug)]
pub struct ConvSilu {
    pub conv: Conv2d,
    pub norm: BatchNorm,
}

impl ConvSilu {
    fn new(channels: [usize; 2], kernel: usize, stride: usize, device: &Device) -> Self {
        Self {
            conv: conv(channels, kernel, stride, device),
            norm: norm(channels[1], device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        silu(self.norm.forward(self.conv.forward(x)))
    }
}

/// C2f of YOLOv8: split in two, bottlenecks on one half, everything concatenated.
#[derive(Module, Debug)]
pub struct C2f {
    pub first: ConvSilu,
    pub bottlenecks: Vec<(ConvSilu, ConvSilu)>,
    pub last: ConvSilu,
    pub is_residual: bool,
}

impl C2f {
    fn new(channels: [usize; 2], count: usize, is_residual: bool, device: &Device) -> Self {
        let half = channels[1] / 2;
        let bottleneck = |_| {
            (
                ConvSilu::new([half; 2], 3, 1, device),
                ConvSilu::new([half; 2], 3, 1, device),
            )
        };
        Self {
            first: ConvSilu::new([channels[0], 2 * half], 1, 1, device),
            bottlenecks: (0..count).map(bottleneck).collect(),
            last: ConvSilu::new([(2 + count) * half, channels[1]], 1, 1, device),
            is_residual,
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mut parts = self.first.forward(x).chunk(2, 1);
        for (first, second) in &self.bottlenecks {
            let x = parts.last().unwrap().clone();
            let y = second.forward(first.forward(x.clone()));
            parts.push(if self.is_residual { x + y } else { y });
        }
        self.last.forward(Tensor::cat(parts, 1))
    }
}

/// Spatial pyramid pooling, fast, of YOLOv5.
#[derive(Module, Debug)]
pub struct Sppf {
    pub first: ConvSilu,
    pub last: ConvSilu,
    pub pool: MaxPool2d,
}

impl Sppf {
    fn new(channels: usize, device: &Device) -> Self {
        let half = channels / 2;
        Self {
            first: ConvSilu::new([channels, half], 1, 1, device),
            last: ConvSilu::new([4 * half, channels], 1, 1, device),
            pool: MaxPool2dConfig::new([5, 5])
                .with_strides([1, 1])
                .with_padding(PaddingConfig2d::Explicit(2, 2, 2, 2))
                .init(),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mut parts = vec![self.first.forward(x)];
        for _ in 0..3 {
            parts.push(self.pool.forward(parts.last().unwrap().clone()));
        }
        self.last.forward(Tensor::cat(parts, 1))
    }
}

/// Backbone and neck in the manner of YOLOv8: two scales out.
#[derive(Module, Debug)]
pub struct Yolo {
    pub stem: ConvSilu,
    pub down: ConvSilu,
    pub c2f1: C2f,
    pub down2: ConvSilu,
    pub c2f2: C2f,
    pub sppf: Sppf,
    pub up: Interpolate2d,
    pub neck: C2f,
    pub head1: Conv2d,
    pub head2: Conv2d,
}

impl Yolo {
    pub fn new(device: &Device) -> Self {
        Self {
            stem: ConvSilu::new([3, 8], 3, 2, device),
            down: ConvSilu::new([8, 16], 3, 2, device),
            c2f1: C2f::new([16, 16], 2, true, device),
            down2: ConvSilu::new([16, 32], 3, 2, device),
            c2f2: C2f::new([32, 32], 1, true, device),
            sppf: Sppf::new(32, device),
            up: Interpolate2dConfig::new()
                .with_scale_factor(Some([2.0, 2.0]))
                .with_mode(InterpolateMode::Nearest)
                .init(),
            neck: C2f::new([48, 16], 1, false, device),
            head1: conv([16, 6], 1, 1, device),
            head2: conv([32, 6], 1, 1, device),
        }
    }

    pub fn forward(&self, x: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let fine = self.c2f1.forward(self.down.forward(self.stem.forward(x)));
        let coarse = self.c2f2.forward(self.down2.forward(fine.clone()));
        let coarse = self.sppf.forward(coarse);
        let up = self.up.forward(coarse.clone());
        let neck = self.neck.forward(Tensor::cat(vec![up, fine], 1));
        (self.head1.forward(neck), self.head2.forward(coarse))
    }
}

/// Words in, Burn's own Transformer encoder, a class out.
#[derive(Module, Debug)]
pub struct Transformer {
    pub embedding: Embedding,
    pub encoder: TransformerEncoder,
    pub head: Linear,
}

impl Transformer {
    pub fn new(device: &Device) -> Self {
        Self {
            embedding: EmbeddingConfig::new(20, 16).init(device),
            encoder: TransformerEncoderConfig::new(16, 32, 4, 2)
                .with_dropout(0.0)
                .init(device),
            head: LinearConfig::new(16, 3).init(device),
        }
    }

    pub fn forward(&self, words: Tensor<2, Int>) -> Tensor<3> {
        let x = self.embedding.forward(words);
        let x = self.encoder.forward(TransformerEncoderInput::new(x));
        self.head.forward(x)
    }
}

/// Attention whose number of heads follows from its weights: only the size of a head is a field.
#[derive(Module, Debug)]
pub struct Attention {
    pub query: Linear,
    pub key: Linear,
    pub value: Linear,
    pub output: Linear,
    pub head_size: usize,
}

impl Attention {
    pub fn new(size: usize, heads: usize, device: &Device) -> Self {
        let linear = || LinearConfig::new(size, size).init(device);
        Self {
            query: linear(),
            key: linear(),
            value: linear(),
            output: linear(),
            head_size: size / heads,
        }
    }

    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, length, _] = x.dims();
        let heads = |x: Tensor<3>| {
            let heads = x.dims()[2] / self.head_size;
            x.reshape([batch, length, heads, self.head_size])
                .swap_dims(1, 2)
        };
        let query = heads(self.query.forward(x.clone()));
        let key = heads(self.key.forward(x.clone()));
        let value = heads(self.value.forward(x));
        let scores = query.matmul(key.transpose()) / (self.head_size as f64).sqrt();
        let mixed = softmax(scores, 3).matmul(value).swap_dims(1, 2);
        self.output.forward(mixed.flatten(2, 3))
    }
}

/// GroupNorm, a grouped convolution, a depthwise one with Burn's own layer.
#[derive(Module, Debug)]
pub struct Grouped {
    pub conv1: Conv2d,
    pub norm: GroupNorm,
    pub grouped: Conv2d,
    pub depthwise: Conv2d,
    pub head: Conv2d,
}

impl Grouped {
    pub fn new(device: &Device) -> Self {
        let padded = |channels: usize, groups: usize| {
            Conv2dConfig::new([channels; 2], [3, 3])
                .with_groups(groups)
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(device)
        };
        Self {
            conv1: conv([3, 16], 3, 1, device),
            norm: GroupNormConfig::new(4, 16).init(device),
            grouped: Conv2dConfig::new([16, 24], [3, 3])
                .with_groups(2)
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(device),
            depthwise: padded(24, 24),
            head: conv([24, 5], 1, 1, device),
        }
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = relu(self.norm.forward(self.conv1.forward(x)));
        let x = relu(self.grouped.forward(x));
        self.head.forward(relu(self.depthwise.forward(x)))
    }
}
