//! Channels without weights are taken out, whatever they come from and wherever they go to.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, PaddingConfig2d};
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Device, Tensor};
use burn_prune::{Axis, Magnitude, Pattern, Prunable, Pruner};
use burn_prune_deploy::Graph;
use burn_prune_engine::EngineTensors;
use examples_shared::nets::convolutional::{LeNet5, Mlp, Vgg11};
use examples_shared::nets::efficientnet_lite0::EfficientNetLite0;
use examples_shared::nets::norm;
use examples_shared::nets::others::DenseNet;
use examples_shared::nets::residual::ResNet18;

use crate::common::compile;
use crate::law::judge;
use crate::signals::{Inputs, Outputs, noise};
use crate::trained::{doubled, trained};

/// Multiply-adds of the masked model as a share of those of the dense one, when the outputs follow the law.
fn share<M: Module, I: Inputs, O: Outputs>(
    dense: &M,
    masked: &M,
    input: impl Fn(usize) -> I,
    forward: impl Fn(&M, I) -> O + Copy,
) -> f64 {
    let engine = compile(masked, input(1), forward, 1);
    let exact = doubled(masked);
    for batch in [1, 3] {
        let x = input(batch);
        let expected = forward(masked, x.clone()).values();
        let found = engine.run(x.clone()).unwrap().values();
        judge(&found, &expected, || forward(&exact, x.doubled()).values());
    }
    let all = compile(dense, input(1), forward, 1).plan().multiply_adds();
    engine.plan().multiply_adds() as f64 / all as f64
}

/// Half of the units of each group, and what is left of the multiply-adds.
fn half_of_the_groups<M: Module, I: Inputs + EngineTensors, O: Outputs>(
    model: M,
    input: impl Fn(usize) -> I,
    forward: impl Fn(&M, I) -> O + Copy,
) -> f64 {
    let model = trained(model, 1);
    let groups = Graph::capture(&model, input(1), forward)
        .unwrap()
        .groups()
        .unwrap();
    let pruner = Pruner::new(Magnitude::l2())
        .pattern(groups.pattern())
        .amount(0.5);
    let masked = model.clone().prune(&pruner).unwrap();
    share(&model, &masked, input, forward)
}

fn image(channels: usize, size: usize) -> impl Fn(usize) -> Tensor<4> {
    move |batch| noise([batch, channels, size, size], 7)
}

#[test]
fn half_of_all_groups_is_about_a_quarter_of_the_work() {
    let device = Device::flex();
    let mlp = Mlp::new(&[64, 300, 100, 10], &device);
    let found = half_of_the_groups(mlp, |batch| noise([batch, 64], 7), Mlp::forward);
    assert!(found < 0.5, "{found}");
    let found = half_of_the_groups(LeNet5::new(&device), image(1, 28), LeNet5::forward);
    assert!(found < 0.5, "{found}");
    let found = half_of_the_groups(Vgg11::new(8, &device), image(3, 32), Vgg11::forward);
    assert!(found < 0.3, "{found}");
    let resnet = ResNet18::new(8, 10, &device);
    let found = half_of_the_groups(resnet, image(3, 32), ResNet18::forward);
    assert!(found < 0.35, "{found}");
    let found = half_of_the_groups(DenseNet::new(&device), image(3, 16), DenseNet::forward);
    assert!(found < 0.6, "{found}");
    let efficient = EfficientNetLite0::new(&device);
    let found = half_of_the_groups(efficient, image(3, 32), EfficientNetLite0::forward);
    assert!(found < 0.4, "{found}");
}

/// Layers with biases between which channels may be constant: one padded, one not.
#[derive(Module, Debug)]
struct Biased {
    first: Conv2d,
    norm: BatchNorm,
    padded: Conv2d,
    inside: Conv2d,
    last: Conv2d,
}

impl Biased {
    fn new(device: &Device) -> Self {
        let layer = |channels| Conv2dConfig::new(channels, [3, 3]);
        let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
        Self {
            first: layer([3, 16]).with_padding(padding.clone()).init(device),
            norm: norm(16, device),
            padded: layer([16, 12]).with_padding(padding).init(device),
            inside: layer([12, 20]).init(device),
            last: Conv2dConfig::new([20, 4], [1, 1]).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = relu(self.norm.forward(self.first.forward(x)));
        let x = relu(self.padded.forward(x));
        self.last.forward(sigmoid(self.inside.forward(x)))
    }
}

#[test]
fn channels_that_are_constants_go_into_biases() {
    let model = trained(Biased::new(&Device::flex()), 1);
    // The weights that make a channel are gone; its bias, norm and readers are there.
    let outputs = Pattern::Channels(Axis::Output);
    let pruner = Pruner::new(Magnitude::l2()).pattern(outputs).amount(0.5);
    let pruner = pruner.exclude(burn::module::ParamGroup::from_path("last.weight"));
    let masked = model.clone().prune(&pruner).unwrap();
    let found = share(&model, &masked, image(3, 9), Biased::forward);
    assert!(found < 0.7, "{found}");
}

#[test]
fn channels_that_nobody_reads_are_not_made() {
    let model = trained(Biased::new(&Device::flex()), 1);
    let inputs = Pattern::Channels(Axis::Input);
    let pruner = Pruner::new(Magnitude::l2()).pattern(inputs).amount(0.5);
    let pruner = pruner.exclude(burn::module::ParamGroup::from_path("first.weight"));
    let masked = model.clone().prune(&pruner).unwrap();
    let found = share(&model, &masked, image(3, 9), Biased::forward);
    assert!(found < 0.4, "{found}");
}
