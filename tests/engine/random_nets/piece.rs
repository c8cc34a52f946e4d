use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::interpolate::{Interpolate2dConfig, InterpolateMode};
use burn::nn::pool::{AdaptiveAvgPool2dConfig, AvgPool2dConfig, MaxPool2dConfig};
use burn::nn::{BatchNorm, GroupNorm, GroupNormConfig, PaddingConfig2d};
use burn::tensor::activation::{gelu, hard_swish, leaky_relu, relu, sigmoid, silu, tanh};
use burn::tensor::{Device, Tensor};
use burn_prune_deploy::DepthwiseConv2d;
use examples_shared::nets::residual::relu6;
use examples_shared::nets::{conv, norm};

use super::Choices;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Convolve,
    Residual,
    ResidualBefore,
    Append,
    Split,
    BatchNorm,
    NormFirst,
    GroupNorm,
    Depthwise,
    MaxPool,
    MeanPool,
    Upsample,
    Grouped,
    Gate,
    Transposed,
    Narrow,
    Twice,
    Scale,
    Average,
    Turn,
}

pub(super) const KINDS: [Kind; 20] = [
    Kind::Convolve,
    Kind::Residual,
    Kind::ResidualBefore,
    Kind::Append,
    Kind::Split,
    Kind::BatchNorm,
    Kind::NormFirst,
    Kind::GroupNorm,
    Kind::Depthwise,
    Kind::MaxPool,
    Kind::MeanPool,
    Kind::Upsample,
    Kind::Grouped,
    Kind::Gate,
    Kind::Transposed,
    Kind::Narrow,
    Kind::Twice,
    Kind::Scale,
    Kind::Average,
    Kind::Turn,
];

#[derive(Module, Debug)]
pub(super) struct Piece {
    /// Place of its kind in the list.
    pub kind: usize,
    convs: Vec<Conv2d>,
    transposed: Option<ConvTranspose2d>,
    norms: Vec<BatchNorm>,
    group_norm: Option<GroupNorm>,
    depthwise: Option<DepthwiseConv2d>,
    activation: usize,
    stride: [usize; 2],
}

impl Piece {
    /// A piece for a signal of this shape; `None` when it does not fit.
    pub(super) fn new(
        kind: usize,
        width: usize,
        [_, channels, lines, columns]: [usize; 4],
        choices: &mut Choices,
        device: &Device,
    ) -> Option<Self> {
        let mut piece = Self {
            kind,
            convs: Vec::new(),
            transposed: None,
            norms: Vec::new(),
            group_norm: None,
            depthwise: None,
            activation: choices.below(10),
            stride: [1 + choices.below(2), 1 + choices.below(2)],
        };
        let is_even = channels.is_multiple_of(2);
        let is_small = lines * columns < 150;
        let any = |channels, choices: &mut Choices| any_conv(channels, choices, device);
        match KINDS[kind] {
            Kind::Convolve => piece.convs = vec![any([channels, width], choices)],
            Kind::Residual | Kind::ResidualBefore => {
                let first = conv([channels, width], 3, 1, device);
                piece.convs = vec![first, conv([width, channels], 1, 1, device)];
                piece.norms = vec![norm(width, device), norm(channels, device)];
            }
            Kind::Append => piece.convs = vec![conv([channels, width], 3, 1, device)],
            Kind::Split if is_even => {
                piece.convs = vec![conv([channels / 2, width], 3, 1, device)];
            }
            Kind::BatchNorm => {
                piece.convs = vec![any([channels, width], choices)];
                piece.norms = vec![norm(width, device)];
            }
            Kind::NormFirst => {
                piece.norms = vec![norm(channels, device)];
                piece.convs = vec![any([channels, width], choices)];
            }
            Kind::GroupNorm if is_even => {
                piece.group_norm = Some(GroupNormConfig::new(channels / 2, channels).init(device));
            }
            Kind::Depthwise => {
                let kernel = 3 + 2 * choices.below(2);
                let [stride, _] = piece.stride;
                let layer = DepthwiseConv2d::new(channels, kernel, stride, kernel / 2, device);
                piece.depthwise = Some(layer);
                piece.norms = vec![norm(channels, device)];
            }
            Kind::MaxPool | Kind::MeanPool if lines >= 3 && columns >= 3 => {}
            Kind::Upsample | Kind::Transposed if !is_small => return None,
            Kind::Upsample => {}
            Kind::Grouped if is_even => {
                let config = Conv2dConfig::new([channels, 2 * width], [3, 3]).with_groups(2);
                let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
                let config = config.with_padding(padding).with_stride(piece.stride);
                piece.convs = vec![config.init(device)];
            }
            Kind::Gate => piece.convs = vec![conv([channels; 2], 1, 1, device)],
            Kind::Transposed => {
                let config = ConvTranspose2dConfig::new([channels, width], [2, 2]);
                piece.transposed = Some(config.with_stride([2, 2]).init(device));
            }
            Kind::Narrow if channels > 2 => {}
            Kind::Twice if channels <= 12 => {}
            Kind::Scale => piece.convs = vec![any([channels, width], choices)],
            Kind::Average => {}
            Kind::Turn if is_small => piece.convs = vec![conv([channels, width], 1, 1, device)],
            _ => return None,
        }
        Some(piece)
    }

