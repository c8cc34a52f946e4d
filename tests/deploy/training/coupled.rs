//! Coupled channels that go on a schedule, in a loop of one's own and in `Learner`, and are then cut.

use std::path::Path;

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;
use burn::train::{Learner, TrainStep};
use burn_prune::{
    Magnitude, MaskSet, Prunable, Pruner, Pruning, ScheduleConfig, Span, TrainingLength,
};
use burn_prune_deploy::{Selection, ShrinkPlan};

use super::checkpoint::difference;
use super::net::{Net, groups, images, weights};
use super::{STEPS_PER_EPOCH, adam, momentum, rate, training};

const EPOCHS: usize = 4;

/// Half of the channels of each group go in four updates, the last of them in the third epoch.
pub(crate) fn wrap(net: Net) -> Pruning<Net> {
    let length = TrainingLength {
        epochs: EPOCHS,
        steps_per_epoch: STEPS_PER_EPOCH,
    };
    let schedule = ScheduleConfig::linear(0.5, Span::steps(2, 14, 4));
    let pruner = Pruner::new(Magnitude::l2()).pattern(groups().pattern());
    Pruning::new(net, pruner, schedule.build(length).unwrap()).unwrap()
}

/// What masks allow to be cut; nothing is masked beside it.
fn selection(masks: &MaskSet) -> Selection {
    let selection = Selection::from_masks(&groups(), masks).unwrap();
    assert_eq!(selection.disagreements(), []);
    assert_eq!(selection.constants(), []);
    let cut = selection.masks();
    for (path, mask) in masks.iter() {
        match cut.get(path) {
            Some(expected) => assert!(mask == expected, "{path}"),
            None => assert_eq!(mask.pruned(), 0, "{path}"),
        }
    }
    selection
}

fn removed(selection: &Selection) -> Vec<usize> {
    let groups = selection.kept().iter();
    groups
        .map(|kept| kept.iter().filter(|kept| !**kept).count())
        .collect()
}

/// A step on the batch of this number, and its loss.
fn step(
    pruning: Pruning<Net>,
    optimizer: &mut ModuleOptimizer,
    number: usize,
) -> (f32, Pruning<Net>) {
    let output = TrainStep::step(&pruning, images(number));
    let pruning = pruning.optimize(optimizer, 1e-2.into(), output.grads);
    (output.item.loss.into_scalar(), pruning)
}

#[test]
fn masks_of_all_members_agree_after_every_step() {
    let device = Device::flex().autodiff();
    let mut pruning = wrap(Net::new(&device));
    let mut optimizer = adam();
    let mut seen = vec![removed(&selection(&pruning.masks()))];
    for number in 0..16 {
        pruning = step(pruning, &mut optimizer, number).1;
        let now = removed(&selection(&pruning.masks()));
        if seen.last() != Some(&now) {
            seen.push(now);
        }
    }
    assert!(pruning.problems().is_empty());
    assert!(seen.len() > 3, "{seen:?}");
    // Of 8 channels that go through the residual, and 12 of the last convolution.
    let mut last = seen.pop().unwrap();
    last.sort_unstable();
    assert_eq!(last, [4, 6]);
}

fn cut_in_own_loop(mut optimizer: ModuleOptimizer) {
    let device = Device::flex().autodiff();
    let mut pruning = wrap(Net::new(&device));
    for number in 0..15 {
        pruning = step(pruning, &mut optimizer, number).1;
    }
    let plan = selection(&pruning.masks()).plan();
    let example = Net::example(&device);
    let cut = plan.shrink_training(pruning.model(), &optimizer, example, Net::forward);
    let (mut small, mut small_optimizer) = cut.unwrap();
    assert_eq!(small.last.weight.dims(), [6, 4, 3, 3]);
    assert!(difference(&small, pruning.model()) < 1e-5);
    for number in 15..21 {
        let (expected, masked) = step(pruning, &mut optimizer, number);
        let output = TrainStep::step(&small, images(number));
        small = small.optimize(&mut small_optimizer, 1e-2.into(), output.grads);
        let found: f32 = output.item.loss.into_scalar();
        let apart = (found - expected).abs();
        assert!(apart < 1e-4 * expected, "{found} and {expected}");
        pruning = masked;
    }
    assert!(difference(&small, pruning.model()) < 1e-3);
}

