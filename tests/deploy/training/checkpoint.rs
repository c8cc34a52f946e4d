//! A checkpoint of `Learner` is cut, and a `Learner` of the small model resumes it.

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;
use burn::train::Learner;
use burn_prune::Prunable;

use super::net::{Net, halved_net};
use super::{adam, momentum, rate, training};
use crate::common::values;
use crate::random::example;

/// The largest difference between what two models compute, as a fraction of the largest output.
pub(super) fn difference(one: &Net, other: &Net) -> f32 {
    let input = example([4, 1, 28, 28], &Device::flex());
    let [one, other] = [one, other].map(|model| values(model.valid().forward(input.clone())));
    let largest = one.iter().fold(0.0f32, |max, value| max.max(value.abs()));
    let differences = one.iter().zip(&other).map(|(a, b)| (a - b).abs());
    differences.fold(0.0f32, f32::max) / largest
}

fn resumes(optimizer: impl Fn() -> ModuleOptimizer) {
    let device = Device::flex().autodiff();
    let folder = tempfile::tempdir().unwrap();
    let [large, small] = ["large", "small"].map(|name| folder.path().join(name));
    let (masks, plan) = halved_net();
    let masked = || Net::new(&device).with_masks(&masks).unwrap();

    training(&large, 2).launch(Learner::new(masked(), optimizer(), rate()));
    let expected = training(&large, 3)
        .checkpoint(2)
        .launch(Learner::new(masked(), optimizer(), rate()))
        .model;

    let [from, to] = [&large, &small].map(|folder| folder.join("checkpoint"));
    // The weights of the model that is given do not matter.
    let other = Net::seeded(99, &device);
    plan.shrink_checkpoint(&other, &from, 2, &to).unwrap();
    let fresh = plan.apply(&other).unwrap();
    assert_eq!(fresh.last.weight.dims(), [6, 4, 3, 3]);
    let resumed = training(&small, 3)
        .checkpoint(2)
        .launch(Learner::new(fresh.clone(), optimizer(), rate()))
        .model;
    let found = difference(&resumed, &expected);
    assert!(found < 1e-3, "{found}");

    // Without what the optimizer knew it would be another training.
    let forgetful =
        fresh.load_record(burn::store::ModuleRecord::load(to.join("model-2.bpk")).unwrap());
    let forgetful = training(&folder.path().join("forgetful"), 1)
        .launch(Learner::new(forgetful, optimizer(), rate()))
        .model;
    let control = difference(&forgetful, &expected);
    assert!(control > 10.0 * found.max(1e-4), "{control} and {found}");
}

#[test]
fn a_learner_of_the_small_model_goes_on_with_adam() {
    resumes(adam);
}

#[test]
fn a_learner_of_the_small_model_goes_on_with_momentum() {
    resumes(momentum);
}
