//! Weights that come back: they start at 0, and optimizers can forget them.

use burn::module::ParamGroup;
use burn::optim::{AdamConfig, ModuleOptimizer, SgdConfig, momentum::MomentumConfig};
use burn::tensor::Device;
use burn_prune::{Mask, MaskMode, MaskSet, Prunable, PruneError, Pruner, Random, reset_moments};

use crate::nets::{Net, batches, linear, seeded, values};

struct Trained {
    net: Net,
    optimizer: ModuleOptimizer,
    before: MaskSet,
}

/// Pruned, trained on with dense gradients, and half of what was pruned replaced by other weights.
fn regrown(mode: MaskMode, mut optimizer: ModuleOptimizer) -> Trained {
    let device = Device::flex().autodiff();
    let mut net = seeded(Net::new(&device), 3).l1_unstructured(0.5).unwrap();
    net = net.with_mask_mode(mode).unwrap();
    for batch in &batches(3, &device) {
        let grads = net.gradients(batch).1;
        net = optimizer.step(1e-2, net, grads).zero_pruned();
    }
    let before = net.masks();
    let plain = Net::new(&device);
    let random = Pruner::new(Random::new(9)).amount(0.5);
    let net = net.replace_masks(&random.masks(&plain).unwrap()).unwrap();
    Trained {
        net,
        optimizer,
        before,
    }
}

/// Weights of fc1 that are kept now and were not: their values.
fn came_back(net: &Net, before: &MaskSet) -> Vec<f32> {
    let masks = net.masks();
    let (now, before) = (
        masks.get("fc1.weight").unwrap(),
        before.get("fc1.weight").unwrap(),
    );
    let weights = values(net.fc1.weight.val().inner());
    let pairs = now.iter().zip(before.iter()).zip(weights);
    let back = pairs.filter(|((now, before), _)| *now && !before);
    back.map(|(_, weight)| weight).collect()
}

fn sgd() -> ModuleOptimizer {
    let momentum = MomentumConfig::new().with_momentum(0.9);
    SgdConfig::new().with_momentum(Some(momentum)).init()
}

#[test]
fn a_weight_that_comes_back_starts_at_zero_in_either_mode() {
    for mode in [MaskMode::OnRead, MaskMode::AfterStep] {
        let Trained { net, before, .. } = regrown(mode, sgd());
        let back = came_back(&net, &before);
        assert!(back.len() > 500 && back.iter().all(|weight| *weight == 0.0));
        let zeros = values(net.fc1.weight.val().inner())
            .iter()
            .filter(|w| **w == 0.0)
            .count();
        assert!(zeros >= back.len());
    }
}

/// A step whose gradients are all zero: what moves is moved by what the optimizer remembers.
fn moved_by_memory(trained: Trained, reset: bool) -> (usize, usize) {
    let Trained {
        net,
        mut optimizer,
        before,
    } = trained;
    if reset {
        optimizer = reset_moments(&optimizer, &net, &before).unwrap();
    }
    let device = Device::flex().autodiff();
    let loss = net.forward(batches(1, &device)[0].images.clone()).sum() * 0.0;
    let grads = burn::optim::GradientsParams::from_grads(loss.backward(), &net);
    let others = |net: &Net| values(net.fc2.weight.base().inner());
    let unmoved = others(&net);
    let net = optimizer.step(1e-2, net, grads);
    let back = came_back(&net, &before);
    let others = others(&net)
        .iter()
        .zip(unmoved)
        .filter(|(a, b)| *a != b)
        .count();
    (back.iter().filter(|weight| **weight != 0.0).count(), others)
}

#[test]
fn moments_of_weights_that_come_back_are_forgotten_and_no_others() {
    for optimizer in [sgd(), AdamConfig::new().init()] {
        let trained = || regrown(MaskMode::AfterStep, optimizer.clone());
        let (remembered, others) = moved_by_memory(trained(), false);
        assert!(remembered > 300 && others > 50, "{remembered}, {others}");
        let (forgotten, kept) = moved_by_memory(trained(), true);
        assert_eq!(forgotten, 0);
        assert!(kept > 50);
    }
}

#[test]
fn masks_that_do_not_fit_are_refused() {
    let net = Net::new(&Device::flex()).l1_unstructured(0.5).unwrap();
    let masks = net.masks();
    let wrong = MaskSet::from_iter([("fc1.weight".to_string(), Mask::all_kept([2, 2]))]);
    let rejected = net.replace_masks(&wrong).unwrap_err();
    assert!(matches!(rejected.error(), PruneError::MaskShape { .. }));
    let net = rejected.into_model();
    assert_eq!(net.masks(), masks);
    assert!(reset_moments(&sgd(), &net, &wrong).is_err());
    let rejected = net.replace_masks(&MaskSet::new()).unwrap_err();
    assert_eq!(*rejected.error(), PruneError::NoMasks);
    let group = ParamGroup::from_path("fc1.weight");
    let all = Pruner::new(Random::new(1)).only(group).amount(0.0);
    let net = rejected.into_model();
    // Parameters that the set does not name keep their masks.
    let fc1 = all.masks(&Net::new(&Device::flex())).unwrap();
    let net = net.replace_masks(&fc1).unwrap();
    assert_eq!(net.masks().get("fc1.weight").unwrap().pruned(), 0);
    assert_eq!(net.masks().get("fc2.weight"), masks.get("fc2.weight"));
}

#[test]
fn a_shared_parameter_is_not_given_two_masks_of_which_one_would_win() {
    let tied = linear([[1.0, 2.0], [3.0, 4.0]]);
    let set = |first: [bool; 4], second: [bool; 4]| {
        let mask = |path: &str, kept: [bool; 4]| {
            (path.to_string(), Mask::from_kept([2, 2], &kept).unwrap())
        };
        MaskSet::from_iter([mask("0.weight", first), mask("1.weight", second)])
    };
    let (one, other) = ([true, true, false, false], [false, true, true, false]);
    for masks in [set(one, other), set(other, one)] {
        let layers = vec![tied.clone(), tied.clone()].l1_unstructured(1).unwrap();
        let refused = layers.replace_masks(&masks).unwrap_err();
        assert!(matches!(refused.error(), PruneError::MasksDiffer { .. }));
        let layers = refused.into_model();
        for layer in &layers {
            assert_eq!(values(layer.weight.val()), [0.0, 2.0, 3.0, 4.0]);
        }
        let layers = layers.replace_masks(&set(one, one)).unwrap();
        for layer in &layers {
            assert_eq!(values(layer.weight.val()), [0.0, 2.0, 0.0, 0.0]);
        }
    }
}
