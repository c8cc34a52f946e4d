//! What is read is what is reported, and it is masked, whatever has been done to the weights.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, Reparameterization};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams, SgdConfig, momentum::MomentumConfig};
use burn::store::ModuleRecord;
use burn::tensor::{Device, Tensor};
use burn_prune::{Magnitude, MaskMode, MaskSet, Prunable, Pruner, WeightMask};
use burn_store::{ModuleSnapshot, SafetensorsStore};

use crate::nets::{Net, batches, seeded, values};

/// The weights that a network reads, by path.
fn read(net: &Net) -> [(&'static str, Vec<f32>); 3] {
    [
        ("conv.weight", values(net.conv.weight.val())),
        ("fc1.weight", values(net.fc1.weight.val())),
        ("fc2.weight", values(net.fc2.weight.val())),
    ]
}

/// Zeros that are read, which are those of the report, and which are where the masks prune.
fn zeros(net: &Net, masks: &MaskSet) -> usize {
    let report = net.sparsity_report();
    assert_eq!(net.masks(), *masks);
    let mut all = 0;
    for (path, weights) in read(net) {
        let zeros = weights.iter().filter(|weight| **weight == 0.0).count();
        assert_eq!(report.get(path).unwrap().zeros, zeros, "{path}");
        let mask = masks.get(path).unwrap();
        for (kept, weight) in mask.iter().zip(&weights) {
            assert!(kept || weight.to_bits() == 0, "{path} reads {weight}");
        }
        all += zeros;
    }
    assert_eq!(report.zeros(), all);
    all
}

/// The stored weights that are pruned and not 0.
fn drifted(net: &Net, masks: &MaskSet) -> usize {
    let stored = [
        ("conv.weight", values(net.conv.weight.base())),
        ("fc1.weight", values(net.fc1.weight.base())),
        ("fc2.weight", values(net.fc2.weight.base())),
    ];
    let count = |(path, weights): (&str, Vec<f32>)| {
        let stored = masks.get(path).unwrap().iter().zip(weights);
        stored
            .filter(|(kept, weight)| !kept && *weight != 0.0)
            .count()
    };
    stored.into_iter().map(count).sum()
}

fn pruned(device: &Device, mode: MaskMode) -> Net {
    let net = seeded(Net::new(device), 21);
    let net = net.global_unstructured(Magnitude::l1(), 0.7).unwrap();
    net.with_mask_mode(mode).unwrap()
}

/// A network whose masks are on read, and whose stored weights have drifted under them.
fn drifted_on_read(device: &Device) -> Net {
    let momentum = MomentumConfig::new().with_momentum(0.9);
    let mut optimizer = SgdConfig::new().with_momentum(Some(momentum)).init();
    let batches = batches(2, device);
    let net = seeded(Net::new(device), 22);
    let gradients = net.gradients(&batches[0]).1;
    let net = optimizer.step(0.1, net, gradients);
    let net = net.global_unstructured(Magnitude::l1(), 0.7).unwrap();
    let gradients = net.gradients(&batches[1]).1;
    let net = optimizer.step(0.1, net, gradients);
    assert!(drifted(&net, &net.masks()) > 1000, "nothing has drifted");
    net
}

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

struct Add(f32);

impl ModuleMapper for Add {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|weight| {
            let require_grad = weight.is_require_grad();
            (weight.detach().set_require_grad(false) + self.0).set_require_grad(require_grad)
        })
    }
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
    let mut layer = crate::nets::linear([[-0.0, 2.0, -0.0, 1.0]]);
    layer.weight = Param::from_tensor(layer.weight.val());
    let mut masks = MaskSet::new();
    let mask = burn_prune::Mask::from_kept([1, 4], &[true, false, true, true]).unwrap();
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
fn a_pass_makes_every_mask_clean_also_where_there_was_no_gradient() {
    // The mark is read off what `val` gives: after a pass it is what is stored, handed on as it is.
    let device = Device::flex().autodiff();
    let net = pruned(&device, MaskMode::AfterStep);
    let masks = net.masks();
    let Net {
        conv,
        fc1,
        fc2,
        norm,
    } = net;
    // No gradient reaches `conv`.
    let net = Net {
        conv: conv.no_grad(),
        fc1,
        fc2,
        norm,
    };
    let mut optimizer = SgdConfig::new().init();
    let gradients = net.gradients(&batches(1, &device)[0]).1;
    assert!(gradients.get::<4>(net.conv.weight.id).is_none());
    let net = optimizer.step(0.1, net, gradients);
    assert_eq!(trusts(&net), ["Unknown", "WalkedOnce", "WalkedOnce"]);
    let net = net.map(&mut Add(1.0)).zero_pruned();
    assert_eq!(trusts(&net), ["Zeroed"; 3]);
    assert_eq!(drifted(&net, &masks), 0);
}