#[test]
fn model_and_optimizer_are_cut_in_a_loop_of_ones_own_with_adam() {
    cut_in_own_loop(adam());
}

#[test]
fn model_and_optimizer_are_cut_in_a_loop_of_ones_own_with_momentum() {
    cut_in_own_loop(momentum());
}

/// The plan that the masks of a checkpoint allow, as a program makes it that has the file only.
pub(crate) fn plan_of_checkpoint(folder: &Path, epoch: usize) -> ShrinkPlan {
    let file = folder.join("checkpoint").join(format!("model-{epoch}.bpk"));
    let masked = Net::seeded(99, &Device::flex())
        .load_checkpoint(file)
        .unwrap();
    selection(&masked.masks()).plan()
}

fn prune_cut_and_go_on(optimizer: impl Fn() -> ModuleOptimizer) {
    let device = Device::flex().autodiff();
    let folder = tempfile::tempdir().unwrap();
    let [large, small] = ["large", "small"].map(|name| folder.path().join(name));
    let learner = || Learner::new(wrap(Net::new(&device)), optimizer(), rate());
    let masked = training(&large, EPOCHS).launch(learner()).model;
    assert_eq!(masked.steps(), EPOCHS * STEPS_PER_EPOCH);

    // Resumed in the middle of the schedule it ends the same, bit for bit.
    for epoch in [1, 2] {
        let resumed = training(&large, EPOCHS).checkpoint(epoch).launch(learner());
        assert!(weights(&resumed.model) == weights(&masked));
        assert_eq!(resumed.model.masks(), masked.masks());
    }

    // The schedule has ended in the third epoch.
    let plan = plan_of_checkpoint(&large, 3);
    let [from, to] = [&large, &small].map(|folder| folder.join("checkpoint"));
    let other = Net::seeded(99, &device);
    plan.shrink_checkpoint(&other, &from, 3, &to).unwrap();
    let fresh = plan.apply(&other).unwrap();
    assert_eq!(fresh.stem.weight.dims(), [4, 1, 3, 3]);
    let resumed = training(&small, EPOCHS)
        .checkpoint(3)
        .launch(Learner::new(fresh.clone(), optimizer(), rate()))
        .model;
    let found = difference(&resumed, masked.model());
    assert!(found < 1e-3, "{found}");

    // The small model has a schedule of its own from here on, with what the optimizer knows.
    let cut = fresh.try_load_file(to.join("model-3.bpk")).unwrap();
    let optimizer = optimizer().load(to.join("optim-3.bpk")).unwrap();
    let length = TrainingLength {
        epochs: 1,
        steps_per_epoch: STEPS_PER_EPOCH,
    };
    let schedule = ScheduleConfig::cubic(0.8, Span::steps(0, 4, 2)).build(length);
    let weights_of_layers = Pruner::new(Magnitude::l1());
    let again = Pruning::new(cut, weights_of_layers, schedule.unwrap()).unwrap();
    let again = training(&folder.path().join("again"), 1)
        .launch(Learner::new(again, optimizer, 1e-3))
        .model;
    assert!(
        (again.sparsity() - 0.8).abs() < 0.01,
        "{}",
        again.sparsity()
    );
}

#[test]
fn a_learner_prunes_resumes_and_goes_on_with_the_small_model_with_adam() {
    prune_cut_and_go_on(adam);
}

#[test]
fn a_learner_prunes_resumes_and_goes_on_with_the_small_model_with_momentum() {
    prune_cut_and_go_on(momentum);
}
