//! `Pruning` in Burn's `Learner`: checkpoints, groups, devices.

use std::path::{Path, PathBuf};

use burn::data::dataloader::DataLoaderBuilder;
use burn::grad_clipping::GradientClippingConfig;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::module::{Module, ModuleMapper, Param, ParamGroup};
use burn::optim::{AdamConfig, ModuleOptimizer, MultiGradientsParams, SgdConfig};
use burn::tensor::{Device, Tensor};
use burn::train::metric::LossMetric;
use burn::train::metric::store::{Aggregate, Direction, Split};
use burn::train::{
    ExecutionStrategy, Learner, MetricEarlyStoppingStrategy, MultiDeviceOptim, StoppingCondition,
    SupervisedTraining, TrainStep,
};
use burn_prune::{
    MaskSet, Problem, Prunable, PruneError, Pruning, ScheduleConfig, Span, SparsityMetric,
    TrainingLength,
};
use examples_shared::{Cnn, ImageBatcher, Images, bundled_data};

use crate::nets::{Net, seeded};
use crate::schedules::{RUN, bits, global, schedule, wrap};

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
        matches!(refused, PruneError::RecipeMismatch { .. }),
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
    let run = TrainingLength {
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
fn what_went_wrong_in_a_learner_is_told_by_its_model() {
    let device = Device::flex().autodiff();
    let data = Data::small();
    let folder = tempfile::tempdir().unwrap();
    // The weights are no numbers after some steps.
    let learner = Learner::new(wrap(cnn(&device)), SgdConfig::new().init(), 1e30);
    let trained = data.training(folder.path()).launch(learner).model;
    assert!(!trained.problems().is_empty());
    let named = |problem: &Problem| matches!(problem, Problem::UpdateFailed { step: 2.., .. });
    assert!(
        trained.problems().iter().all(named),
        "{:?}",
        trained.problems()
    );
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
