//! Every optimizer gives the same weights as on read.

use burn::grad_clipping::GradientClippingConfig;
use burn::module::{Module, ParamGroup};
use burn::nn::{LinearConfig, LinearLayout};
use burn::optim::{
    AdaGradConfig, AdafactorConfig, AdamConfig, AdamWConfig, AdanConfig, GradientsParams,
    LBFGSConfig, LambConfig, LineSearchFn, LionConfig, ModuleOptimizer, MuonConfig, RmsPropConfig,
    decay::WeightDecayConfig,
};
use burn::tensor::{Device, Tensor};
use burn_prune::{Magnitude, MaskMode, Prunable};

use super::{sgd, weights};
use crate::nets::{Net, batches, seeded, values};

const STEPS: usize = 30;

#[derive(Clone, Copy, PartialEq)]
enum Passes {
    /// A call that is forgotten would be this.
    None,
    Parameters,
    Both,
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
