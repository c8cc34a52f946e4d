//! Masks that move while a model trains.

use burn::grad_clipping::GradientClippingConfig;
use burn::module::{Module, ParamGroup};
use burn::optim::{GradientsParams, SgdConfig, momentum::MomentumConfig};
use burn::tensor::{Device, Tensor};
use burn_prune::{
    Allocation, At, Magnitude, MaskMode, Prunable, PruneError, Pruner, Pruning, Recipe, Schedule,
    ScheduleConfig, Span, TrainingLength, WeightMask, reestimate_statistics,
};

use crate::learner::{adam, weights};
use crate::nets::{Net, batches, seeded, values};

pub(crate) const RUN: TrainingLength = TrainingLength {
    epochs: 3,
    steps_per_epoch: 6,
};

pub(crate) fn global() -> Pruner {
    Pruner::new(Magnitude::l1()).allocation(Allocation::Global)
}

/// When a span begins.
pub(crate) fn beginning(span: Span) -> At {
    match span {
        Span::Steps { begin, .. } => At::Step(begin),
        Span::Epochs { begin, .. } => At::Epoch(begin),
    }
}

pub(crate) fn schedule() -> ScheduleConfig {
    ScheduleConfig::cubic(0.9, Span::steps(2, 14, 4))
}

pub(crate) fn wrap<M: Module + burn::module::ModuleDisplay>(model: M) -> Pruning<M> {
    Pruning::new(model, global(), schedule().build(RUN).unwrap()).unwrap()
}

pub(crate) fn bits<const D: usize>(tensor: Tensor<D>) -> Vec<u32> {
    values(tensor.inner())
        .into_iter()
        .map(f32::to_bits)
        .collect()
}

#[test]
fn a_schedule_does_what_one_would_do_by_hand() {
    let device = Device::flex().autodiff();
    let batches = batches(18, &device);
    let start = seeded(Net::new(&device), 2).into_record();
    let net = || Net::new(&device).load_record(start.clone());
    let optimizer = || {
        let momentum = MomentumConfig::new().with_momentum(0.9);
        let sgd = SgdConfig::new().with_momentum(Some(momentum)).init();
        sgd.with_grad_clipping(GradientClippingConfig::Norm(0.5).init())
    };
    let built = schedule().build(RUN).unwrap();

    let (mut by_hand, mut first) = (net(), optimizer());
    let (mut pruning, mut second) = (wrap(net()), optimizer());
    let mut seen = Vec::new();
    for (step, batch) in (1..).zip(&batches) {
        let grads = by_hand.gradients(batch).1;
        by_hand = first.step(0.05, by_hand, grads);
        if built.updates_after(step) {
            let pruner = global().to_sparsity(built.sparsity_after(step));
            by_hand = by_hand.prune(&pruner).unwrap();
        }
        let grads = pruning.model().gradients(batch).1;
        pruning = pruning.step(&mut second, 0.05, grads);
        seen.push(pruning.sparsity());
        assert_eq!(pruning.steps(), step);
        assert!(
            bits(by_hand.fc1.weight.val()) == bits(pruning.model().fc1.weight.val()),
            "{step}"
        );
        assert!(bits(by_hand.conv.weight.val()) == bits(pruning.model().conv.weight.val()));
    }
    assert!(seen.is_sorted());
    assert!((seen[17] - 0.9).abs() < 1e-3, "{seen:?}");
    let net = pruning.into_inner();
    assert_eq!(net.masks(), by_hand.masks());
    let mask = net.fc1.weight.reparameterization::<WeightMask>().unwrap();
    assert_eq!(mask.mode(), MaskMode::OnRead);
}

#[test]
fn parameters_without_a_gradient_stay_as_they_are() {
    let device = Device::flex().autodiff();
    let net = seeded(Net::new(&device), 4);
    let net = Net {
        fc1: net.fc1.no_grad(),
        ..net
    };
    let mut pruning = wrap(net);
    let mut optimizer = adam();
    for batch in &batches(14, &device) {
        let before = bits(pruning.model().fc1.weight.val());
        let grads = pruning.model().gradients(batch).1;
        pruning = pruning.step(&mut optimizer, 1e-3, grads);
        let after = bits(pruning.model().fc1.weight.val());
        let mut pairs = before.iter().zip(&after);
        assert!(pairs.all(|(before, after)| before == after || *after == 0));
    }
    assert!((pruning.sparsity() - 0.9).abs() < 1e-3);
}

#[test]
fn a_training_that_diverges_keeps_its_masks() {
    let device = Device::flex().autodiff();
    let pruning = wrap(seeded(Net::new(&device), 4));
    let batches = batches(3, &device);
    let step = |pruning: Pruning<Net>, rate, batch| {
        let grads = pruning.model().gradients(batch).1;
        pruning.step(&mut SgdConfig::new().init(), rate, grads)
    };
    let pruning = step(pruning, 1e-3, &batches[0]);
    let masks = pruning.masks();
    let pruning = step(pruning, f64::NAN, &batches[1]);
    assert_eq!(pruning.masks(), masks);
    assert_eq!(step(pruning, 1e-3, &batches[2]).steps(), 3);
}

