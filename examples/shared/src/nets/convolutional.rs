use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{AvgPool2d, AvgPool2dConfig, MaxPool2d, MaxPool2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor, activation::relu};

use super::ConvNormRelu;

#[derive(Module, Debug)]
pub struct Mlp {
    pub layers: Vec<Linear>,
}

impl Mlp {
    pub fn new(sizes: &[usize], device: &Device) -> Self {
        let linear = |sizes: &[usize]| LinearConfig::new(sizes[0], sizes[1]).init(device);
        Self {
            layers: sizes.windows(2).map(linear).collect(),
        }
    }

    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let (last, hidden) = self.layers.split_last().unwrap();
        let hidden = hidden.iter();
        last.forward(hidden.fold(x, |x, layer| relu(layer.forward(x))))
    }
}

/// LeNet-5 for 28x28 (LeCun et al. 1998) with ReLU: 61,706 parameters.
#[derive(Module, Debug)]
pub struct LeNet5 {
    pub conv1: Conv2d,
    pub conv2: Conv2d,
    pub pool: AvgPool2d,
    pub fc1: Linear,
    pub fc2: Linear,
    pub fc3: Linear,
}

impl LeNet5 {
    pub fn new(device: &Device) -> Self {
        Self {
            conv1: Conv2dConfig::new([1, 6], [5, 5])
                .with_padding(PaddingConfig2d::Explicit(2, 2, 2, 2))
                .init(device),
            conv2: Conv2dConfig::new([6, 16], [5, 5]).init(device),
            pool: AvgPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            fc1: LinearConfig::new(400, 120).init(device),
            fc2: LinearConfig::new(120, 84).init(device),
            fc3: LinearConfig::new(84, 10).init(device),
        }
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.pool.forward(relu(self.conv1.forward(x)));
        let x = self.pool.forward(relu(self.conv2.forward(x)));
        let x = relu(self.fc1.forward(x.flatten(1, 3)));
        self.fc3.forward(relu(self.fc2.forward(x)))
    }
}

/// VGG-11 with BatchNorm (Simonyan and Zisserman 2015) for small images: one Linear behind it.
#[derive(Module, Debug)]
pub struct Vgg11 {
    pub blocks: Vec<ConvNormRelu>,
    pub pool: MaxPool2d,
    pub fc: Linear,
}

const POOLED_AFTER: [usize; 5] = [0, 1, 3, 5, 7];

impl Vgg11 {
    pub fn new(width: usize, device: &Device) -> Self {
        let widths = [1, 2, 4, 4, 8, 8, 8, 8].map(|times| times * width);
        let mut inputs = 3;
        let blocks = widths.map(|outputs| {
            let block = ConvNormRelu::new([inputs, outputs], 3, 1, device);
            inputs = outputs;
            block
        });
        Self {
            blocks: blocks.into(),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            fc: LinearConfig::new(inputs, 10).init(device),
        }
    }

    /// `[batch, 3, 32, 32]`
    pub fn forward(&self, mut x: Tensor<4>) -> Tensor<2> {
        for (index, block) in self.blocks.iter().enumerate() {
            x = block.forward(x);
            if POOLED_AFTER.contains(&index) {
                x = self.pool.forward(x);
            }
        }
        self.fc.forward(x.flatten(1, 3))
    }
}
