//! In a loop of one's own, model and optimizer are cut by one call.

use burn::optim::ModuleOptimizer;
use burn::tensor::Device;
use burn::train::TrainStep;
use burn_prune::{MaskMode, Prunable};
use burn_prune_deploy::DeployError;

use super::checkpoint::difference;
use super::net::{Net, halved_net, images, plan_without};
use super::{adam, momentum};

/// The loss of a batch, and the model after a step on it.
fn step(net: Net, optimizer: &mut ModuleOptimizer, number: usize) -> (f32, Net) {
    let output = TrainStep::step(&net, images(number));
    let net = net.optimize(optimizer, 1e-2.into(), output.grads);
    (output.item.loss.into_scalar(), net.zero_pruned())
}

fn goes_on(mut optimizer: ModuleOptimizer) {
    let device = Device::flex().autodiff();
    let (masks, plan) = halved_net();
    let mut net = Net::new(&device).with_masks(&masks).unwrap();
    net = net.with_mask_mode(MaskMode::AfterStep).unwrap();
    for number in 0..4 {
        net = step(net, &mut optimizer, number).1;
    }
    let cut = plan.shrink_training(&net, &optimizer, Net::example(&device), Net::forward);
    let (mut small, mut small_optimizer) = cut.unwrap();
    assert_eq!(small.last.weight.dims(), [6, 4, 3, 3]);
    assert!(difference(&small, &net) < 1e-5);
    for number in 4..10 {
        let (expected, masked) = step(net, &mut optimizer, number);
        let (found, next) = step(small, &mut small_optimizer, number);
        assert!(
            (found - expected).abs() < 1e-4 * expected,
            "{found} and {expected}"
        );
        (net, small) = (masked, next);
    }
    assert!(difference(&small, &net) < 1e-3);
}

#[test]
fn losses_of_the_small_model_are_those_of_the_masked_one_with_adam() {
    goes_on(adam());
}

#[test]
fn losses_of_the_small_model_are_those_of_the_masked_one_with_momentum() {
    goes_on(momentum());
}

#[test]
fn model_and_optimizer_are_refused_together() {
    let device = Device::flex().autodiff();
    let plan = plan_without(0.5);
    let small = plan.apply(&Net::new(&device)).unwrap();
    let example = Net::example(&device);
    let refused = plan.shrink_training(&small, &adam(), example, Net::forward);
    let error = refused.map(|(small, _)| small).unwrap_err();
    assert!(
        matches!(error, DeployError::ModelMismatch { .. }),
        "{error}"
    );
}
