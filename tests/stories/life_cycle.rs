//! Attach, train, validate, move, clone, make permanent, in any order.

use burn::module::{Module, ParamGroup, list_param_ids};
use burn::nn::LinearConfig;
use burn::optim::{AdamConfig, SgdConfig};
use burn::tensor::{DType, Device};
use burn_prune::{Magnitude, Prunable, PruneError, Pruner};

use crate::nets::{Net, batches, linear, seeded, values};

fn pruned(device: &Device) -> Net {
    seeded(Net::new(device), 11)
        .global_unstructured(Magnitude::l1(), 0.7)
        .unwrap()
}

fn parameter_ids(net: &Net) -> Vec<burn::module::ParamId> {
    vec![net.conv.weight.id, net.fc1.weight.id, net.fc2.weight.id]
}

#[test]
fn is_pruned_from_attaching_to_making_permanent() {
    let layer = linear([[1.0, 2.0]]);
    assert!(!layer.is_pruned());
    let layer = layer.l1_unstructured(0.5).unwrap();
    assert!(layer.is_pruned());
    let layer = layer.make_permanent().unwrap();
    assert!(!layer.is_pruned());
    assert_eq!(values(layer.weight.val()), [0.0, 2.0]);
    // As in PyTorch, there is nothing to make permanent now.
    let rejected = layer.make_permanent().unwrap_err();
    assert_eq!(*rejected.error(), PruneError::NotPruned);
}

#[test]
fn parameter_ids_stay_the_same_throughout() {
    let device = Device::flex().autodiff();
    let net = Net::new(&device);
    let ids = parameter_ids(&net);
    let mut optimizer = AdamConfig::new().init();
    let mut net = net.l1_unstructured(0.5).unwrap();
    assert_eq!(parameter_ids(&net), ids);
    for batch in batches(2, &device) {
        let (_, gradients) = net.gradients(&batch);
        net = optimizer.step(1e-3, net, gradients);
    }
    assert_eq!(parameter_ids(&net), ids);
    let net = net.l1_unstructured(0.5).unwrap().make_permanent().unwrap();
    assert_eq!(parameter_ids(&net), ids);

    // So the optimizer goes on where it was.
    let (_, gradients) = net.gradients(&batches(1, &device)[0]);
    let net = optimizer.step(1e-3, net, gradients);
    assert_eq!(parameter_ids(&net), ids);
}

#[test]
fn pruning_leaves_the_stored_weights_and_the_statistics_alone() {
    let device = Device::flex().autodiff();
    let net = Net::new(&device);
    let _ = net.forward(batches(1, &device)[0].images.clone());
    let stored = net.fc1.weight.base().into_data();
    let mean = net.running_mean();
    let pruner = Pruner::new(Magnitude::l1())
        .include(ParamGroup::all())
        .amount(0.5);
    let net = net.prune(&pruner).unwrap();
    assert_eq!(net.fc1.weight.base().into_data(), stored);
    assert_eq!(net.running_mean(), mean);
    assert_ne!(net.fc1.weight.val().into_data(), stored);
}

#[test]
fn valid_and_train_in_any_order_keep_the_masks() {
    let device = Device::flex().autodiff();
    let net = pruned(&device);
    let batch = &batches(1, &device)[0];
    let masks = net.masks();
    let zeros = net.sparsity_report().zeros();
    let images = batch.images.clone().inner();
    let logits = values(net.valid().forward(images.clone()));

    for way in ["v", "vv", "t", "tt", "vt", "vtv", "tvtv", "vvttv"] {
        let mut walked = net.clone();
        for step in way.chars() {
            walked = if step == 'v' {
                walked.valid()
            } else {
                walked.train()
            };
            assert_eq!(walked.masks(), masks, "{way}");
            assert_eq!(walked.sparsity_report().zeros(), zeros, "{way}");
        }
        assert_eq!(
            values(walked.valid().forward(images.clone())),
            logits,
            "{way}"
        );
        let trainable = walked.train();
        let (_, gradients) = trainable.gradients(batch);
        let trained = SgdConfig::new().init().step(0.1, trainable, gradients);
        assert_eq!(trained.masks(), masks, "{way}");
        assert_ne!(
            values(trained.fc1.weight.val().inner()),
            values(net.fc1.weight.val().inner())
        );
    }
}

