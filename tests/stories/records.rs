//! Saving and loading, with burn-prune and with plain Burn.

use burn::module::Module;
use burn::optim::SgdConfig;
use burn::optim::momentum::MomentumConfig;
use burn::store::ModuleRecord;
use burn::tensor::Device;
use burn_prune::{Magnitude, Prunable, PruneError};

use crate::nets::{Net, batches, seeded, values};

/// A masked network whose stored weights have drifted under the masks.
fn drifted() -> Net {
    let device = Device::flex().autodiff();
    let batches = batches(8, &device);
    let momentum = Some(MomentumConfig::new().with_momentum(0.9));
    let mut optimizer = SgdConfig::new().with_momentum(momentum).init();
    let mut net = seeded(Net::new(&device), 3);
    for (step, batch) in batches.iter().enumerate() {
        if step == 4 {
            net = net.global_unstructured(Magnitude::l1(), 0.8).unwrap();
        }
        let (_, gradients) = net.gradients(batch);
        net = optimizer.step(0.05, net, gradients);
    }
    net
}

fn logits(net: &Net) -> Vec<f32> {
    let images = batches(1, &Device::flex()).remove(0).images;
    values(net.valid().forward(images))
}

#[test]
fn a_masked_file_loads_in_one_call_and_trains_on() {
    let net = drifted();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("net");
    net.save_masked(&path).unwrap();
    let loaded = Net::new(&Device::flex().autodiff())
        .load_masked(&path)
        .unwrap();
    assert_eq!(loaded.masks(), net.masks());
    assert_eq!(logits(&loaded), logits(&net));
    assert_eq!(loaded.fc1.weight.id, net.fc1.weight.id);

    let (_, gradients) = loaded.gradients(&batches(1, &Device::flex().autodiff())[0]);
    let trained = SgdConfig::new().init().step(0.1, loaded, gradients);
    assert_eq!(trained.masks(), net.masks());
    assert_eq!(
        trained.sparsity_report().zeros(),
        net.sparsity_report().zeros()
    );
}

#[test]
fn the_record_holds_zeros_where_the_model_stores_drift() {
    let net = drifted();
    let stored = |record: ModuleRecord| {
        let plain = Net::new(&Device::flex()).load_record(record.allow_unused(true));
        values(plain.fc1.weight.val())
    };
    let masks = net.masks();
    let mask = masks.get("fc1.weight").unwrap();
    let under_mask = |weights: Vec<f32>| -> Vec<f32> {
        let weights = weights.into_iter().zip(mask.iter());
        weights
            .filter(|(_, kept)| !kept)
            .map(|(weight, _)| weight)
            .collect()
    };
    // Burn's own record keeps what is stored: this is what the test would catch.
    assert!(
        under_mask(stored(net.clone().into_record()))
            .iter()
            .any(|weight| *weight != 0.0)
    );
    assert!(
        under_mask(stored(net.masked_record()))
            .iter()
            .all(|weight| *weight == 0.0)
    );
}

#[test]
fn making_a_record_leaves_the_model_alone() {
    let net = drifted();
    let stored = values(net.fc1.weight.base().inner());
    let mean = net.running_mean();
    drop(net.masked_record());
    assert_eq!(values(net.fc1.weight.base().inner()), stored);
    assert_eq!(net.running_mean(), mean);
    assert!(net.fc1.weight.base().is_require_grad());
}

#[test]
fn plain_burn_refuses_a_masked_record_and_takes_a_permanent_one() {
    let net = drifted();
    let fresh = || Net::new(&Device::flex());
    let error = fresh()
        .try_load_record(net.masked_record())
        .unwrap_err()
        .to_string();
    assert!(error.contains("fc1.weight.mask.kept"), "{error}");
    let error = fresh()
        .try_load_record(net.clone().into_record())
        .unwrap_err()
        .to_string();
    assert!(error.contains("fc1.weight.mask.kept"), "{error}");

    let permanent = net.clone().make_permanent().unwrap();
    let loaded = fresh().load_record(permanent.into_record());
    assert_eq!(logits(&loaded), logits(&net));
}

#[test]
fn burns_own_record_of_a_masked_model_loads_with_its_masks() {
    // What a checkpoint of `Learner` is.
    let net = drifted();
    // Validating before a checkpoint, as `Learner` does, brings the statistics up to date.
    drop(net.valid());
    let record = net.clone().into_record();
    let loaded = Net::new(&Device::flex())
        .load_masked_record(record.clone())
        .unwrap();
    assert_eq!(loaded.masks(), net.masks());
    assert_eq!(logits(&loaded), logits(&net));
    // With masks attached, whatever they are, plain Burn loads it too: bits replace bits.
    let other = Net::new(&Device::flex())
        .random_unstructured(0.1, 1)
        .unwrap();
    let _ = logits(&other);
    let loaded = other.load_record(record);
    assert_eq!(loaded.masks(), net.masks());
    assert_eq!(logits(&loaded), logits(&net));
}

