//! Masks that move while a model trains, in a loop of one's own and in Burn's `Learner`.

use std::path::{Path, PathBuf};

use burn::data::dataloader::DataLoaderBuilder;
use burn::grad_clipping::GradientClippingConfig;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::module::{Module, ModuleMapper, Param, ParamGroup};
use burn::optim::{
    AdamConfig, GradientsParams, ModuleOptimizer, MultiGradientsParams, SgdConfig,
    momentum::MomentumConfig,
};
use burn::tensor::{Device, Tensor};
use burn::train::metric::LossMetric;
use burn::train::metric::store::{Aggregate, Direction, Split};
use burn::train::{
    ExecutionStrategy, Learner, MetricEarlyStoppingStrategy, MultiDeviceOptim, StoppingCondition,
    SupervisedTraining, TrainStep,
};
use burn_prune::{
    Allocation, Magnitude, MaskMode, MaskSet, Prunable, PruneError, Pruner, Pruning, Recipe, Run,
    Schedule, ScheduleConfig, Span, SparsityMetric, WeightMask, reestimate_statistics,
};
use examples_shared::{Cnn, ImageBatcher, Images, bundled_data};

use crate::nets::{Net, batches, seeded, values};

pub(crate) const RUN: Run = Run {
    epochs: 3,
    steps_per_epoch: 6,
};

fn global() -> Pruner {
    Pruner::new(Magnitude::l1()).allocation(Allocation::Global)
}

fn schedule() -> ScheduleConfig {
    ScheduleConfig::cubic(0.9, Span::steps(2, 14, 4))
}

pub(crate) fn wrap<M: Module + burn::module::ModuleDisplay>(model: M) -> Pruning<M> {
    Pruning::new(model, global(), schedule().build(RUN).unwrap()).unwrap()
}

fn bits<const D: usize>(tensor: Tensor<D>) -> Vec<u32> {
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

pub(crate) struct Data {
    train: Images,
    batcher: ImageBatcher,
}

impl Data {
    pub(crate) fn small() -> Self {
        let train = Images::train(&bundled_data()).unwrap().first(96);
        let batcher = ImageBatcher::new(&train);
        Self { train, batcher }
    }

    /// 6 steps an epoch, in the same order.
    pub(crate) fn training<M>(&self, dir: &Path) -> SupervisedTraining<M>
    where
        M: burn::train::LearnerModel
            + TrainStep<Input = examples_shared::ImageBatch>
            + burn::train::InferenceStep<Input = examples_shared::ImageBatch>,
    {
        let loader = || {
            let builder = DataLoaderBuilder::new(self.batcher.clone());
            builder.batch_size(16).build(self.train.clone())
        };
        SupervisedTraining::new(dir, loader(), loader())
            .num_epochs(RUN.epochs)
            .with_application_logger(None)
    }
}

pub(crate) fn cnn(device: &Device) -> Cnn {
    seeded(Cnn::new(device), 8).map(&mut Zeros)
}

/// Biases are drawn from Burn's generator, which all tests share.
struct Zeros;

impl ModuleMapper for Zeros {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match D {
            1 => param.map(|bias| {
                let zeros = Tensor::zeros(bias.shape(), &bias.device());
                zeros.set_require_grad(bias.is_require_grad())
            }),
            _ => param,
        }
    }
}

/// All weights that a model reads.
pub(crate) fn weights<M: Module>(model: &M) -> Vec<u32> {
    use burn::module::ModuleVisitor;
    struct Read(Vec<u32>);
    impl ModuleVisitor for Read {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.extend(bits(param.val()));
        }
    }
    let mut read = Read(Vec::new());
    model.valid().materialize().visit(&mut read);
    read.0
}

pub(crate) fn adam() -> ModuleOptimizer {
    AdamConfig::new().init()
}

pub(crate) fn checkpoint(dir: &Path, epoch: usize) -> PathBuf {
    dir.join("checkpoint").join(format!("model-{epoch}.bpk"))
}

