//! Networks for images and vectors.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use examples_shared::Cnn;
use examples_shared::nets::convolutional::{LeNet5, Mlp, Vgg11};
use examples_shared::nets::efficientnet_lite0::EfficientNetLite0;
use examples_shared::nets::others::{DenseNet, Grouped, UNet, Yolo};
use examples_shared::nets::residual::{MobileNetV2, ResNet18};

use super::check;
use crate::nets::{Dilated, Gates, Layers, Mixed, Pools, Transposed};
use crate::signals::{Outputs, noise};

fn images<M: Module, O: Outputs>(
    model: M,
    [channels, size]: [usize; 2],
    forward: impl Fn(&M, Tensor<4>) -> O + Copy,
) {
    let input = |batch| noise([batch, channels, size, size], 7);
    check(model, input, forward);
}

fn device() -> Device {
    Device::flex()
}

#[test]
fn mlp() {
    let model = Mlp::new(&[784, 300, 100, 10], &device());
    check(model, |batch| noise([batch, 784], 7), Mlp::forward);
}

#[test]
fn cnn() {
    images(Cnn::new(&device()), [1, 28], Cnn::forward);
}

#[test]
fn lenet_5() {
    images(LeNet5::new(&device()), [1, 28], LeNet5::forward);
}

#[test]
fn vgg_11() {
    images(Vgg11::new(16, &device()), [3, 32], Vgg11::forward);
}

#[test]
fn resnet_18() {
    let model = ResNet18::new(16, 10, &device());
    images(model, [3, 32], ResNet18::forward);
}

#[test]
fn resnet_18_on_odd_sizes() {
    let model = ResNet18::new(8, 10, &device());
    let input = |batch| noise([batch, 3, 45, 37], 7);
    check(model, input, ResNet18::forward);
}

#[test]
fn mobilenet_v2() {
    let model = MobileNetV2::new(10, &device());
    images(model, [3, 64], MobileNetV2::forward);
}

#[test]
fn efficientnet_lite0() {
    let model = EfficientNetLite0::new(&device());
    images(model, [3, 64], EfficientNetLite0::forward);
}

#[test]
fn densenet() {
    images(DenseNet::new(&device()), [3, 16], DenseNet::forward);
}

#[test]
fn u_net() {
    images(UNet::new(&device()), [1, 16], UNet::forward);
}

#[test]
fn yolo_with_two_outputs() {
    images(Yolo::new(&device()), [3, 64], Yolo::forward);
}

#[test]
fn group_norm_and_grouped_convolutions() {
    images(Grouped::new(&device()), [3, 8], Grouped::forward);
}

#[test]
fn squeeze_and_excite() {
    images(Gates::new(&device()), [3, 12], Gates::forward);
}

#[test]
fn pools_of_all_kinds() {
    images(Pools::new(&device()), [3, 19], Pools::forward);
}

#[test]
fn dilations_strides_and_uneven_padding() {
    images(Dilated::new(&device()), [3, 21], Dilated::forward);
}

#[test]
fn transposed_convolutions() {
    images(Transposed::new(&device()), [2, 6], Transposed::forward);
}

#[test]
fn norms_and_activations_of_all_kinds() {
    let model = Layers::new(&device());
    check(model, |batch| noise([batch, 24], 7), Layers::forward);
}

#[test]
fn two_inputs() {
    let input = |batch| (noise([batch, 3, 8, 8], 7), noise([batch, 6], 8));
    check(Mixed::new(&device()), input, |model, (image, vector)| {
        model.forward(image, vector)
    });
}
