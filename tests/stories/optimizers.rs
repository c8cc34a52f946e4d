//! Zeros stay, with every optimizer that Burn has, and come back without masks.

use burn::grad_clipping::GradientClippingConfig;
use burn::module::{Module, ParamGroup};
use burn::optim::{
    AdaGradConfig, AdafactorConfig, AdamConfig, AdamWConfig, AdanConfig, LBFGSConfig, LambConfig,
    LineSearchFn, LionConfig, ModuleOptimizer, MuonConfig, RmsPropConfig, SgdConfig,
    decay::WeightDecayConfig, momentum::MomentumConfig,
};
use burn::tensor::Device;
use burn_prune::{Magnitude, MaskSet, Prunable};
use examples_shared::ImageBatch;

use crate::nets::{Net, batches, seeded, values, with_zeros_written_in};

const DENSE_STEPS: usize = 10;
const MASKED_STEPS: usize = 50;

fn steps(
    mut net: Net,
    optimizer: &mut ModuleOptimizer,
    rate: f64,
    batches: &[ImageBatch],
    mut after_each: impl FnMut(&Net),
) -> Net {
    for batch in batches {
        let (_, gradients) = net.gradients(batch);
        net = optimizer.step(rate, net, gradients);
        after_each(&net);
    }
    net
}

/// How many of the weights that the masks prune are not 0.
fn revived(net: &Net, masks: &MaskSet) -> usize {
    let weights = [
        ("conv.weight", values(net.conv.weight.val().inner())),
        ("fc1.weight", values(net.fc1.weight.val().inner())),
        ("fc2.weight", values(net.fc2.weight.val().inner())),
    ];
    let of = |(path, weights): &(&str, Vec<f32>)| {
        let mask = masks.get(path).unwrap();
        mask.iter()
            .zip(weights)
            .filter(|(kept, weight)| !kept && **weight != 0.0)
            .count()
    };
    weights.iter().map(of).sum()
}

/// The network as an ordinary one that was given the weights it reads and zeros under the masks.
fn plain_copy(net: &Net, empty: Net, masks: &MaskSet) -> Net {
    let record = net.valid().into_record().allow_unused(true);
    with_zeros_written_in(empty.load_record(record), masks).valid()
}

fn check_that_every_view_agrees(net: &Net, masks: &MaskSet, batch: &ImageBatch) {
    let empty = |device: &Device| match net.norm {
        Some(_) => Net::new(device),
        None => Net {
            norm: None,
            ..Net::new(device)
        },
    };
    let images = batch.images.clone().inner();
    let expected =
        values(plain_copy(net, empty(&Device::flex().autodiff()), masks).forward(images.clone()));
    let logits = |net: &Net| values(net.forward(images.clone()));

    assert_eq!(logits(&net.valid()), expected, "valid()");
    let permanent = net.clone().make_permanent().unwrap().valid();
    assert_eq!(logits(&permanent), expected, "make_permanent()");

    let fresh = || empty(&Device::flex());
    let loaded = fresh().load_masked_record(net.masked_record()).unwrap();
    assert_eq!(logits(&loaded.valid()), expected, "masked record");

    // Loaded with plain Burn and told to drop the masks: exact zeros are what is stored.
    let stored = fresh().load_record(net.masked_record().allow_unused(true));
    assert_eq!(
        logits(&stored.valid()),
        expected,
        "masked record without its masks"
    );
    assert!(!stored.is_pruned());
    assert_eq!(
        stored.sparsity_report().zeros(),
        net.sparsity_report().zeros()
    );
    // Without being told so, plain Burn refuses.
    assert!(fresh().try_load_record(net.masked_record()).is_err());
}

/// Trains dense, prunes to 80 %, trains on with the same optimizer and its old momentum.
fn zeros_stay(mut optimizer: ModuleOptimizer, rate: f64) {
    let device = Device::flex().autodiff();
    let batches = batches(DENSE_STEPS + MASKED_STEPS, &device);
    let (first, rest) = batches.split_at(DENSE_STEPS);

    let dense = steps(
        seeded(Net::new(&device), 7),
        &mut optimizer,
        rate,
        first,
        |_| (),
    );
    let masked = dense
        .clone()
        .global_unstructured(Magnitude::l1(), 0.8)
        .unwrap();
    let masks = masked.masks();
    let mut unmasked_optimizer = optimizer.clone();

    let before = values(masked.fc1.weight.val().inner());
    let masked = steps(masked, &mut optimizer, rate, rest, |net| {
        assert_eq!(revived(net, &masks), 0, "a pruned weight came back");
    });
    assert_ne!(
        values(masked.fc1.weight.val().inner()),
        before,
        "nothing was trained"
    );
    assert!(
        values(masked.fc1.weight.val().inner())
            .iter()
            .all(|weight| weight.is_finite())
    );
    check_that_every_view_agrees(&masked, &masks, &rest[0]);

    // The control: the same zeros without masks, the same optimizer, the same batches.
    // A new model, since clones share the statistics of their norms.
    let zeroed = with_zeros_written_in(dense, &masks);
    assert_eq!(revived(&zeroed, &masks), 0);
    let zeroed = steps(zeroed, &mut unmasked_optimizer, rate, rest, |_| ());
    let revived = revived(&zeroed, &masks);
    let pruned: usize = masks.iter().map(|(_, mask)| mask.pruned()).sum();
    // Some weights never get a gradient: those of pixels that are always black.
    assert!(
        revived > pruned / 3,
        "without masks only {revived} of {pruned} came back"
    );
}

