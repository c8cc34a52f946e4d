//! Cutting a model: what becomes smaller, what is touched, what has to be told.

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Int, Tensor, activation::relu};
use burn_prune::{Magnitude, Prunable, Pruner};
use burn_prune_deploy::{DeployError, Graph};

use examples_shared::nets::convolutional::{LeNet5, Vgg11};
use examples_shared::nets::others::Grouped;

use crate::common::{halved, select, values, vgg};
use crate::random::{example, randomised};

#[test]
fn a_model_that_is_trained_stays_as_it_is_statistics_included() {
    let device = Device::flex().autodiff();
    let (model, input) = vgg(&device);
    let sister = model.clone();
    let statistics = |model: &Vgg11| {
        let norms = model.blocks.iter().map(|block| &block.norm);
        let norms = norms.flat_map(|norm| [&norm.running_mean, &norm.running_var]);
        norms
            .map(|state| values(state.value_sync()))
            .collect::<Vec<_>>()
    };
    let (before, output) = (
        statistics(&model),
        values(model.valid().forward(input.clone().inner())),
    );
    let graph = Graph::capture(&model, input.clone(), Vgg11::forward).unwrap();
    let groups = graph.groups().unwrap();
    let small = halved(&model, &groups)
        .shrink(&model, input.clone(), Vgg11::forward)
        .unwrap();
    assert_eq!(small.blocks[0].norm.running_mean.value_sync().dims(), [2]);
    for model in [&model, &sister] {
        assert_eq!(statistics(model), before);
        assert_eq!(values(model.valid().forward(input.clone().inner())), output);
    }
}

#[test]
fn a_shrunk_model_can_be_trained_at_once() {
    let device = Device::flex().autodiff();
    let (model, input) = vgg(&device);
    let frozen = model.blocks[1].conv.weight.id;
    let graph = Graph::capture(&model, input.clone(), Vgg11::forward).unwrap();
    let groups = graph.groups().unwrap();
    let mut small = halved(&model, &groups)
        .shrink(&model, input.clone(), Vgg11::forward)
        .unwrap();
    assert_eq!(small.blocks[1].conv.weight.id, frozen);
    let labels = Tensor::<1, Int>::from_data([3, 8], &device);
    let mut optimizer = AdamConfig::new().init();
    let mut losses = Vec::new();
    for _ in 0..8 {
        let output = small.forward(input.clone());
        let loss = CrossEntropyLossConfig::new()
            .init(&device)
            .forward(output, labels.clone());
        losses.push(loss.clone().into_scalar::<f32>());
        let grads = GradientsParams::from_grads(loss.backward(), &small);
        assert_eq!(grads.len(), 8 * 3 + 2);
        small = optimizer.step(1e-2, small, grads);
    }
    assert!(losses[7] < losses[0], "{losses:?}");
}

#[test]
fn masks_stay_when_it_is_trained_on_and_then_it_shrinks() {
    let device = Device::flex().autodiff();
    let (model, input) = vgg(&device);
    let graph = Graph::capture(&model, input.clone(), Vgg11::forward).unwrap();
    let groups = graph.groups().unwrap();
    let selection = select(Pruner::new(Magnitude::l2()).amount(0.5), &model, &groups);
    let mut masked = model.with_masks(&selection.masks()).unwrap();
    let labels = Tensor::<1, Int>::from_data([3, 8], &device);
    let mut optimizer = AdamConfig::new().init();
    for _ in 0..3 {
        let output = masked.forward(input.clone());
        let loss = CrossEntropyLossConfig::new()
            .init(&device)
            .forward(output, labels.clone());
        let grads = GradientsParams::from_grads(loss.backward(), &masked);
        masked = optimizer.step(1e-2, masked, grads);
    }
    let input = input.inner();
    let small = selection
        .plan()
        .shrink(&masked, input.clone(), Vgg11::forward)
        .unwrap();
    let (found, expected) = (
        values(small.valid().forward(input.clone())),
        values(masked.valid().forward(input)),
    );
    let largest = expected
        .iter()
        .fold(0.0f32, |max, value| max.max(value.abs()));
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() <= 1e-5 * largest);
    }
}

#[test]
fn fields_that_were_not_changed_are_named() {
    let device = Device::flex();
    let model = randomised(Grouped::new(&device), 2);
    let input = example([2, 3, 8, 8], &device);
    let graph = Graph::capture(&model, input.clone(), Grouped::forward).unwrap();
    let groups = graph.groups().unwrap();
    let error = halved(&model, &groups)
        .shrink(&model, input, Grouped::forward)
        .unwrap_err();
    let message = error.to_string();
    for part in [
        "`norm.num_groups` from 4 to 2",
        "`norm.num_channels` from 16 to 8",
        "`depthwise.groups` from 24 to 12",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn sizes_in_the_code_of_a_model_are_found_out_after_shrinking() {
    let device = Device::flex();
    let model = LeNet5::new(&device);
    let input = example([2, 1, 28, 28], &device);
    let fixed = |model: &LeNet5, x: Tensor<4>| {
        let x = model.pool.forward(relu(model.conv1.forward(x)));
        let x = model.pool.forward(relu(model.conv2.forward(x)));
        model.fc3.forward(relu(
            model
                .fc2
                .forward(relu(model.fc1.forward(x.reshape([2, 400])))),
        ))
    };
    let graph = Graph::capture(&model, input.clone(), fixed).unwrap();
    let groups = graph.groups().unwrap();
    let error = halved(&model, &groups)
        .shrink(&model, input, fixed)
        .unwrap_err();
    assert!(
        matches!(error, DeployError::GraphMismatch { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("constants?"), "{error}");
}
