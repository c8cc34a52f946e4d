//! A model of three weights.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};

use crate::nets::{seeded, values};

pub(super) const LINEAR: [usize; 2] = [5, 7];
pub(super) const CONV: [usize; 4] = [3, 2, 2, 2];

#[derive(Module, Debug)]
pub(super) struct Small {
    pub(super) conv: Conv2d,
    pub(super) first: Linear,
    pub(super) second: Linear,
}

impl Small {
    pub(super) fn new(seed: u64, device: &Device) -> Self {
        let linear = || LinearConfig::new(LINEAR[0], LINEAR[1]).with_bias(false);
        let model = Self {
            conv: Conv2dConfig::new([2, 3], [2, 2])
                .with_bias(false)
                .init(device),
            first: linear().init(device),
            second: linear().init(device),
        };
        seeded(model, seed)
    }

    /// What is read and what is stored, and the path of each.
    pub(super) fn weights(&self) -> [(&'static str, Vec<f32>, Vec<f32>); 3] {
        let (conv, first, second) = (&self.conv.weight, &self.first.weight, &self.second.weight);
        [
            ("conv.weight", values(conv.val()), values(conv.base())),
            ("first.weight", values(first.val()), values(first.base())),
            ("second.weight", values(second.val()), values(second.base())),
        ]
    }

    /// A loss whose gradient is `1 + index` for the entry of each weight that is not masked.
    pub(super) fn gradients(&self) -> GradientsParams {
        let device = self.first.weight.device();
        let linear = ramp::<2>(LINEAR, &device);
        let conv = ramp::<4>(CONV, &device);
        // NaN times 0 is NaN, so the second layer, which may hold one, has a loss that is a sum.
        let loss = (self.conv.weight.val() * conv).sum()
            + (self.first.weight.val() * linear.clone()).sum()
            + (self.second.weight.val() * linear).sum();
        GradientsParams::from_grads(loss.backward(), self)
    }
}

fn ramp<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    let count = shape.iter().product::<usize>();
    let ramp: Vec<f32> = (1..=count).map(|index| index as f32).collect();
    Tensor::from_data(TensorData::new(ramp, shape), device)
}