fn clipped(optimizer: ModuleOptimizer) -> ModuleOptimizer {
    optimizer.with_grad_clipping(GradientClippingConfig::Norm(1.0).init())
}

fn momentum() -> Option<MomentumConfig> {
    Some(MomentumConfig::new().with_momentum(0.9))
}

fn decay() -> Option<WeightDecayConfig> {
    Some(WeightDecayConfig::new(1e-2))
}

#[test]
fn sgd_with_momentum_and_decay() {
    let config = SgdConfig::new()
        .with_momentum(momentum())
        .with_weight_decay(decay());
    zeros_stay(clipped(config.init()), 1e-2);
}

#[test]
fn sgd_clipped_by_value() {
    let config = SgdConfig::new().with_momentum(momentum());
    let clipping = GradientClippingConfig::Value(0.1).init();
    zeros_stay(config.init().with_grad_clipping(clipping), 1e-2);
}

#[test]
fn adam_with_decay() {
    zeros_stay(
        clipped(AdamConfig::new().with_weight_decay(decay()).init()),
        1e-3,
    );
}

#[test]
fn adamw() {
    zeros_stay(
        clipped(AdamWConfig::new().with_weight_decay(1e-2).init()),
        1e-3,
    );
}

#[test]
fn adan() {
    zeros_stay(
        clipped(AdanConfig::new().with_weight_decay(1e-2).init()),
        1e-3,
    );
}

#[test]
fn adagrad() {
    zeros_stay(
        clipped(AdaGradConfig::new().with_weight_decay(decay()).init()),
        1e-2,
    );
}

#[test]
fn adafactor() {
    zeros_stay(
        clipped(AdafactorConfig::new().with_weight_decay(1e-2).init()),
        1e-2,
    );
}

#[test]
fn lamb() {
    zeros_stay(
        clipped(LambConfig::new().with_weight_decay(1e-2).init()),
        1e-3,
    );
}

#[test]
fn lion() {
    zeros_stay(
        clipped(LionConfig::new().with_weight_decay(1e-2).init()),
        1e-4,
    );
}

#[test]
fn rmsprop() {
    let config = RmsPropConfig::new()
        .with_momentum(0.9)
        .with_weight_decay(decay());
    zeros_stay(clipped(config.init()), 1e-4);
}

#[test]
fn muon_on_matrices_and_sgd_on_the_rest() {
    let muon = MuonConfig::new().with_weight_decay(decay());
    let matrices = ParamGroup::from_paths(vec!["fc1.weight", "fc2.weight"]);
    let rest = SgdConfig::new().with_momentum(momentum());
    zeros_stay(rest.init().with_group(matrices, muon.build(), None), 1e-3);
}

#[test]
fn lbfgs() {
    // No `ModuleOptimizer`: it evaluates a closure at points of its own. Its history is of dense
    // steps when the masks come. Without a norm, whose statistics Burn's L-BFGS takes for weights.
    let device = Device::flex().autodiff();
    let batches = batches(12, &device);
    let line_search = LineSearchFn::StrongWolfe;
    let config = LBFGSConfig::new()
        .with_max_iter(5)
        .with_line_search_fn(line_search);
    let mut optimizer = config.init();
    let mut run = |mut net: Net, batches: &[ImageBatch]| {
        for batch in batches {
            net = optimizer.step(1.0, net, |net: Net| net.gradients(batch)).0;
        }
        net
    };
    let dense = run(
        Net {
            norm: None,
            ..seeded(Net::new(&device), 7)
        },
        &batches[..2],
    );
    let masked = dense
        .clone()
        .global_unstructured(Magnitude::l1(), 0.8)
        .unwrap();
    let masks = masked.masks();

    // 10 steps of up to 5 iterations.
    let masked = run(masked, &batches[2..]);
    assert_eq!(revived(&masked, &masks), 0);
    check_that_every_view_agrees(&masked, &masks, &batches[0]);

    let zeroed = run(with_zeros_written_in(dense, &masks), &batches[2..]);
    assert!(
        revived(&zeroed, &masks) > 0,
        "without masks nothing came back"
    );
}
