//! The mode of the masks, and passes that were forgotten.

use burn::module::{Module, ParamGroup};
use burn::nn::LinearConfig;
use burn::tensor::Device;
use burn_prune::{Magnitude, MaskMode, Prunable, PruneError, WeightMask};

use super::{sgd, weights};
use crate::nets::{Net, batches, seeded, values};

fn mode(net: &Net) -> MaskMode {
    net.fc1
        .weight
        .reparameterization::<WeightMask>()
        .unwrap()
        .mode()
}

#[test]
fn the_mode_stays_with_the_model() {
    let device = Device::flex().autodiff();
    let net = Net::new(&device).l1_unstructured(0.5).unwrap();
    assert_eq!(mode(&net), MaskMode::OnRead);
    let read = weights(&net);
    let id = net.fc1.weight.id;
    let net = net.with_mask_mode(MaskMode::AfterStep).unwrap();
    assert_eq!(weights(&net), read);
    assert_eq!(net.fc1.weight.id, id);
    assert!(net.fc1.weight.base().is_require_grad());
    for net in [
        net.clone(),
        net.valid(),
        net.valid().train(),
        net.clone().fork(&device),
    ] {
        assert_eq!(mode(&net), MaskMode::AfterStep);
    }
    // Further masks come in the same mode, on new parameters as well.
    let further = net.clone().l1_unstructured(0.5).unwrap();
    assert_eq!(mode(&further), MaskMode::AfterStep);
    assert!((further.sparsity_report().sparsity() - 0.75).abs() < 0.01);
    let stored = values(further.fc1.weight.base().inner());
    assert_eq!(stored, values(further.fc1.weight.val().inner()));
    let bias = ParamGroup::from_path("fc1.bias");
    let pruner = burn_prune::Pruner::new(Magnitude::l1())
        .only(bias)
        .amount(3);
    let further = further.prune(&pruner).unwrap();
    let bias = further.fc1.bias.as_ref().unwrap();
    assert_eq!(
        bias.reparameterization::<WeightMask>().unwrap().mode(),
        MaskMode::AfterStep
    );

    let back = net.with_mask_mode(MaskMode::OnRead).unwrap();
    assert_eq!(mode(&back), MaskMode::OnRead);
    assert_eq!(weights(&back), read);
}

#[test]
fn a_record_with_drifted_weights_is_cleaned_when_it_is_loaded() {
    let device = Device::flex().autodiff();
    let (mut on_read, mut optimizer) = (Net::new(&device).l1_unstructured(0.5).unwrap(), sgd());
    for batch in &batches(2, &device) {
        let gradients = on_read.gradients(batch).1;
        on_read = optimizer.step(0.1, on_read, gradients);
    }
    let stored = values(on_read.fc1.weight.base().inner());
    assert_ne!(
        stored,
        values(on_read.fc1.weight.val().inner()),
        "nothing has drifted"
    );
    let record = on_read.valid().into_record();
    let after_step = Net::new(&device).l1_unstructured(0.1).unwrap();
    let after_step = after_step.with_mask_mode(MaskMode::AfterStep).unwrap();
    let loaded = after_step.load_masked_record(record).unwrap();
    assert_eq!(mode(&loaded), MaskMode::AfterStep);
    assert_eq!(loaded.masks(), on_read.masks());
    assert_eq!(weights(&loaded), weights(&on_read));
}

#[test]
fn a_mode_without_masks_and_beside_other_reparameterizations_is_refused() {
    use burn::module::Lora;
    let layer = LinearConfig::new(4, 4).init(&Device::flex());
    let refused = layer.with_mask_mode(MaskMode::AfterStep).unwrap_err();
    assert_eq!(*refused.error(), PruneError::NotPruned);

    let net = Net::new(&Device::flex());
    let fc2 = ParamGroup::from_path("fc2.weight");
    let net = net.apply_lora(Lora::new(2, 4.0).set_param_group(fc2.clone()));
    let pruner = burn_prune::Pruner::new(Magnitude::l1())
        .exclude(fc2)
        .amount(0.5);
    let net = net.prune(&pruner).unwrap();
    let refused = net.with_mask_mode(MaskMode::AfterStep).unwrap_err();
    assert!(matches!(
        refused.error(),
        PruneError::Reparameterized { .. }
    ));
    assert!(refused.into_model().is_pruned());
}

#[test]
fn models_without_masks_pass_through() {
    let device = Device::flex().autodiff();
    let net = Net::new(&device);
    let before = weights(&net);
    let gradients = net.gradients(&batches(1, &device)[0]).1;
    let count = gradients.len();
    assert_eq!(net.zero_pruned_gradients(gradients).len(), count);
    assert_eq!(weights(&net.zero_pruned()), before);
}

fn drifted() -> Net {
    let device = Device::flex().autodiff();
    let batches = batches(2, &device);
    let (net, mut optimizer) = (seeded(Net::new(&device), 5), sgd());
    let gradients = net.gradients(&batches[0]).1;
    let net = optimizer
        .step(0.1, net, gradients)
        .l1_unstructured(0.5)
        .unwrap();
    let net = net.with_mask_mode(MaskMode::AfterStep).unwrap();
    let gradients = net.gradients(&batches[1]).1;
    // And no pass after it: old momentum has moved what is pruned.
    let net = optimizer.step(0.1, net, gradients);
    let zeros = values(net.fc1.weight.base().inner())
        .iter()
        .filter(|w| **w == 0.0)
        .count();
    assert!(zeros < 2000, "nothing has drifted");
    net
}

fn zeros_are_pruned(net: &Net, masks: &burn_prune::MaskSet) {
    let weights = values(net.fc1.weight.val().inner());
    let pruned = masks.get("fc1.weight").unwrap().iter().zip(weights);
    assert!(
        pruned
            .into_iter()
            .all(|(kept, weight)| kept || weight == 0.0)
    );
}

#[test]
fn a_forgotten_pass_is_made_up_for_by_what_comes_next() {
    let net = drifted();
    let masks = net.masks();
    zeros_are_pruned(&net.clone().make_permanent().unwrap(), &masks);
    for mode in [MaskMode::OnRead, MaskMode::AfterStep] {
        zeros_are_pruned(&net.clone().with_mask_mode(mode).unwrap(), &masks);
    }
    let loaded = Net::new(&Device::flex()).load_masked_record(net.masked_record());
    zeros_are_pruned(&loaded.unwrap(), &masks);
}

#[test]
fn parts_of_a_model_in_different_modes_are_pruned_on_together() {
    let device = Device::flex();
    let layer = || {
        LinearConfig::new(8, 8)
            .init(&device)
            .l1_unstructured(0.25)
            .unwrap()
    };
    let after_step = || layer().with_mask_mode(MaskMode::AfterStep).unwrap();
    for layers in [vec![layer(), after_step()], vec![after_step(), layer()]] {
        let record = layers.clone().into_record();
        let layers = layers.l1_unstructured(0.5).unwrap();
        let check = |layers: &Vec<burn::nn::Linear>| {
            for layer in layers {
                let read = values(layer.weight.val());
                assert_eq!(read.iter().filter(|weight| **weight == 0.0).count(), 40);
            }
        };
        check(&layers);
        check(&layers.rewind(record).unwrap());
    }
}