#[test]
fn a_learner_prunes_and_its_checkpoints_load_and_resume() {
    let device = Device::flex().autodiff();
    let data = Data::small();
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let pruning = wrap(cnn(&device));
    let metrics = SparsityMetric::per_layer(&pruning);
    assert_eq!(metrics.len(), 4);
    let mut training = data
        .training(&whole)
        .metric_train_numeric(LossMetric::new())
        .metric_train_numeric(SparsityMetric::new(&pruning))
        .metric_valid_numeric(SparsityMetric::new(&pruning))
        .with_default_checkpointers();
    for metric in metrics {
        training = training.metric_train_numeric(metric);
    }
    let trained = training.launch(Learner::new(pruning, adam(), 1e-3)).model;
    assert!((trained.sparsity() - 0.9).abs() < 1e-3);
    assert_eq!(trained.steps(), 18);
    let expected = weights(&trained);

    // The display's logs have it, for training and validation and for each layer.
    for log in ["train/epoch-3/Sparsity.log", "valid/epoch-3/Sparsity.log"] {
        let log = std::fs::read_to_string(whole.join(log)).unwrap();
        assert!(log.lines().last().unwrap().starts_with("90."), "{log}");
    }

    // The bare model has it in one call.
    let bare = cnn(&Device::flex())
        .load_checkpoint(checkpoint(&whole, 3))
        .unwrap();
    assert!(weights(&bare) == expected);
    assert_eq!(bare.masks(), trained.masks());

    // A file of a wrapped model that is another one, or has more in it.
    let error = Net::new(&Device::flex())
        .load_checkpoint(checkpoint(&whole, 3))
        .unwrap_err();
    assert!(error.to_string().contains("model-3.bpk"), "{error}");

    // Resumed in the middle it ends the same.
    let pruning = wrap(cnn(&device));
    pruning.check_checkpoint(checkpoint(&whole, 2)).unwrap();
    let resumed = data
        .training(&whole)
        .with_default_checkpointers()
        .checkpoint(2)
        .launch(Learner::new(pruning, adam(), 1e-3))
        .model;
    assert_eq!(resumed.steps(), 18);
    assert_eq!(resumed.masks(), trained.masks());
    assert!(weights(&resumed) == expected);

    // Another recipe or another model is refused beforehand.
    let other = ScheduleConfig::cubic(0.8, Span::steps(2, 14, 4))
        .build(RUN)
        .unwrap();
    let other = Pruning::new(cnn(&device), global(), other).unwrap();
    let refused = other.check_checkpoint(checkpoint(&whole, 2)).unwrap_err();
    assert!(
        matches!(refused, PruneError::OtherRecipe { .. }),
        "{refused}"
    );
    let net = wrap(Net::new(&device));
    assert!(net.check_checkpoint(checkpoint(&whole, 2)).is_err());
    let missing = net.check_checkpoint(checkpoint(&whole, 9)).unwrap_err();
    assert!(missing.to_string().contains("model-9.bpk"), "{missing}");
    let plain = folder.path().join("plain.bpk");
    cnn(&device).save_file(&plain).unwrap();
    let refused = pruning_refuses(&device, &plain);
    assert!(
        refused.contains("no checkpoint of a `Pruning`"),
        "{refused}"
    );
}

fn pruning_refuses(device: &Device, path: &Path) -> String {
    wrap(cnn(device))
        .check_checkpoint(path)
        .unwrap_err()
        .to_string()
}

#[test]
fn a_learner_with_everything_that_burn_offers() {
    let device = Device::flex().autodiff();
    let data = Data::small();
    let folder = tempfile::tempdir().unwrap();
    // 3 steps an epoch with two batches accumulated.
    let run = Run {
        epochs: 3,
        steps_per_epoch: 3,
    };
    let schedule = ScheduleConfig::geometric_rounds(0.9, Span::epochs(1, 3, 1)).build(run);
    let pruning = Pruning::new(cnn(&device), global(), schedule.unwrap()).unwrap();
    let optimizer = adam().with_grad_clipping(GradientClippingConfig::Norm(0.1).init());
    let rate = CosineAnnealingLrSchedulerConfig::new(1e-2, 9)
        .init()
        .unwrap();
    let patience = StoppingCondition::NoImprovementSince { n_epochs: 5 };
    let early_stopping = MetricEarlyStoppingStrategy::new(
        &LossMetric::new(),
        Aggregate::Mean,
        Direction::Lowest,
        Split::Valid,
        patience,
    );
    let trained = data
        .training(folder.path())
        .metrics((LossMetric::new(),))
        .early_stopping(early_stopping)
        .grads_accumulation(2)
        .launch(Learner::new(pruning, optimizer, rate))
        .model;
    assert_eq!(trained.steps(), 9);
    assert!((trained.sparsity() - 0.9).abs() < 1e-3);
    let zeros = trained.model().sparsity_report().zeros();
    let pruned: usize = trained.masks().iter().map(|(_, mask)| mask.pruned()).sum();
    assert_eq!(zeros, pruned);
}

