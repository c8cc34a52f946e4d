//! Architectures that channels are cut from: their layers, as in the papers they are from.

pub mod convolutional;
pub mod efficientnet_lite0;
pub mod others;
pub mod residual;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor, activation::relu};

/// Same-size convolution with a square, odd kernel and no bias.
pub fn conv(channels: [usize; 2], kernel: usize, stride: usize, device: &Device) -> Conv2d {
    let padding = kernel / 2;
    Conv2dConfig::new(channels, [kernel; 2])
        .with_stride([stride; 2])
        .with_padding(PaddingConfig2d::Explicit(
            padding, padding, padding, padding,
        ))
        .with_bias(false)
        .init(device)
}

pub fn norm(channels: usize, device: &Device) -> BatchNorm {
    BatchNormConfig::new(channels).init(device)
}

/// Convolution, BatchNorm, ReLU.
#[derive(Module, Debug)]
pub struct ConvNormRelu {
    pub conv: Conv2d,
    pub norm: BatchNorm,
}

impl ConvNormRelu {
    pub fn new(channels: [usize; 2], kernel: usize, stride: usize, device: &Device) -> Self {
        Self {
            conv: conv(channels, kernel, stride, device),
            norm: norm(channels[1], device),
        }
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        relu(self.norm.forward(self.conv.forward(x)))
    }
}
