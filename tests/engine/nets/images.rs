use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::pool::{AdaptiveAvgPool2dConfig, AvgPool2dConfig, MaxPool2dConfig};
use burn::nn::{BatchNorm, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::{hard_sigmoid, hard_swish, leaky_relu, relu, sigmoid, silu, tanh};
use burn::tensor::{Device, Tensor};
use examples_shared::nets::{ConvNormRelu, conv, norm};

/// Squeeze and excite (Hu et al. 2018), with sigmoid and with hard-sigmoid as in MobileNetV3.
#[derive(Module, Debug)]
pub(crate) struct Gates {
    stem: Conv2d,
    norm: BatchNorm,
    squeeze: Vec<Conv2d>,
    excite: Vec<Conv2d>,
    between: Conv2d,
    head: Linear,
}

impl Gates {
    pub(crate) fn new(device: &Device) -> Self {
        let gate = |channels| Conv2dConfig::new(channels, [1, 1]).init(device);
        Self {
            stem: conv([3, 16], 3, 1, device),
            norm: norm(16, device),
            squeeze: vec![gate([16, 4]), gate([16, 4])],
            excite: vec![gate([4, 16]), gate([4, 16])],
            between: conv([16, 16], 3, 2, device),
            head: LinearConfig::new(16, 5).init(device),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = silu(self.norm.forward(self.stem.forward(x)));
        let y = x.clone().mean_dim(2).mean_dim(3);
        let y = self.excite[0].forward(silu(self.squeeze[0].forward(y)));
        let x = hard_swish(self.between.forward(x * sigmoid(y)));
        let average = AdaptiveAvgPool2dConfig::new([1, 1]).init();
        let y = relu(self.squeeze[1].forward(average.forward(x.clone())));
        let y = hard_sigmoid(self.excite[1].forward(y), 1.0 / 6.0, 0.5);
        let x = average.forward(x * y);
        self.head.forward(x.flatten(1, 3))
    }
}

/// Pools with padding, overlapping windows, and windows that end outside of the image.
#[derive(Module, Debug)]
pub(crate) struct Pools {
    convs: Vec<ConvNormRelu>,
    head: Linear,
}

impl Pools {
    pub(crate) fn new(device: &Device) -> Self {
        let layer = |channels| ConvNormRelu::new(channels, 3, 1, device);
        Self {
            convs: vec![layer([3, 8]), layer([8, 12]), layer([12, 9])],
            head: LinearConfig::new(9 * 3 * 3, 5).init(device),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let largest = MaxPool2dConfig::new([3, 2]).with_strides([1, 2]);
        let largest = largest.with_padding(PaddingConfig2d::Explicit(1, 0, 1, 0));
        let x = largest.init().forward(self.convs[0].forward(x));
        let mean = AvgPool2dConfig::new([3, 3]).with_strides([2, 1]);
        let mean = mean.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
        let inside = mean.clone().with_count_include_pad(false).init();
        let y = self.convs[1].forward(x);
        let x = mean.init().forward(y.clone()) + inside.forward(y);
        let ceil = MaxPool2dConfig::new([2, 2]).with_strides([2, 2]);
        let ceil = ceil.with_ceil_mode(true).init();
        let x = ceil.forward(self.convs[2].forward(x));
        let x = AdaptiveAvgPool2dConfig::new([3, 3]).init().forward(x);
        self.head.forward(x.flatten(1, 3))
    }
}

/// Dilated and strided convolutions, kernels that are not square, "same" padding that is uneven, and a
/// BatchNorm in front of a padded convolution.
#[derive(Module, Debug)]
pub(crate) struct Dilated {
    first: Conv2d,
    norm: BatchNorm,
    dilated: Conv2d,
    uneven: Conv2d,
    wide: Conv2d,
    grouped: Conv2d,
}

impl Dilated {
    pub(crate) fn new(device: &Device) -> Self {
        let config = |channels, kernel| Conv2dConfig::new(channels, kernel);
        let zeros = PaddingConfig2d::Explicit;
        Self {
            first: config([3, 8], [3, 3]).init(device),
            norm: norm(8, device),
            dilated: config([8, 12], [3, 3])
                .with_dilation([2, 3])
                .with_padding(zeros(2, 3, 2, 3))
                .init(device),
            uneven: config([12, 8], [4, 2])
                .with_padding(PaddingConfig2d::Same)
                .init(device),
            wide: config([8, 10], [1, 5])
                .with_stride([3, 2])
                .with_padding(zeros(0, 1, 0, 3))
                .init(device),
            grouped: config([10, 15], [3, 3])
                .with_groups(5)
                .with_stride([2, 2])
                .with_padding(zeros(1, 1, 1, 1))
                .init(device),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.norm.forward(relu(self.first.forward(x)));
        let x = leaky_relu(self.dilated.forward(x), 0.1);
        let x = tanh(self.uneven.forward(x));
        let x = self.wide.forward(x).clamp(-0.5, 0.7);
        self.grouped.forward(x)
    }
}

/// A transposed convolution between two others.
#[derive(Module, Debug)]
pub(crate) struct Transposed {
    first: ConvNormRelu,
    up: ConvTranspose2d,
    last: ConvNormRelu,
}

impl Transposed {
    pub(crate) fn new(device: &Device) -> Self {
        let up = ConvTranspose2dConfig::new([8, 6], [3, 3]).with_stride([2, 2]);
        Self {
            first: ConvNormRelu::new([2, 8], 3, 1, device),
            up: up.with_padding([1, 1]).init(device),
            last: ConvNormRelu::new([6, 4], 3, 1, device),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.last.forward(self.up.forward(self.first.forward(x)))
    }
}

/// An image and a vector in, two outputs of different rank.
#[derive(Module, Debug)]
pub(crate) struct Mixed {
    image: ConvNormRelu,
    vector: Linear,
    head: Linear,
}

impl Mixed {
    pub(crate) fn new(device: &Device) -> Self {
        Self {
            image: ConvNormRelu::new([3, 5], 3, 2, device),
            vector: LinearConfig::new(6, 7).init(device),
            head: LinearConfig::new(5 * 4 * 4 + 7, 3).init(device),
        }
    }

    pub(crate) fn forward(&self, image: Tensor<4>, vector: Tensor<2>) -> (Tensor<2>, Tensor<4>) {
        let image = self.image.forward(image);
        let vector = relu(self.vector.forward(vector));
        let all = Tensor::cat(vec![image.clone().flatten(1, 3), vector], 1);
        (self.head.forward(all), image)
    }
}