#[test]
fn parameter_groups_match_as_without_the_wrapper() {
    let device = Device::flex().autodiff();
    let data = Data::small();
    let folder = tempfile::tempdir().unwrap();
    let frozen = ParamGroup::from_path("fc2.weight");
    let optimizer = || {
        let sgd = SgdConfig::new().init();
        sgd.with_group(frozen.clone(), SgdConfig::new().build(), None)
    };
    let rates = |rate: f64| {
        use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
        ModuleLrScheduler::from(rate).with_group(frozen.clone(), 0.0)
    };
    let start = cnn(&device);
    let before = start.clone().valid().into_record();
    let pruner = global().exclude(frozen.clone());
    let pruning = Pruning::new(start, pruner, schedule().build(RUN).unwrap()).unwrap();
    let learner = Learner::new(pruning, optimizer(), rates(0.1));
    let trained = data.training(folder.path()).launch(learner).model;
    // A rate of 0 for an exact path without the wrapper's name: it has not moved.
    let before = Cnn::new(&Device::flex()).load_record(before);
    let of = |model: &Cnn, path: &str| {
        let mut masks = MaskSet::new();
        let shape = if path == "fc2.weight" {
            vec![64, 10]
        } else {
            vec![1568, 64]
        };
        masks.insert(path, burn_prune::Mask::all_kept(shape));
        let record = model
            .clone()
            .valid()
            .into_record_group(ParamGroup::from_path(path));
        record.into_bytes().unwrap()
    };
    let after = trained.into_inner();
    let after = after.make_permanent().unwrap();
    assert_eq!(of(&before, "fc2.weight"), of(&after, "fc2.weight"));
    assert_ne!(of(&before, "fc1.weight"), of(&after, "fc1.weight"));
}

#[test]
fn two_devices_have_the_same_masks() {
    let device = Device::flex().autodiff();
    let data = Data::small();
    for optim in [
        MultiDeviceOptim::OptimMainDevice,
        MultiDeviceOptim::OptimSharded,
    ] {
        let folder = tempfile::tempdir().unwrap();
        let devices = vec![Device::flex(), Device::flex()];
        let schedule = ScheduleConfig::cubic(0.9, Span::steps(1, 6, 2))
            .build(RUN)
            .unwrap();
        let pruning = Pruning::new(cnn(&device), global(), schedule).unwrap();
        let trained = data
            .training(folder.path())
            .with_training_strategy(ExecutionStrategy::MultiDevice(devices, optim).into())
            .launch(Learner::new(pruning, adam(), 1e-3))
            .model;
        assert!((trained.sparsity() - 0.9).abs() < 1e-3);
        let stored = trained.model().sparsity_report().zeros();
        let pruned: usize = trained.masks().iter().map(|(_, mask)| mask.pruned()).sum();
        assert_eq!(stored, pruned);
    }
}

#[test]
fn gradients_of_several_devices_are_one_step() {
    let device = Device::flex().autodiff();
    let data = Data::small();
    let batch = |start: usize| {
        use burn::data::dataloader::batcher::Batcher;
        let batcher = &data.batcher;
        let batch: examples_shared::ImageBatch =
            batcher.batch(data.train.items(start..start + 16), &device);
        batch
    };
    let mut pruning = wrap(cnn(&device));
    let mut optimizer = adam();
    for step in 0..14 {
        let mut grads = MultiGradientsParams::default();
        for part in 0..2 {
            let output = TrainStep::step(&pruning, batch(16 * ((step + part) % 6)));
            grads.grads.push((output.grads, device.clone()));
        }
        pruning = pruning.optimize_multi(&mut optimizer, 1e-3.into(), grads);
    }
    assert_eq!(pruning.steps(), 14);
    assert!((pruning.sparsity() - 0.9).abs() < 1e-3);
    let pruned: usize = pruning.masks().iter().map(|(_, mask)| mask.pruned()).sum();
    assert_eq!(pruning.model().sparsity_report().zeros(), pruned);
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

    let recipe = Recipe {
        min_density: 2.0,
        ..Recipe::new(schedule())
    };
    let refused = recipe.wrap(Net::new(&device), RUN).unwrap_err();
    assert!(matches!(refused.error(), PruneError::InvalidDensity { .. }));
    // What only the last update would find out.
    let recipe = Recipe {
        min_density: 0.2,
        ..Recipe::new(schedule())
    };
    let refused = recipe.wrap(Net::new(&device), RUN).unwrap_err();
    assert!(matches!(
        refused.error(),
        PruneError::FloorContradictsAmount { .. }
    ));
    let recipe = Recipe::new(ScheduleConfig::cubic(0.5, Span::steps(0, 10, 0)));
    let refused = recipe.wrap(Net::new(&device), RUN).unwrap_err();
    let message = refused.error().to_string();
    assert!(message.contains("`span.every` of the pruning schedule must be at least 1, found 0"));
    assert!(!refused.into_model().is_pruned());
    let mistyped = Recipe {
        exclude: vec!["fc3.weight".to_string()],
        ..Recipe::new(schedule())
    };
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
    assert!(matches!(other, PruneError::OtherRecipe { .. }));
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