/// What the masks of a model show of their trust, in module order.
pub(crate) fn trusts<M: Module>(model: &M) -> Vec<String> {
    struct Shown(Vec<String>);
    impl ModuleVisitor for Shown {
        fn enter_module(&mut self, name: &str, container: &str) {
            if container == "Enum:Trust" {
                self.0.push(name.to_string());
            }
        }
    }
    let mut shown = Shown(Vec::new());
    model.visit(&mut shown);
    shown.0
}

#[test]
fn only_passes_of_our_own_are_trusted() {
    let device = Device::flex().autodiff();
    let net = || pruned(&device, MaskMode::AfterStep);
    let dense = || seeded(Net::new(&device), 25).into_record();
    let dirty = || net().map(&mut Add(1.0));
    let further = |net: Net| {
        net.prune(&Pruner::new(Magnitude::l1()).amount(0.1))
            .unwrap()
    };
    let one = MaskSet::from_iter([(
        "fc2.weight".to_string(),
        burn_prune::Mask::all_kept([16, 10]),
    )]);
    for (name, trusted) in [
        ("new", net()),
        ("pruned further", further(net())),
        ("pruned further, dirty", further(dirty())),
        ("one mask more", net().with_masks(&one).unwrap()),
        ("one mask more, dirty", dirty().with_masks(&one).unwrap()),
        ("replaced", net().replace_masks(&one).unwrap()),
        ("replaced, dirty", dirty().replace_masks(&one).unwrap()),
        ("rewound", dirty().rewind(dense()).unwrap()),
        (
            "loaded by us",
            dirty().load_masked_record(net().masked_record()).unwrap(),
        ),
        (
            "mode again",
            dirty().with_mask_mode(MaskMode::AfterStep).unwrap(),
        ),
    ] {
        assert_eq!(trusts(&trusted), ["Zeroed"; 3], "{name}");
        assert_eq!(drifted(&trusted, &trusted.masks()), 0, "{name}");
    }
    for (name, distrusted) in [
        ("record", net().load_record(net().into_record())),
        ("mapper", dirty()),
        ("frozen", net().freeze()),
        ("no_grad", net().no_grad()),
    ] {
        assert!(
            trusts(&distrusted).iter().all(|trust| trust != "Zeroed"),
            "{name}"
        );
    }
}

#[test]
fn a_record_names_what_it_always_has() {
    let names = |record: ModuleRecord| {
        let error = LinearConfig::new(8, 4)
            .with_bias(false)
            .init(&Device::flex())
            .try_load_record(record)
            .unwrap_err();
        error.to_string()
    };
    for mode in [MaskMode::OnRead, MaskMode::AfterStep] {
        let layer = LinearConfig::new(8, 4)
            .with_bias(false)
            .init(&Device::flex());
        let layer = layer.l1_unstructured(0.5).unwrap();
        let layer = layer.with_mask_mode(mode).unwrap();
        let record = layer.clone().into_record();
        assert_eq!(record.len(), 2);
        assert!(names(record).contains("Unused tensors: [\"weight.mask.kept\"]"));
        assert_eq!(layer.masked_record().len(), 2);
    }
}

#[test]
fn the_report_is_of_what_is_read_when_a_loop_never_makes_the_pass() {
    let device = Device::flex().autodiff();
    let layer: Linear = LinearConfig::new(8, 4).init(&device);
    let layer = layer.l1_unstructured(0.5).unwrap();
    let mut layer = layer.with_mask_mode(MaskMode::AfterStep).unwrap();
    let mut optimizer = SgdConfig::new().init();
    for _ in 0..3 {
        let loss = layer.forward(Tensor::<2>::ones([2, 8], &device)).sum();
        let grads = GradientsParams::from_grads(loss.backward(), &layer);
        layer = optimizer.step(0.1, layer, grads);
    }
    let zeros = |weights: Tensor<2>| values(weights).iter().filter(|w| **w == 0.0).count();
    assert_eq!(
        zeros(layer.weight.base()),
        0,
        "every stored weight has moved"
    );
    assert_eq!(zeros(layer.weight.val()), 16);
    assert_eq!(layer.sparsity_report().zeros(), 16);
}

