//! The same masks and the same story on flex, ndarray and wgpu, and records that travel.
//!
//! wgpu needs an adapter; Mesa's software Vulkan is one. Without any, these tests fail.

use burn::module::{Module, Param};
use burn::nn::LinearConfig;
use burn::tensor::{DType, Device, DeviceKind};
use burn_prune::{Allocation, Axis, Magnitude, MaskSet, Pattern, Prunable, Pruner, Random};
use consumer::Net;

#[expect(
    deprecated,
    reason = "ndarray goes away after 0.22; until then it is supported"
)]
fn backends() -> [(&'static str, Device); 3] {
    [
        ("flex", Device::flex()),
        ("ndarray", Device::ndarray()),
        ("wgpu", Device::wgpu(DeviceKind::DefaultDevice)),
    ]
}

fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    let largest = expected
        .iter()
        .fold(0f32, |largest, x| largest.max(x.abs()));
    for (found, expected) in found.iter().zip(expected) {
        let difference = (found - expected).abs();
        assert!(
            difference <= 1e-3 * largest,
            "{what}: {found} and {expected}"
        );
    }
}

fn pruners() -> Vec<Pruner> {
    let outputs = Pattern::Channels(Axis::Output);
    let inputs = Pattern::Channels(Axis::Input);
    vec![
        Pruner::new(Magnitude::l1())
            .allocation(Allocation::Global)
            .amount(0.6),
        Pruner::new(Magnitude::l2()).pattern(outputs).amount(0.25),
        Pruner::new(Magnitude::ln(3.0))
            .pattern(inputs)
            .allocation(Allocation::Global)
            .amount(5),
        Pruner::new(Random::new(4)).amount(0.3),
    ]
}

#[test]
fn masks_are_bit_equal_on_every_backend() {
    let masks = |device: &Device| -> Vec<MaskSet> {
        let mut net = Net::new(device);
        let mut masks = Vec::new();
        for pruner in pruners() {
            net = net.prune(&pruner).unwrap();
            masks.push(net.masks());
        }
        masks
    };
    let expected = masks(&Device::flex());
    assert!(expected.iter().all(|masks| masks.sparsity() > 0.2));
    for (name, device) in backends() {
        assert_eq!(masks(&device), expected, "{name}");
        assert_eq!(masks(&device.autodiff()), expected, "{name} with autodiff");
    }
}

#[test]
fn prune_train_save_load_and_make_permanent() {
    let dir = tempfile::tempdir().unwrap();
    let mut stories = Vec::new();
    for (name, device) in backends() {
        let training = device.clone().autodiff();
        let net = Net::new(&training).prune(&pruners()[0]).unwrap();
        let untrained = net.logits(&device);
        let net = net.train_on(&training);
        assert_ne!(net.logits(&device), untrained);
        let masks = net.masks();

        let masked = dir.path().join(format!("{name}-masked.bpk"));
        net.save_masked(&masked).unwrap();
        let checkpoint = dir.path().join(format!("{name}-checkpoint.bpk"));
        net.clone().save_file(&checkpoint).unwrap();

        let logits = net.logits(&device);
        let zeros = net.sparsity_report().zeros();
        let permanent = net.valid().make_permanent().unwrap();
        assert!(!permanent.is_pruned());
        assert_eq!(permanent.sparsity_report().zeros(), zeros);
        assert_close(&permanent.logits(&device), &logits, name);
        stories.push((name, masks, logits, masked, checkpoint));
    }

    let (_, masks, logits, ..) = &stories[0];
    for (name, found, trained, ..) in &stories {
        assert_eq!(found, masks, "{name}");
        assert_close(trained, logits, name);
    }
    // What one backend saved, every other loads, by burn-prune and as a checkpoint by Burn.
    for (from, _, logits, masked, checkpoint) in &stories {
        for (to, device) in backends() {
            let way = format!("{from} to {to}");
            for file in [masked, checkpoint] {
                let loaded = Net::random(&device).load_masked(file).unwrap();
                assert_eq!(&loaded.masks(), masks, "{way}");
                assert_close(&loaded.logits(&device), logits, &way);
            }
            let other = Net::random(&device).random_unstructured(0.1, 1).unwrap();
            drop(other.logits(&device));
            let loaded = other.load_file(checkpoint);
            assert_eq!(&loaded.masks(), masks, "{way} by plain Burn");
            assert_close(&loaded.logits(&device), logits, &way);
            let trained = loaded.train().train_on(&device.autodiff());
            assert_eq!(&trained.masks(), masks, "{way}, trained on");
        }
    }
}

#[test]
fn a_model_moves_between_training_and_validation() {
    for (name, device) in backends() {
        let net = Net::new(&device.clone().autodiff())
            .l1_unstructured(0.5)
            .unwrap();
        let logits = net.logits(&device);
        let walked = net.clone().valid().train().train().valid().valid();
        assert_eq!(walked.masks(), net.masks(), "{name}");
        assert_close(&walked.logits(&device), &logits, name);
        let trained = walked.train().train_on(&device.clone().autodiff());
        assert_eq!(trained.masks(), net.masks(), "{name}");
        let forked = net.clone().fork(&device.autodiff());
        assert_eq!(forked.masks(), net.masks(), "{name}");
    }
}

#[test]
fn half_precision_where_the_device_has_it() {
    let on = |device: &Device, dtype| {
        let mut layer = LinearConfig::new(16, 16).init(device);
        let values: Vec<f32> = (0..256).map(|index| (index as f32 * 0.71).sin()).collect();
        let data = burn::tensor::TensorData::new(values, [16, 16]);
        let weight = burn::tensor::Tensor::<2>::from_data(data, device).cast(dtype);
        layer.weight = Param::from_tensor(weight);
        let layer = layer.l1_unstructured(0.6).unwrap();
        assert_eq!(layer.weight.val().dtype(), dtype);
        assert_eq!(layer.sparsity_report().zeros(), 154);
        layer.masks()
    };
    let expected = on(&Device::flex(), DType::F16);
    let mut tried = 0;
    for (_, device) in backends() {
        if device.supports_dtype(DType::F16) {
            assert_eq!(on(&device, DType::F16), expected);
            tried += 1;
        }
    }
    assert!(tried >= 1, "flex has f16");
}
