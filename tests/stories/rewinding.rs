//! Rewinding: earlier weights under the masks of now.

use burn::module::Module;
use burn::optim::SgdConfig;
use burn::store::ModuleRecord;
use burn::tensor::Device;
use burn_prune::{Magnitude, MaskMode, Prunable};

use crate::nets::{Net, batches, seeded, values, with_zeros_written_in};

struct Trained {
    net: Net,
    start: ModuleRecord,
}

/// Snapshot, prune, train: weights and statistics have moved.
fn trained(mode: MaskMode) -> Trained {
    let device = Device::flex().autodiff();
    let net = seeded(Net::new(&device), 11);
    let batches = batches(4, &device);
    let mut optimizer = SgdConfig::new().init();
    let mut net = optimizer.step(0.1, net.clone(), net.gradients(&batches[0]).1);
    let start = net.valid().into_record();
    net = net.global_unstructured(Magnitude::l1(), 0.8).unwrap();
    net = net.with_mask_mode(mode).unwrap();
    for batch in &batches[1..] {
        let gradients = net.gradients(batch).1;
        net = optimizer.step(0.1, net, gradients).zero_pruned();
    }
    Trained { net, start }
}

#[test]
fn rewound_weights_are_those_of_the_snapshot_under_the_mask_bit_for_bit() {
    for mode in [MaskMode::OnRead, MaskMode::AfterStep] {
        let Trained { net, start } = trained(mode);
        let masks = net.masks();
        let id = net.fc1.weight.id;
        let plain = Net::new(&Device::flex().autodiff()).load_record(start.clone());
        let expected = with_zeros_written_in(plain, &masks);

        let ticket = net.rewind(start).unwrap();
        assert_eq!(ticket.masks(), masks);
        assert_eq!(ticket.fc1.weight.id, id);
        let mode_of = |net: &Net| {
            let mask = net
                .fc1
                .weight
                .reparameterization::<burn_prune::WeightMask>();
            mask.unwrap().mode()
        };
        assert_eq!(mode_of(&ticket), mode);
        let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
        let same = |a: Vec<f32>, b: Vec<f32>| assert_eq!(bits(a), bits(b));
        same(
            values(ticket.conv.weight.val()),
            values(expected.conv.weight.val()),
        );
        same(
            values(ticket.fc1.weight.val()),
            values(expected.fc1.weight.val()),
        );
        same(
            values(ticket.fc2.weight.val()),
            values(expected.fc2.weight.val()),
        );
        let bias = |net: &Net| values(net.fc1.bias.as_ref().unwrap().val());
        same(bias(&ticket), bias(&expected));
        assert_eq!(ticket.running_mean(), expected.running_mean());
        if mode == MaskMode::AfterStep {
            same(
                values(ticket.fc1.weight.base()),
                values(expected.fc1.weight.val()),
            );
        }
        // It trains on.
        let batch = &batches(1, &Device::flex().autodiff())[0];
        let gradients = ticket.gradients(batch).1;
        let before = values(ticket.fc1.weight.val());
        let ticket = SgdConfig::new()
            .init()
            .step(0.1, ticket, gradients)
            .zero_pruned();
        assert_ne!(values(ticket.fc1.weight.val()), before);
        assert_eq!(ticket.masks(), masks);
    }
}

#[test]
fn masks_in_the_record_are_passed_over() {
    let Trained { net, .. } = trained(MaskMode::OnRead);
    let record = net.valid().into_record();
    let masks = net.masks();
    let further = net.global_unstructured(Magnitude::l1(), 0.5).unwrap();
    let after = further.masks();
    assert_ne!(after, masks);
    assert_eq!(further.rewind(record.clone()).unwrap().masks(), after);
    let plain = Net::new(&Device::flex()).rewind(record).unwrap();
    assert!(!plain.is_pruned());
}

#[test]
fn a_record_that_does_not_fit_changes_nothing() {
    let Trained { net, start } = trained(MaskMode::OnRead);
    let (weights, mean) = (values(net.fc1.weight.base()), net.running_mean());
    let without_norm = Net {
        norm: None,
        ..Net::new(&Device::flex())
    };
    let error = |net: Net, record| {
        let (net, error) = net.rewind(record).unwrap_err().into_parts();
        (net, error.to_string())
    };
    let (net, missing) = error(net, without_norm.clone().into_record());
    assert!(missing.contains("`norm.gamma` is missing"), "{missing}");
    assert_eq!(values(net.fc1.weight.base()), weights);
    assert_eq!(net.running_mean(), mean);

    let (_, unused) = error(without_norm, start);
    assert!(unused.contains("norm.gamma"), "{unused}");
}
