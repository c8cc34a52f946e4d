//! A small network of a user.

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, LinearLayout};
use burn::optim::{GradientsParams, SgdConfig, momentum::MomentumConfig};
use burn::tensor::{Device, Int, Tensor, TensorData, activation::relu};
use burn_prune::Prunable;

/// A convolution, a norm, and three Linear layers, one of them in column layout.
#[derive(Module, Debug)]
pub struct Net {
    conv: Conv2d,
    norm: BatchNorm,
    /// Its weight is looked at by the tests.
    pub hidden: Linear,
    columns: Linear,
    output: Linear,
}

impl Net {
    /// A network with the same weights on every device, from a formula: Burn's generator differs
    /// from device to device.
    pub fn new(device: &Device) -> Self {
        Self::random(device).map(&mut Formula::default())
    }

    /// A network with weights that depend on the device.
    pub fn random(device: &Device) -> Self {
        Self {
            conv: Conv2dConfig::new([1, 4], [3, 3]).init(device),
            norm: BatchNormConfig::new(4).init(device),
            hidden: LinearConfig::new(4 * 6 * 6, 12).init(device),
            // Square: once initialized, Burn 0.22 loads no other shape in column layout.
            columns: LinearConfig::new(12, 12)
                .with_layout(LinearLayout::Col)
                .init(device),
            output: LinearConfig::new(12, 3).init(device),
        }
    }

    /// `[batch, 1, 8, 8]` to `[batch, 3]`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = relu(self.norm.forward(self.conv.forward(images)));
        self.output
            .forward(relu(self.hidden.forward(x.flatten(1, 3))))
    }

    /// Three steps on the same images everywhere. Not Adam: the bias before a norm has a gradient of
    /// rounding errors, which Adam would make as large as any other.
    pub fn train_on(self, device: &Device) -> Self {
        self.train_with(device, |_, gradients| gradients, |net| net)
    }

    /// The same, with the two calls of a loop that keeps the masks after the step.
    pub fn train_after_step_on(self, device: &Device) -> Self {
        let before = |net: &Self, gradients| net.zero_pruned_gradients(gradients);
        self.train_with(device, before, Self::zero_pruned)
    }

    fn train_with(
        self,
        device: &Device,
        before: impl Fn(&Self, GradientsParams) -> GradientsParams,
        after: impl Fn(Self) -> Self,
    ) -> Self {
        let momentum = MomentumConfig::new().with_momentum(0.9);
        let mut optimizer = SgdConfig::new().with_momentum(Some(momentum)).init();
        let mut net = self;
        for step in 0..3 {
            let (images, labels) = batch(step, device);
            let loss = CrossEntropyLossConfig::new().init(device);
            let loss = loss.forward(net.forward(images), labels);
            let gradients = GradientsParams::from_grads(loss.backward(), &net);
            let gradients = before(&net, gradients);
            net = after(optimizer.step(5e-2, net, gradients));
        }
        net
    }

    /// Adds 1 to every stored number, as a mapper that knows nothing of masks may.
    #[must_use]
    pub fn raised(self) -> Self {
        self.map(&mut Raise)
    }

    /// What an evaluation gives for a fixed batch.
    pub fn logits(&self, device: &Device) -> Vec<f32> {
        let (images, _) = batch(9, &device.clone().without_autodiff());
        self.valid().forward(images).try_into_vec_as().unwrap()
    }
}

struct Raise;

impl ModuleMapper for Raise {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|value| {
            let require_grad = value.is_require_grad();
            let value = value.detach().set_require_grad(false) + 1.0;
            value.set_require_grad(require_grad)
        })
    }
}

#[derive(Default)]
struct Formula {
    name: String,
    count: usize,
}

impl ModuleMapper for Formula {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.name = name.to_string();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        // The norm starts the same everywhere.
        if !["weight", "bias"].contains(&self.name.as_str()) {
            return param;
        }
        param.map(|weight| {
            let shape = weight.dims();
            let mut value = |_| {
                self.count += 1;
                0.3 * ((self.count * self.count) as f32 * 0.618).sin()
            };
            let values: Vec<f32> = (0..shape.iter().product()).map(&mut value).collect();
            let data = TensorData::new(values, shape);
            let filled = Tensor::<D>::from_data(data, &weight.device());
            filled.set_require_grad(weight.is_require_grad())
        })
    }
}

/// Eight images and labels, from a formula.
pub fn batch(step: usize, device: &Device) -> (Tensor<4>, Tensor<1, Int>) {
    let value = |index: usize| ((index * (step + 3)) as f32 * 0.37).sin();
    let images: Vec<f32> = (0..8 * 64).map(value).collect();
    let labels: Vec<i32> = (0..8).map(|index| (index + step as i32) % 3).collect();
    (
        Tensor::from_data(TensorData::new(images, [8, 1, 8, 8]), device),
        Tensor::from_data(TensorData::new(labels, [8]), device),
    )
}
