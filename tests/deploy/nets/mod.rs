//! The architectures that channels are cut from, and randomisation of everything in them.

pub(crate) mod convolutional;
pub(crate) mod others;
pub(crate) mod residual;

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor, TensorData, activation::relu};
use chacha20::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// Same-size convolution with a square, odd kernel and no bias.
pub(crate) fn conv(channels: [usize; 2], kernel: usize, stride: usize, device: &Device) -> Conv2d {
    let padding = kernel / 2;
    Conv2dConfig::new(channels, [kernel; 2])
        .with_stride([stride; 2])
        .with_padding(PaddingConfig2d::Explicit(
            padding, padding, padding, padding,
        ))
        .with_bias(false)
        .init(device)
}

pub(crate) fn norm(channels: usize, device: &Device) -> BatchNorm {
    BatchNormConfig::new(channels).init(device)
}

/// Convolution, BatchNorm, ReLU.
#[derive(Module, Debug)]
pub(crate) struct ConvNormRelu {
    pub(crate) conv: Conv2d,
    pub(crate) norm: BatchNorm,
}

impl ConvNormRelu {
    pub(crate) fn new(channels: [usize; 2], kernel: usize, stride: usize, device: &Device) -> Self {
        Self {
            conv: conv(channels, kernel, stride, device),
            norm: norm(channels[1], device),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        relu(self.norm.forward(self.conv.forward(x)))
    }
}

/// Gives every parameter and statistic random values around 0, and variances above it: nothing is
/// at its default.
pub(crate) fn randomised<M: Module>(model: M, seed: u64) -> M {
    model.map(&mut Randomise {
        random: ChaCha8Rng::seed_from_u64(seed),
        path: Vec::new(),
    })
}

struct Randomise {
    random: ChaCha8Rng,
    path: Vec<String>,
}

impl ModuleMapper for Randomise {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.last().cloned().unwrap_or_default();
        param.map(|tensor| {
            let dims = tensor.dims();
            let inputs: usize = dims[1..].iter().product();
            // Keeps the signal at about its size through many layers.
            let scale = match D {
                1 => 0.5,
                _ => (3.0 / inputs.max(dims[0].min(64)) as f64).sqrt(),
            };
            let values = (0..dims.iter().product()).map(|_| {
                let uniform = f64::from(self.random.next_u32()) / f64::from(u32::MAX);
                let value = match name.as_str() {
                    "running_var" => 0.5 + uniform,
                    "gamma" => 0.6 + 0.8 * uniform,
                    _ => scale * (2.0 * uniform - 1.0),
                };
                value as f32
            });
            let data = TensorData::new(values.collect::<Vec<f32>>(), dims);
            Tensor::from_data(data, &tensor.device()).set_require_grad(tensor.is_require_grad())
        })
    }
}

/// Random values between -1 and 1.
pub(crate) fn example<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let values = (0..shape.iter().product())
        .map(|_| (2.0 * f64::from(random.next_u32()) / f64::from(u32::MAX) - 1.0) as f32);
    Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), shape), device)
}

/// What a net returns, as vectors.
pub(crate) trait Outputs {
    fn values(&self) -> Vec<Vec<f32>>;
}

impl<const D: usize> Outputs for Tensor<D> {
    fn values(&self) -> Vec<Vec<f32>> {
        vec![self.clone().into_data().try_to_vec().unwrap()]
    }
}

impl Outputs for (Tensor<4>, Tensor<4>) {
    fn values(&self) -> Vec<Vec<f32>> {
        [self.0.values(), self.1.values()].concat()
    }
}

pub(crate) fn assert_close(found: &impl Outputs, expected: &impl Outputs) {
    for (found, expected) in found.values().iter().zip(&expected.values()) {
        assert_eq!(found.len(), expected.len());
        let largest = expected
            .iter()
            .fold(0.0f32, |max, value| max.max(value.abs()));
        assert!(
            largest > 1e-3 && largest.is_finite(),
            "the output is nothing: {largest}"
        );
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() <= 1e-5 * largest,
                "{found} instead of {expected}"
            );
        }
    }
}
