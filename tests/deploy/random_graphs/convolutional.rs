//! The law on random small convolutional nets, whose last layer reads every pixel.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::interpolate::{Interpolate2dConfig, InterpolateMode};
use burn::nn::pool::MaxPool2dConfig;
use burn::nn::{BatchNorm, GroupNorm, GroupNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::{gelu, relu, sigmoid, silu};
use burn::tensor::{Device, Tensor};
use burn_prune::{Prunable, Pruner, Random};
use burn_prune_deploy::{DepthwiseConv2d, FieldEdit, Graph};
use proptest::prelude::*;

use crate::common::select;
use crate::random::{assert_close, example, randomised};
use examples_shared::nets::{conv, norm};

#[derive(Debug, Clone, Copy)]
enum Kind {
    Convolve,
    Residual,
    Append,
    Split,
    BatchNorm,
    GroupNorm,
    Depthwise,
    Pool,
    Upsample,
    Grouped,
    Gate,
    Transposed,
    Narrow,
    Repeat,
}

const KINDS: [Kind; 14] = [
    Kind::Convolve,
    Kind::Residual,
    Kind::Append,
    Kind::Split,
    Kind::BatchNorm,
    Kind::GroupNorm,
    Kind::Depthwise,
    Kind::Pool,
    Kind::Upsample,
    Kind::Grouped,
    Kind::Gate,
    Kind::Transposed,
    Kind::Narrow,
    Kind::Repeat,
];

#[derive(Module, Debug)]
struct Piece {
    /// Place of its kind in the list.
    kind: usize,
    convs: Vec<Conv2d>,
    transposed: Option<ConvTranspose2d>,
    batch_norm: Option<BatchNorm>,
    group_norm: Option<GroupNorm>,
    depthwise: Option<DepthwiseConv2d>,
}

#[derive(Module, Debug)]
struct RandomNet {
    stem: Conv2d,
    pieces: Vec<Piece>,
    head: Linear,
}

impl Piece {
    /// A piece for so many channels and pixels a side, with what it makes of them; `None` when it
    /// does not fit.
    fn new(
        kind: usize,
        width: usize,
        [channels, size]: [usize; 2],
        device: &Device,
    ) -> Option<(Self, [usize; 2])> {
        let mut piece = Self {
            kind,
            convs: Vec::new(),
            transposed: None,
            batch_norm: None,
            group_norm: None,
            depthwise: None,
        };
        let is_even = channels.is_multiple_of(2);
        let mut out = [channels, size];
        match KINDS[kind] {
            Kind::Convolve => {
                piece.convs = vec![conv([channels, width], 3, 1, device)];
                out[0] = width;
            }
            Kind::Residual => {
                piece.convs = vec![
                    conv([channels, width], 3, 1, device),
                    conv([width, channels], 1, 1, device),
                ];
            }
            Kind::Append => {
                piece.convs = vec![conv([channels, width], 1, 1, device)];
                out[0] += width;
            }
            Kind::Split if is_even => {
                piece.convs = vec![conv([channels / 2, width], 3, 1, device)];
                out[0] = channels / 2 + width;
            }
            Kind::BatchNorm => piece.batch_norm = Some(norm(channels, device)),
            Kind::GroupNorm if is_even => {
                piece.group_norm = Some(GroupNormConfig::new(channels / 2, channels).init(device));
            }
            Kind::Depthwise => {
                piece.depthwise = Some(DepthwiseConv2d::new(channels, 3, 1, 1, device));
            }
            Kind::Pool if size >= 4 => out[1] = size / 2,
            Kind::Upsample | Kind::Transposed if size > 4 => return None,
            Kind::Upsample => out[1] = 2 * size,
            Kind::Grouped if is_even => {
                let config = Conv2dConfig::new([channels, 2 * width], [3, 3]).with_groups(2);
                let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
                piece.convs = vec![config.with_padding(padding).init(device)];
                out[0] = 2 * width;
            }
            Kind::Gate => piece.convs = vec![conv([channels; 2], 1, 1, device)],
            Kind::Transposed => {
                let config = ConvTranspose2dConfig::new([channels, width], [2, 2]);
                piece.transposed = Some(config.with_stride([2, 2]).init(device));
                out = [width, 2 * size];
            }
            Kind::Narrow if channels > 2 => out[0] = channels - 1,
            Kind::Repeat if channels <= 4 => out[0] = 2 * channels,
            _ => return None,
        }
        Some((piece, out))
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match KINDS[self.kind] {
            Kind::Convolve => relu(self.convs[0].forward(x)),
            Kind::Residual => {
                let y = silu(self.convs[0].forward(x.clone()));
                x + self.convs[1].forward(y)
            }
            Kind::Append => {
                let y = sigmoid(self.convs[0].forward(x.clone()));
                Tensor::cat(vec![y, x], 1)
            }
            Kind::Split => {
                let [a, b] = x.chunk(2, 1).try_into().expect("two parts");
                Tensor::cat(vec![self.convs[0].forward(b), a], 1)
            }
            Kind::BatchNorm => silu(self.batch_norm.as_ref().unwrap().forward(x)),
            Kind::GroupNorm => relu(self.group_norm.as_ref().unwrap().forward(x)),
            Kind::Depthwise => sigmoid(self.depthwise.as_ref().unwrap().forward(x)) + 0.5,
            Kind::Pool => MaxPool2dConfig::new([2, 2])
                .with_strides([2, 2])
                .init()
                .forward(x),
            Kind::Upsample => Interpolate2dConfig::new()
                .with_scale_factor(Some([2.0, 2.0]))
                .with_mode(InterpolateMode::Nearest)
                .init()
                .forward(x),
            Kind::Grouped => gelu(self.convs[0].forward(x)),
            Kind::Gate => {
                let mean = x.clone().mean_dim(2).mean_dim(3);
                x * sigmoid(self.convs[0].forward(mean))
            }
            Kind::Transposed => relu(self.transposed.as_ref().unwrap().forward(x)),
            // At a place that only the code knows.
            Kind::Narrow => {
                let channels = x.dims()[1];
                x.narrow(1, 1, channels - 1)
            }
            Kind::Repeat => x.repeat_dim(1, 2),
        }
    }
}

impl RandomNet {
    fn new(kinds: &[(usize, usize)], width: usize, device: &Device) -> Self {
        let mut now = [width, 8];
        let mut pieces = Vec::new();
        for (kind, width) in kinds {
            if let Some((piece, out)) = Piece::new(*kind, *width, now, device) {
                pieces.push(piece);
                now = out;
            }
        }
        let [channels, size] = now;
        Self {
            stem: conv([2, width], 3, 1, device),
            pieces,
            head: LinearConfig::new(channels * size * size, 3).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let pieces = self.pieces.iter();
        let x = pieces.fold(self.stem.forward(x), |x, piece| piece.forward(x));
        self.head.forward(x.flatten(1, 3))
    }
}

fn edit(mut net: RandomNet, edits: &[FieldEdit]) -> RandomNet {
    for edit in edits {
        let mut path = edit.path.split('.');
        let index: usize = path.nth(1).unwrap().parse().unwrap();
        let piece = &mut net.pieces[index];
        match (edit.field.as_str(), &mut piece.group_norm) {
            ("num_groups", Some(norm)) => norm.num_groups = edit.to,
            ("num_channels", Some(norm)) => norm.num_channels = edit.to,
            // Two channels in two groups.
            ("groups", None) => piece.convs[0].groups = edit.to,
            (field, _) => panic!("{field}"),
        }
    }
    net
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn shrunk_is_masked(
        kinds in prop::collection::vec((0..KINDS.len(), 2usize..7), 1..8),
        width in 2usize..9,
        fraction in 0.2..0.8f64,
        seed in 0u64..1000,
    ) {
        let device = Device::flex();
        let net = randomised(RandomNet::new(&kinds, width, &device), seed);
        let input = example([2, 2, 8, 8], &device);
        let graph = Graph::capture(&net, input.clone(), RandomNet::forward).unwrap();
        let groups = graph.groups().unwrap();
        let selection = select(Pruner::new(Random::new(seed)).amount(fraction), &net, &groups);
        prop_assume!(!selection.masks().is_empty());
        let masked = net.with_masks(&selection.masks()).unwrap();
        let plan = selection.plan();
        let small = plan.shrink_with(&masked, edit, input.clone(), RandomNet::forward).unwrap();
        assert_close(&small.forward(input.clone()), &masked.forward(input));
    }
}
