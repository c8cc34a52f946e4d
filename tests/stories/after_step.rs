//! Masks that are kept after the step: the same weights as on read.

use burn::grad_clipping::GradientClippingConfig;
use burn::module::{Module, ParamGroup};
use burn::nn::{LinearConfig, LinearLayout};
use burn::optim::{
    AdaGradConfig, AdafactorConfig, AdamConfig, AdamWConfig, AdanConfig, GradientsParams,
    LBFGSConfig, LambConfig, LineSearchFn, LionConfig, ModuleOptimizer, MuonConfig, RmsPropConfig,
    SgdConfig, decay::WeightDecayConfig, momentum::MomentumConfig,
};
use burn::tensor::{Device, Tensor};
use burn_prune::{Magnitude, MaskMode, Prunable, PruneError, WeightMask};

use crate::nets::{Net, batches, seeded, values};

const STEPS: usize = 30;

#[derive(Clone, Copy, PartialEq)]
enum Passes {
    /// A call that is forgotten would be this.
    None,
    Parameters,
    Both,
}

fn weights(net: &Net) -> Vec<u32> {
    let weights = [
        values(net.conv.weight.val().inner()),
        values(net.fc1.weight.val().inner()),
        values(net.fc2.weight.val().inner()),
        values(net.fc2.bias.as_ref().unwrap().val().inner()),
    ];
    weights.concat().into_iter().map(f32::to_bits).collect()
}

/// The step after which the two modes differ, if they do.
///
/// Both go on from the same dense training, with the optimizer state that it has left.
fn first_difference(mut optimizer: ModuleOptimizer, rate: f64, passes: Passes) -> Option<usize> {
    let device = Device::flex().autodiff();
    let batches = batches(5 + STEPS, &device);
    let mut dense = seeded(Net::new(&device), 5);
    for batch in &batches[..5] {
        let gradients = dense.gradients(batch).1;
        dense = optimizer.step(rate, dense, gradients);
    }
    // Each from a record: clones would share the statistics of the norm.
    let start = dense
        .global_unstructured(Magnitude::l1(), 0.8)
        .unwrap()
        .into_record();
    let load = || Net::new(&device).load_masked_record(start.clone()).unwrap();
    let mut on_read = load();
    let mut after_step = load().with_mask_mode(MaskMode::AfterStep).unwrap();
    let (mut first, mut second) = (optimizer.clone(), optimizer);
    let mut drifted = false;
    for (step, batch) in batches[5..].iter().enumerate() {
        let gradients = on_read.gradients(batch).1;
        on_read = first.step(rate, on_read, gradients);

        let mut gradients = after_step.gradients(batch).1;
        if passes == Passes::Both {
            gradients = after_step.zero_pruned_gradients(gradients);
        }
        after_step = second.step(rate, after_step, gradients);
        if passes != Passes::None {
            after_step = after_step.zero_pruned();
        }
        if weights(&on_read) != weights(&after_step) {
            return Some(step);
        }
        let stored = values(after_step.fc1.weight.base().inner());
        drifted |= stored != values(after_step.fc1.weight.val().inner());
    }
    // With a pass, what is stored is what is read. Without one there is something to hide.
    assert_eq!(drifted, passes == Passes::None);
    assert_eq!(on_read.masks(), after_step.masks());
    assert_eq!(on_read.running_mean(), after_step.running_mean());
    None
}

fn clipped(optimizer: ModuleOptimizer) -> ModuleOptimizer {
    optimizer.with_grad_clipping(GradientClippingConfig::Norm(0.5).init())
}

fn sgd() -> ModuleOptimizer {
    let config = SgdConfig::new()
        .with_momentum(Some(MomentumConfig::new().with_momentum(0.9)))
        .with_weight_decay(Some(WeightDecayConfig::new(1e-2)));
    config.init()
}

/// The optimizers that treat each weight by itself.
fn elementwise() -> Vec<(&'static str, ModuleOptimizer, f64)> {
    let decay = || Some(WeightDecayConfig::new(1e-2));
    let by_value = GradientClippingConfig::Value(0.01).init();
    vec![
        ("SGD", sgd(), 1e-2),
        (
            "SGD clipped by value",
            sgd().with_grad_clipping(by_value),
            1e-2,
        ),
        (
            "Adam",
            AdamConfig::new().with_weight_decay(decay()).init(),
            1e-3,
        ),
        (
            "AdamW",
            AdamWConfig::new().with_weight_decay(1e-2).init(),
            1e-3,
        ),
        (
            "Adan",
            AdanConfig::new().with_weight_decay(1e-2).init(),
            1e-3,
        ),
        (
            "AdaGrad",
            AdaGradConfig::new().with_weight_decay(decay()).init(),
            1e-2,
        ),
        (
            "Lion",
            LionConfig::new().with_weight_decay(1e-2).init(),
            1e-4,
        ),
        (
            "RMSprop",
            RmsPropConfig::new()
                .with_momentum(0.9)
                .with_weight_decay(decay())
                .init(),
            1e-4,
        ),
    ]
}