#[test]
fn what_makes_no_sense_is_refused_and_the_model_comes_back() {
    let device = Device::flex();
    let nothing = burn::nn::BatchNormConfig::new(3).init(&device);
    let built = schedule().build(RUN).unwrap();
    let refused = Pruning::new(nothing, global(), built).unwrap_err();
    assert!(matches!(refused.error(), PruneError::NothingToPrune { .. }));

    let recipe = Recipe::new(global().min_density(2.0), schedule());
    let refused = recipe.wrap(Net::new(&device), RUN).unwrap_err();
    assert!(matches!(refused.error(), PruneError::InvalidDensity { .. }));
    // What only the last update would find out.
    let recipe = Recipe::new(global().min_density(0.2), schedule());
    let refused = recipe.wrap(Net::new(&device), RUN).unwrap_err();
    assert!(matches!(
        refused.error(),
        PruneError::FloorContradictsAmount { .. }
    ));
    let recipe = Recipe::new(global(), ScheduleConfig::cubic(0.5, Span::steps(0, 10, 0)));
    let refused = recipe.wrap(Net::new(&device), RUN).unwrap_err();
    let message = refused.error().to_string();
    assert!(message.contains("`span.every` of the pruning schedule must be at least 1, found 0"));
    assert!(!refused.into_model().is_pruned());
    let mistyped = global().exclude(ParamGroup::from_path("fc3.weight"));
    let mistyped = Recipe::new(mistyped, schedule());
    let refused = mistyped.wrap(Net::new(&device), RUN).unwrap_err();
    assert!(refused.error().to_string().contains("fc3.weight"));
}

#[test]
fn statistics_made_anew_are_those_of_the_pruned_model() {
    let device = Device::flex().autodiff();
    let batches = batches(4, &device);
    let mut net = seeded(Net::new(&device), 6);
    let mut optimizer = adam();
    for batch in &batches {
        let grads = net.gradients(batch).1;
        net = optimizer.step(1e-3, net, grads);
    }
    let net = net.global_unstructured(Magnitude::l1(), 0.8).unwrap();
    let before = net.running_mean();
    let weights = bits(net.conv.weight.val());
    let images: Vec<_> = batches.iter().map(|batch| batch.images.clone()).collect();
    let net = reestimate_statistics(net, images.clone(), |net, images| {
        net.forward(images);
    });
    assert!(bits(net.conv.weight.val()) == weights);
    assert_ne!(net.running_mean(), before);
    // By hand: the mean of each channel of the convolution's output over all images.
    let outputs = images
        .into_iter()
        .map(|images| net.conv.forward(images).inner());
    let means = outputs.map(|output| {
        let [batch, channels, height, width] = output.dims();
        let output = output
            .swap_dims(0, 1)
            .reshape([channels, batch * height * width]);
        values(output.mean_dim(1))
    });
    let means: Vec<_> = means.collect();
    let found = net.running_mean();
    for (channel, found) in found.iter::<f32>().enumerate() {
        let expected = means.iter().map(|means| means[channel]).sum::<f32>() / 4.0;
        assert!((found - expected).abs() < 1e-4 * (1.0 + expected.abs()));
    }
}

#[test]
fn a_schedule_that_is_longer_than_the_run_is_warned_about() {
    use std::sync::Mutex;
    static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());
    struct Logger;
    impl log::Log for Logger {
        fn enabled(&self, _metadata: &log::Metadata) -> bool {
            true
        }
        fn log(&self, record: &log::Record) {
            if record.level() == log::Level::Warn {
                WARNINGS.lock().unwrap().push(record.args().to_string());
            }
        }
        fn flush(&self) {}
    }
    log::set_logger(&Logger).unwrap();
    log::set_max_level(log::LevelFilter::Warn);
    let fits: Box<dyn Schedule> = schedule().build(RUN).unwrap();
    assert_eq!(fits.last_update(), Some(14));
    ScheduleConfig::cubic(0.7, Span::epochs(0, 4, 1))
        .build(RUN)
        .unwrap();
    let warnings = WARNINGS.lock().unwrap();
    let ours = warnings
        .iter()
        .filter(|warning| warning.contains("pruning schedule"));
    let ours: Vec<_> = ours.collect();
    assert_eq!(ours.len(), 1, "{ours:?}");
    assert!(
        ours[0].contains("after 24 steps, but the run has 18"),
        "{ours:?}"
    );
}

#[test]
fn importance_scores_are_part_of_the_recipe_by_their_values() {
    let device = Device::flex().autodiff();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkpoint.bpk");
    let wrapped = |value: f32| {
        let scores = |shape: [usize; 2]| Tensor::<2>::full(shape, value, &Device::flex());
        let pruner = global()
            .importance("fc1.weight", scores([1014, 16]))
            .importance("fc2.weight", scores([16, 10]));
        Pruning::new(
            seeded(Net::new(&device), 1),
            pruner,
            schedule().build(RUN).unwrap(),
        )
        .unwrap()
    };
    wrapped(1.0).save_file(&file).unwrap();
    wrapped(1.0).check_checkpoint(&file).unwrap();
    let other = wrapped(2.0).check_checkpoint(&file).unwrap_err();
    assert!(matches!(other, PruneError::RecipeMismatch { .. }));
    // What it has is seen before the first step.
    let resumed = wrapped(1.0).load_file(&file);
    assert_eq!((resumed.steps(), resumed.sparsity()), (0, 0.0));
}

#[test]
fn gradients_can_stay_dense() {
    let device = Device::flex().autodiff();
    let start = seeded(Net::new(&device), 2).into_record();
    let train = |dense: bool| {
        let mut pruning = wrap(Net::new(&device).load_record(start.clone()));
        if dense {
            pruning = pruning.with_dense_gradients();
        }
        let mut optimizer = adam();
        for batch in &batches(16, &device) {
            let grads: GradientsParams = pruning.model().gradients(batch).1;
            pruning = pruning.step(&mut optimizer, 1e-3, grads);
        }
        weights(pruning.model())
    };
    assert!(train(true) == train(false));
}