#[test]
fn a_record_without_masks_loads_into_a_model_without_masks() {
    let net = Net::new(&Device::flex());
    let loaded = Net::new(&Device::flex())
        .load_masked_record(net.masked_record())
        .unwrap();
    assert!(!loaded.is_pruned());
    assert_eq!(logits(&loaded), logits(&net));
}

#[test]
fn a_record_that_does_not_fit_changes_nothing() {
    use burn::nn::LinearConfig;
    let device = Device::flex();
    let small = LinearConfig::new(2, 3)
        .init(&device)
        .l1_unstructured(0.5)
        .unwrap();
    let message = |rejected: burn_prune::Rejected<_>| {
        let (model, error): (burn::nn::Linear, _) = rejected.into_parts();
        (model, error.to_string())
    };

    let target = LinearConfig::new(3, 3).init(&device);
    let before = values(target.weight.val());
    let (target, error) = message(
        target
            .load_masked_record(small.masked_record())
            .unwrap_err(),
    );
    assert!(error.contains("weight: shape mismatch"), "{error}");
    assert_eq!(values(target.weight.val()), before);
    assert!(!target.is_pruned());

    let target = LinearConfig::new(2, 3).with_bias(false).init(&device);
    let (_, error) = message(
        target
            .load_masked_record(small.masked_record())
            .unwrap_err(),
    );
    assert!(error.contains("Unused tensors: [\"bias\"]"), "{error}");

    let unmasked = LinearConfig::new(2, 3).init(&device).into_record();
    let (small, error) = message(small.load_masked_record(unmasked).unwrap_err());
    assert!(error.contains("`weight.mask.kept` is missing"), "{error}");
    assert!(small.is_pruned());
}

#[test]
fn a_rejected_record_leaves_the_statistics_alone() {
    let device = Device::flex();
    let target = Net::new(&device).l1_unstructured(0.5).unwrap();
    let mean = target.running_mean();
    // Statistics and all of another model, but without masks.
    let other = drifted().make_permanent().unwrap();
    let rejected = target.load_masked_record(other.into_record()).unwrap_err();
    let target = rejected.into_model();
    assert_eq!(target.running_mean(), mean);
}

#[test]
fn unreadable_files_are_errors_that_name_them() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing.bpk");
    let rejected = Net::new(&Device::flex()).load_masked(&missing).unwrap_err();
    assert!(rejected.to_string().contains("missing.bpk"), "{rejected}");

    let broken = dir.path().join("broken.bpk");
    std::fs::write(&broken, b"not a record").unwrap();
    let rejected = Net::new(&Device::flex()).load_masked(&broken).unwrap_err();
    assert!(matches!(rejected.error(), PruneError::Record { .. }));
    assert!(rejected.to_string().contains("broken.bpk"), "{rejected}");

    let nowhere = dir.path().join("no/such/dir/net.bpk");
    let error = drifted().save_masked(&nowhere).unwrap_err();
    assert!(error.to_string().contains("no/such/dir/net.bpk"), "{error}");
}

#[test]
fn truncated_files_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("net.bpk");
    drifted().save_masked(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for len in [0, 4, 20, 100, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..len]).unwrap();
        assert!(
            Net::new(&Device::flex()).load_masked(&path).is_err(),
            "{len} bytes"
        );
    }
}

#[test]
fn a_record_can_be_cast_to_the_type_of_the_model() {
    use burn::module::Param;
    use burn::nn::LinearConfig;
    use burn::tensor::DType;
    let device = Device::flex();
    let layer = || LinearConfig::new(4, 4).init(&device);
    let mut half = layer();
    half.weight = Param::from_tensor(half.weight.val().cast(DType::F16));
    let half = half.l1_unstructured(0.25).unwrap();
    let record = layer().l1_unstructured(0.5).unwrap().masked_record();
    let loaded = half
        .load_masked_record(record.cast_to_module_dtype())
        .unwrap();
    assert_eq!(loaded.weight.val().dtype(), DType::F16);
    assert_eq!(loaded.masks().sparsity(), 0.5);
    assert_eq!(loaded.sparsity_report().zeros(), 8);
}