#[test]
fn masks_come_along_with_clone_fork_and_to_device() {
    let device = Device::flex().autodiff();
    let net = pruned(&device);
    let masks = net.masks();
    let forked = net.clone().fork(&device);
    assert_eq!(forked.masks(), masks);
    assert!(
        forked.fc1.weight.val().is_require_grad() || forked.fc1.weight.base().is_require_grad()
    );
    assert_eq!(net.valid().to_device(&Device::flex()).masks(), masks);
    assert_eq!(net.clone().masks(), masks);
}

#[test]
fn a_clone_can_be_pruned_further_without_the_original() {
    let net = pruned(&Device::flex());
    let before = (net.masks(), values(net.fc1.weight.val()));
    let further = net.clone().l1_unstructured(0.5).unwrap();
    assert!(further.masks().sparsity() > before.0.sparsity());
    assert_eq!((net.masks(), values(net.fc1.weight.val())), before);
}

#[test]
fn the_gradient_of_a_pruned_weight_is_zero() {
    let device = Device::flex().autodiff();
    let net = pruned(&device);
    let (_, gradients) = net.gradients(&batches(1, &device)[0]);
    let gradient = values(gradients.get::<2>(net.fc1.weight.id).unwrap());
    let masks = net.masks();
    let mask = masks.get("fc1.weight").unwrap();
    assert!(
        mask.iter()
            .zip(&gradient)
            .all(|(kept, gradient)| kept || *gradient == 0.0)
    );
    assert!(gradient.iter().any(|gradient| *gradient != 0.0));
}

#[test]
fn a_frozen_model_stays_frozen() {
    let device = Device::flex().autodiff();
    let net = pruned(&device).freeze();
    assert!(!net.fc1.weight.base().is_require_grad());
    let permanent = net.l1_unstructured(0.5).unwrap().make_permanent().unwrap();
    assert!(!permanent.fc1.weight.base().is_require_grad());
    let trainable = pruned(&device).make_permanent().unwrap();
    assert!(trainable.fc1.weight.base().is_require_grad());
}

#[test]
fn masks_are_no_parameters_of_the_model() {
    let device = Device::flex();
    let net = Net::new(&device);
    let count = net.num_params();
    let net = net.l1_unstructured(0.5).unwrap();
    assert_eq!(net.num_params(), count);
    assert_eq!(
        list_param_ids(&net).len(),
        list_param_ids(&Net::new(&device)).len() + 3
    );
}

#[test]
fn half_precision_where_the_device_has_it() {
    let device = Device::flex();
    for dtype in [DType::F16, DType::BF16, DType::F64] {
        if !device.supports_dtype(dtype) {
            continue;
        }
        let mut layer = LinearConfig::new(16, 16).init(&device);
        layer.weight = layer.weight.map(|weight| weight.cast(dtype));
        let expected = layer.clone().l1_unstructured(0.6).unwrap();
        assert_eq!(expected.weight.val().dtype(), dtype);
        let zeros = values(expected.weight.val())
            .iter()
            .filter(|weight| **weight == 0.0)
            .count();
        assert_eq!(zeros, 154, "{dtype:?}");
        let permanent = expected.make_permanent().unwrap();
        assert_eq!(permanent.weight.val().dtype(), dtype);
    }
}

#[test]
fn doubles_are_ranked_in_full_precision() {
    use burn::module::Param;
    use burn::tensor::{Tensor, TensorData};
    let device = Device::flex();
    let mut layer = LinearConfig::new(1, 3).init(&device);
    // In single precision the three would be equal, and the last one would go.
    let data = TensorData::new(vec![1.0f64, 1.0 - 1e-12, 1.0 + 1e-12], [1, 3]);
    layer.weight = Param::from_tensor(Tensor::from_data(data, (&device, DType::F64)));
    let masks = layer.l1_unstructured(1).unwrap().masks();
    let kept: Vec<bool> = masks.get("weight").unwrap().iter().collect();
    assert_eq!(kept, [true, false, true]);
}
