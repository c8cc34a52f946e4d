//! Models that something else than this library has written to.

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::AdamConfig;
use burn::tensor::{Device, Tensor};
use burn_prune::{Mask, MaskMode, MaskSet, Prunable};
use burn_store::{ModuleSnapshot, SafetensorsStore};

use super::{Add, drifted, drifted_on_read, pruned, read, zeros};
use crate::nets::{Net, batches, linear, seeded, values};

/// All that keeps a model as it is.
fn copies(net: &Net, device: &Device) -> Vec<Net> {
    vec![
        net.clone(),
        net.valid(),
        net.valid().train(),
        net.clone().fork(device),
        net.clone().to_device(device),
        net.clone().freeze(),
        net.clone().no_grad(),
        net.valid().clone().fork(device).to_device(device),
    ]
}

/// The whole of what is promised of a model that something else has written to.
fn masked_until_the_next_pass(net: Net, masks: &MaskSet, device: &Device) {
    let expected = zeros(&net, masks);
    assert!(expected >= masks.iter().map(|(_, mask)| mask.pruned()).sum());
    assert!(drifted(&net, masks) > 0, "nothing is to be hidden");
    for copy in copies(&net, device) {
        assert_eq!(zeros(&copy, masks), expected);
    }
    // Bits, as NaN is not equal to itself.
    let bits = |net: &Net| {
        let all = read(net).into_iter().flat_map(|(_, weights)| weights);
        all.map(f32::to_bits).collect::<Vec<u32>>()
    };
    let before = bits(&net);
    let zeroed = net.zero_pruned();
    assert_eq!(drifted(&zeroed, masks), 0);
    assert!(bits(&zeroed) == before);
    for copy in copies(&zeroed, device) {
        assert_eq!(zeros(&copy, masks), expected);
        assert_eq!(drifted(&copy, masks), 0);
    }
}

#[test]
fn an_on_read_record_in_an_after_step_model_reads_masked() {
    let device = Device::flex().autodiff();
    let from = drifted_on_read(&device);
    let masks = from.masks();
    let record = from.valid().into_record();
    let loaded = pruned(&device, MaskMode::AfterStep).load_record(record.clone());
    masked_until_the_next_pass(loaded, &masks, &device);

    // For inference alone, where nothing comes after it.
    let plain = Device::flex();
    let loaded = pruned(&plain, MaskMode::AfterStep).load_record(record);
    masked_until_the_next_pass(loaded, &masks, &plain);
}

#[test]
fn a_model_that_gets_its_own_record_back_reads_masked() {
    // The record holds what momentum has left under the masks, and the same ids.
    let device = Device::flex().autodiff();
    let net = drifted_on_read(&device);
    let net = net.with_mask_mode(MaskMode::AfterStep).unwrap();
    let masks = net.masks();
    let dirty = net.map(&mut Add(1.0));
    let record = dirty.clone().into_record();
    let loaded = dirty.zero_pruned().load_record(record);
    masked_until_the_next_pass(loaded, &masks, &device);
}

#[test]
fn a_dense_partial_record_reads_masked() {
    let device = Device::flex().autodiff();
    let net = pruned(&device, MaskMode::AfterStep);
    let masks = net.masks();
    let dense = seeded(Net::new(&Device::flex()), 23).into_record();
    let loaded = net.load_record(dense.allow_partial(true));
    masked_until_the_next_pass(loaded, &masks, &device);
}

#[test]
fn tensors_that_burn_store_applies_read_masked() {
    let device = Device::flex().autodiff();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dense.safetensors");
    let dense = seeded(Net::new(&Device::flex()), 24);
    dense
        .save_into(&mut SafetensorsStore::from_file(&file))
        .unwrap();

    let mut net = pruned(&device, MaskMode::AfterStep);
    let masks = net.masks();
    let mut store = SafetensorsStore::from_file(&file).allow_partial(true);
    let result = net.load_from(&mut store).unwrap();
    assert!(result.applied.contains(&"fc1.weight".to_string()));
    masked_until_the_next_pass(net, &masks, &device);
}

#[test]
fn a_mapper_of_the_user_reads_masked() {
    let device = Device::flex().autodiff();
    for device in [device.clone(), Device::flex()] {
        let net = pruned(&device, MaskMode::AfterStep);
        let masks = net.masks();
        masked_until_the_next_pass(net.map(&mut Add(1.0)), &masks, &device);
    }
    // NaN is selected away, not multiplied.
    let net = pruned(&device, MaskMode::AfterStep).map(&mut Add(f32::NAN));
    let masks = net.masks();
    masked_until_the_next_pass(net, &masks, &device);
}