    fn activate(&self, x: Tensor<4>) -> Tensor<4> {
        match self.activation {
            0 | 1 => relu(x),
            2 => silu(x),
            3 => gelu(x),
            4 => relu6(x),
            5 => x.clamp(-0.3, 0.8),
            6 => leaky_relu(x, 0.2),
            7 => hard_swish(x),
            8 => tanh(x),
            _ => x,
        }
    }

    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match KINDS[self.kind] {
            Kind::Convolve => self.activate(self.convs[0].forward(x)),
            Kind::Residual => {
                let y = self.norms[0].forward(self.convs[0].forward(x.clone()));
                let y = self.convs[1].forward(self.activate(y));
                self.activate(self.norms[1].forward(y) + x)
            }
            Kind::ResidualBefore => {
                let y = self.norms[0].forward(self.convs[0].forward(x.clone()));
                let y = self.norms[1].forward(self.convs[1].forward(relu(y)));
                x + self.activate(y)
            }
            Kind::Append => {
                let y = self.activate(self.convs[0].forward(x.clone()));
                Tensor::cat(vec![y, x], 1)
            }
            Kind::Split => {
                let [a, b] = x.chunk(2, 1).try_into().expect("two parts");
                Tensor::cat(vec![self.activate(self.convs[0].forward(b)), a], 1)
            }
            Kind::BatchNorm => self.activate(self.norms[0].forward(self.convs[0].forward(x))),
            Kind::NormFirst => {
                let x = self.activate(self.norms[0].forward(x));
                self.convs[0].forward(x)
            }
            Kind::GroupNorm => self.activate(self.group_norm.as_ref().unwrap().forward(x)),
            Kind::Depthwise => {
                let y = self.depthwise.as_ref().unwrap().forward(x);
                self.activate(self.norms[0].forward(y))
            }
            Kind::MaxPool => MaxPool2dConfig::new([3, 2])
                .with_strides(self.stride)
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init()
                .forward(x),
            Kind::MeanPool => AvgPool2dConfig::new([2, 3])
                .with_strides(self.stride)
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .with_count_include_pad(self.activation > 4)
                .init()
                .forward(x),
            Kind::Upsample => Interpolate2dConfig::new()
                .with_scale_factor(Some([2.0, 2.0]))
                .with_mode(InterpolateMode::Nearest)
                .init()
                .forward(x),
            Kind::Grouped => self.activate(self.convs[0].forward(x)),
            Kind::Gate => {
                let mean = x.clone().mean_dim(2).mean_dim(3);
                x * sigmoid(self.convs[0].forward(mean))
            }
            Kind::Transposed => self.activate(self.transposed.as_ref().unwrap().forward(x)),
            Kind::Narrow => {
                let channels = x.dims()[1];
                x.narrow(1, 1, channels - 1)
            }
            Kind::Twice => self.activate(x.clone()) + x,
            Kind::Scale => self.activate(self.convs[0].forward(x) * 0.5 + 0.1),
            Kind::Average => {
                let mean = AdaptiveAvgPool2dConfig::new([1, 1])
                    .init()
                    .forward(x.clone());
                x - mean
            }
            // Positions by channels, as in attention.
            Kind::Turn => {
                let [batch, channels, height, width] = x.dims();
                let x = x.reshape([batch, channels, height * width]).swap_dims(1, 2);
                let x = x.swap_dims(1, 2).reshape([batch, channels, height, width]);
                self.activate(self.convs[0].forward(x))
            }
        }
    }
}

/// A convolution with any window that fits images of 3 by 3.
fn any_conv(channels: [usize; 2], choices: &mut Choices, device: &Device) -> Conv2d {
    let kernel = [1 + choices.below(3), 1 + choices.below(4)];
    let stride = [1 + choices.below(2), 1 + choices.below(3)];
    let dilation = [1 + choices.below(2), 1];
    let mut zeros = || choices.below(3);
    let padding = PaddingConfig2d::Explicit(zeros() + 1, zeros() + 1, zeros() + 1, zeros() + 1);
    Conv2dConfig::new(channels, kernel)
        .with_stride(stride)
        .with_dilation(dilation)
        .with_padding(padding)
        .with_bias(choices.below(2) == 0)
        .init(device)
}
