//! What reports, records and detached models have.

use burn::module::{Lora, Module, Param, ParamGroup, Reparameterization, Reparameterizer};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, SgdConfig};
use burn::store::ModuleRecord;
use burn::tensor::{Device, Tensor};
use burn_prune::{Magnitude, MaskMode, Prunable, PruneError, Pruner, WeightMask};

use super::{Add, drifted, drifted_on_read, pruned, read};
use crate::nets::{Net, seeded, values};

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