#[test]
fn a_forgotten_pass_after_the_step_is_masked_on_read() {
    let device = Device::flex().autodiff();
    let from = drifted_on_read(&device);
    let masks = from.masks();
    let mut net = from.with_mask_mode(MaskMode::AfterStep).unwrap();
    let mut optimizer = AdamConfig::new().init();
    for batch in &batches(3, &device) {
        let gradients = net.gradients(batch).1;
        net = optimizer.step(1e-2, net, gradients);
        zeros(&net, &masks);
    }
    masked_until_the_next_pass(net, &masks, &device);
}

#[test]
fn what_is_read_and_its_gradient_are_those_of_stored_zeros_bit_for_bit() {
    let device = Device::flex().autodiff();
    let batch = &batches(1, &device)[0];
    let dirty = pruned(&device, MaskMode::AfterStep);
    let masks = dirty.masks();
    let dirty = dirty.map(&mut Add(0.25));
    let record = dirty.clone().into_record();
    let clean = pruned(&device, MaskMode::AfterStep)
        .load_record(record)
        .zero_pruned();
    assert!(drifted(&dirty, &masks) > 0 && drifted(&clean, &masks) == 0);

    let step = |net: &Net| {
        let (loss, gradients) = net.gradients(batch);
        let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
        let conv = gradients.get::<4>(net.conv.weight.id).unwrap();
        let fc1 = gradients.get::<2>(net.fc1.weight.id).unwrap();
        (loss.to_bits(), bits(values(conv)), bits(values(fc1)))
    };
    let (dirty, clean) = (step(&dirty), step(&clean));
    assert!(dirty == clean);
    // That of a dense weight: methods that regrow rank by it.
    let pruned = masks.get("fc1.weight").unwrap().iter().zip(dirty.2);
    assert!(
        pruned
            .filter(|(kept, _)| !kept)
            .any(|(_, bits)| f32::from_bits(bits) != 0.0)
    );
}

#[test]
fn a_negative_zero_that_is_kept_keeps_its_sign() {
    let device = Device::flex().autodiff();
    let mut layer = linear([[-0.0, 2.0, -0.0, 1.0]]);
    layer.weight = Param::from_tensor(layer.weight.val());
    let mut masks = MaskSet::new();
    let mask = Mask::from_kept([1, 4], &[true, false, true, true]).unwrap();
    masks.insert("weight", mask);
    let layer = layer.with_masks(&masks).unwrap().train();
    let layer = layer.with_mask_mode(MaskMode::AfterStep).unwrap();
    let layer = layer.fork(&device).map(&mut Add(0.0)).map(&mut Times(-1.0));
    let read: Vec<u32> = values(layer.weight.val())
        .into_iter()
        .map(f32::to_bits)
        .collect();
    assert_eq!(read[1], 0);
    assert_eq!(read[0], values(layer.weight.base())[0].to_bits());
    assert_eq!(f32::from_bits(read[3]), -1.0);
}

struct Times(f32);

impl ModuleMapper for Times {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|weight| {
            let require_grad = weight.is_require_grad();
            (weight.detach().set_require_grad(false) * self.0).set_require_grad(require_grad)
        })
    }
}

#[test]
fn a_masked_model_that_is_quantized_reads_masked() {
    use burn::module::Quantizer;
    use burn::tensor::quantization::{Calibration, QuantScheme, QuantStore, QuantValue};
    let device = Device::flex();
    for mode in [MaskMode::OnRead, MaskMode::AfterStep] {
        let layer: Linear = seeded(LinearConfig::new(32, 32).with_bias(false).init(&device), 28);
        let layer = layer.l1_unstructured(0.5).unwrap();
        let layer = layer.with_mask_mode(mode).unwrap();
        let scheme = QuantScheme::default()
            .with_value(QuantValue::Q8S)
            .with_store(QuantStore::Native);
        let masks = layer.masks();
        let layer = layer.quantize_weights(&mut Quantizer::new(Calibration::MinMax, scheme));
        let weights = values(layer.weight.val().dequantize());
        let mask = masks.get("weight").unwrap();
        assert!(
            mask.iter()
                .zip(&weights)
                .all(|(kept, weight)| kept || *weight == 0.0)
        );
        let zeros = weights.iter().filter(|weight| **weight == 0.0).count();
        assert_eq!(layer.sparsity_report().zeros(), zeros, "{mode:?}");
    }
}

#[test]
fn a_dirty_model_trains_under_gradient_checkpointing() {
    let plain = Device::flex().autodiff();
    let record = pruned(&plain, MaskMode::AfterStep)
        .map(&mut Add(0.25))
        .into_record();
    let step = |device: &Device| {
        let net = pruned(device, MaskMode::AfterStep).load_record(record.clone());
        let gradients = net.gradients(&batches(1, device)[0]).1;
        values(gradients.get::<2>(net.fc1.weight.id).unwrap())
    };
    assert_eq!(step(&plain.clone().gradient_checkpointing()), step(&plain));
}
