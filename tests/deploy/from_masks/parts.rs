//! Layers and parameters to put nets together from.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv1d, Conv2d, Conv2dConfig, ConvTranspose2d};
use burn::nn::{BatchNorm, Embedding, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor};

use examples_shared::nets::norm;

use crate::random::example;

/// Parts that a forward pass puts together.
#[derive(Module, Debug)]
pub(super) struct Parts {
    pub(super) linears: Vec<Linear>,
    pub(super) convolutions: Vec<Conv2d>,
    pub(super) rows: Vec<Conv1d>,
    pub(super) transposed: Vec<ConvTranspose2d>,
    pub(super) norms: Vec<BatchNorm>,
    pub(super) tables: Vec<Embedding>,
    pub(super) vectors: Vec<Param<Tensor<1>>>,
    pub(super) matrices: Vec<Param<Tensor<2>>>,
    pub(super) banks: Vec<Param<Tensor<3>>>,
    pub(super) maps: Vec<Param<Tensor<4>>>,
}

impl Parts {
    pub(super) fn new() -> Self {
        Self {
            linears: Vec::new(),
            convolutions: Vec::new(),
            rows: Vec::new(),
            transposed: Vec::new(),
            norms: Vec::new(),
            tables: Vec::new(),
            vectors: Vec::new(),
            matrices: Vec::new(),
            banks: Vec::new(),
            maps: Vec::new(),
        }
    }

    pub(super) fn linear(mut self, sizes: [usize; 2]) -> Self {
        let linear = LinearConfig::new(sizes[0], sizes[1]);
        self.linears.push(linear.init(&Device::flex()));
        self
    }

    pub(super) fn linear_without_bias(mut self, sizes: [usize; 2]) -> Self {
        let linear = LinearConfig::new(sizes[0], sizes[1]).with_bias(false);
        self.linears.push(linear.init(&Device::flex()));
        self
    }

    /// A convolution with kernels of this size, padded so that images keep theirs.
    pub(super) fn convolution(mut self, sizes: [usize; 2], kernel: usize) -> Self {
        let convolution = Conv2dConfig::new(sizes, [kernel, kernel]);
        let convolution = convolution.with_padding(PaddingConfig2d::Same);
        self.convolutions.push(convolution.init(&Device::flex()));
        self
    }

    pub(super) fn norm(mut self, channels: usize) -> Self {
        self.norms.push(norm(channels, &Device::flex()));
        self
    }

    pub(super) fn vector(mut self, size: usize) -> Self {
        let vector = example([size], &Device::flex());
        self.vectors.push(Param::from_tensor(vector));
        self
    }

    pub(super) fn matrix(mut self, sizes: [usize; 2]) -> Self {
        let matrix = example(sizes, &Device::flex());
        self.matrices.push(Param::from_tensor(matrix));
        self
    }

    pub(super) fn bank(mut self, sizes: [usize; 3]) -> Self {
        let bank = example(sizes, &Device::flex());
        self.banks.push(Param::from_tensor(bank));
        self
    }

    pub(super) fn map_of(mut self, channels: usize) -> Self {
        let map = example([1, channels, 1, 1], &Device::flex());
        self.maps.push(Param::from_tensor(map));
        self
    }
}