#[test]
fn detaching_leaves_the_stored_weights_bit_for_bit() {
    let device = Device::flex().autodiff();
    let net = drifted_on_read(&device);
    let stored = |net: &Net| {
        let all = [
            values(net.conv.weight.base()),
            values(net.fc1.weight.base()),
            values(net.fc2.weight.base()),
        ];
        let bits = all.concat().into_iter().map(f32::to_bits);
        bits.collect::<Vec<u32>>()
    };
    let masks = net.masks();
    let dirty = net.clone().with_mask_mode(MaskMode::AfterStep).unwrap();
    let dirty = dirty.map(&mut Add(1.0));
    for net in [net.clone(), net.valid(), net.freeze(), dirty] {
        let (before, id) = (stored(&net), net.fc1.weight.id);
        let require_grad = net.fc1.weight.base().is_require_grad();
        assert!(drifted(&net, &masks) > 0);
        let bare = net.detach_masks().unwrap();
        assert!(!bare.is_pruned());
        assert!(stored(&bare) == before);
        assert_eq!(read(&bare)[1].1, values(bare.fc1.weight.base()));
        assert_eq!(bare.fc1.weight.id, id);
        assert_eq!(bare.fc1.weight.base().is_require_grad(), require_grad);
        // An ordinary module again, that can be pruned anew.
        assert!(bare.l1_unstructured(0.5).unwrap().is_pruned());
    }
    // After the step the zeros are stored, and stay.
    let net = pruned(&device, MaskMode::AfterStep);
    let (before, masks) = (stored(&net), net.masks());
    let bare = net.detach_masks().unwrap();
    assert!(stored(&bare) == before);
    assert_eq!(drifted(&bare, &masks), 0);
}

#[test]
fn detaching_is_refused_without_masks_and_beside_other_reparameterizations() {
    use burn::module::{Lora, ParamGroup};
    use burn_prune::PruneError;
    let layer = LinearConfig::new(4, 4).init(&Device::flex());
    let refused = layer.detach_masks().unwrap_err();
    assert_eq!(*refused.error(), PruneError::NotPruned);

    let net = seeded(Net::new(&Device::flex()), 26);
    let fc2 = ParamGroup::from_path("fc2.weight");
    let net = net.apply_lora(Lora::new(2, 4.0).set_param_group(fc2.clone()));
    let net = net.prune(&Pruner::new(Magnitude::l1()).exclude(fc2).amount(0.5));
    let net = net.unwrap();
    let before = read(&net);
    let refused = net.detach_masks().unwrap_err();
    assert!(
        matches!(refused.error(), PruneError::Reparameterized { path, .. } if path == "fc2.weight")
    );
    let net = refused.into_model();
    assert!(net.is_pruned());
    assert_eq!(read(&net), before);
    assert_eq!(WeightMask::NAME, "mask");
}

#[test]
fn a_mask_that_is_attached_by_hand_is_reported_as_it_is_read() {
    use burn::module::Reparameterizer;
    struct Attach(WeightMask);
    impl Reparameterizer for Attach {
        type Reparam = WeightMask;

        fn reparameterize<const D: usize>(
            &mut self,
            _path: &str,
            param: Param<Tensor<D>>,
        ) -> (Param<Tensor<D>>, Option<WeightMask>) {
            (param, Some(self.0.clone()))
        }
    }
    let device = Device::flex();
    let config = LinearConfig::new(8, 4).with_bias(false);
    let from = config.init(&device).l1_unstructured(0.5).unwrap();
    let from = from.with_mask_mode(MaskMode::AfterStep).unwrap();
    let mask = from.weight.reparameterization::<WeightMask>().unwrap();
    let layer: Linear = seeded(config.init(&device), 27);
    let layer = layer.apply_reparameterization(Attach(mask.clone()));
    let zeros = |layer: &Linear| {
        let weights = values(layer.weight.val());
        weights.iter().filter(|weight| **weight == 0.0).count()
    };
    // It claims that the weight has been zeroed, which was another one. The report does not.
    assert_eq!((zeros(&layer), layer.sparsity_report().zeros()), (0, 0));
    let layer = layer.zero_pruned();
    assert_eq!((zeros(&layer), layer.sparsity_report().zeros()), (16, 16));
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