#[test]
fn the_parameter_pass_alone_gives_the_weights_of_on_read_bit_for_bit() {
    for (name, optimizer, rate) in elementwise() {
        assert_eq!(
            first_difference(optimizer, rate, Passes::Parameters),
            None,
            "{name}"
        );
    }
}

#[test]
fn with_clipping_by_norm_it_takes_both_passes() {
    for (name, optimizer, rate) in elementwise() {
        let optimizer = clipped(optimizer);
        let both = first_difference(optimizer.clone(), rate, Passes::Both);
        assert_eq!(both, None, "{name}");
        // Adam and its kin hardly see a gradient's scale; SGD shows that the pass is needed.
        if name == "SGD" {
            let one = first_difference(optimizer, rate, Passes::Parameters);
            assert_ne!(one, None, "{name}");
        }
    }
}

#[test]
fn without_the_passes_the_weights_that_are_read_are_the_same() {
    for (name, optimizer, rate) in elementwise() {
        assert_eq!(
            first_difference(optimizer, rate, Passes::None),
            None,
            "{name}"
        );
    }
}

#[test]
fn muon_takes_both_passes() {
    // It orthogonalizes the whole momentum, so a gradient under a mask would reach the others.
    let matrices = ParamGroup::from_paths(vec!["fc1.weight", "fc2.weight"]);
    let muon = || sgd().with_group(matrices.clone(), MuonConfig::new().build(), None);
    assert_eq!(first_difference(muon(), 1e-3, Passes::Both), None);
    assert_ne!(first_difference(muon(), 1e-3, Passes::Parameters), None);
}

#[test]
fn lamb_and_adafactor_look_at_the_stored_weights_and_so_differ() {
    // They scale a step by the norm of the stored weights, which on read still has in it what lies
    // under the mask. After the step it is the norm of the weights that are there.
    let lamb = LambConfig::new().with_weight_decay(1e-2).init();
    assert_eq!(first_difference(lamb, 1e-3, Passes::Both), Some(0));
    let adafactor = AdafactorConfig::new().init();
    assert_eq!(first_difference(adafactor, 1e-2, Passes::Both), Some(0));
}

#[test]
fn lbfgs_with_a_fresh_history_takes_both_passes() {
    // With a history of dense steps it would move weights under the masks within a step, where the
    // loss sees them: start it anew after pruning. Without a norm, as everywhere with L-BFGS.
    let device = Device::flex().autodiff();
    let batches = batches(4, &device);
    let net = Net {
        norm: None,
        ..seeded(Net::new(&device), 7)
    };
    let mut on_read = net.global_unstructured(Magnitude::l1(), 0.8).unwrap();
    let mut after_step = on_read.clone().with_mask_mode(MaskMode::AfterStep).unwrap();
    let optimizer = || {
        let line_search = LineSearchFn::StrongWolfe;
        let config = LBFGSConfig::new().with_max_iter(5);
        config.with_line_search_fn(line_search).init()
    };
    let (mut first, mut second) = (optimizer(), optimizer());
    for batch in &batches {
        on_read = first.step(1.0, on_read, |net: Net| net.gradients(batch)).0;
        let masked = |net: Net| {
            let (loss, gradients) = net.gradients(batch);
            (loss, net.zero_pruned_gradients(gradients))
        };
        after_step = second.step(1.0, after_step, masked).0.zero_pruned();
        assert!(weights(&on_read) == weights(&after_step));
    }
}

#[test]
fn columns_train_as_rows_do() {
    let device = Device::flex().autodiff();
    let layer = |layout| {
        let config = LinearConfig::new(12, 8)
            .with_bias(false)
            .with_layout(layout);
        let mut layer = seeded(config.init(&device), 9);
        if let LinearLayout::Col = layout {
            // The same weights, stored by columns.
            let columns = layer.weight.val().transpose().into_data();
            let columns = Tensor::<2>::from_data(columns, &device).transpose();
            layer.weight = layer.weight.map(|_| columns.require_grad());
        }
        let layer = layer.l1_unstructured(0.6).unwrap();
        layer.with_mask_mode(MaskMode::AfterStep).unwrap()
    };
    let input = Tensor::<2>::ones([4, 12], &device);
    let train = |layout| {
        let (mut layer, mut optimizer) = (layer(layout), sgd());
        for _ in 0..5 {
            let loss = layer.forward(input.clone()).square().sum();
            let gradients = GradientsParams::from_grads(loss.backward(), &layer);
            let gradients = layer.zero_pruned_gradients(gradients);
            layer = optimizer.step(1e-3, layer, gradients).zero_pruned();
        }
        (layer.masks(), values(layer.weight.val()))
    };
    let (rows, columns) = (train(LinearLayout::Row), train(LinearLayout::Col));
    assert_eq!(rows.0, columns.0);
    for (row, column) in rows.1.iter().zip(&columns.1) {
        assert!((row - column).abs() < 1e-5 && (*row == 0.0) == (*column == 0.0));
    }
}

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
