//! A model that drops its own masks while `Pruning` trains it.

use std::sync::{Arc, Mutex};

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Lora, Module, ModuleMapper, Param, ParamGroup};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig, momentum::MomentumConfig};
use burn::tensor::{Device, Tensor};
use burn::train::{Learner, TrainOutput, TrainStep};
use burn_prune::{
    Magnitude, Problem, Prunable, PruneError, Pruner, Pruning, ScheduleConfig, Span, TrainingLength,
};
use proptest::prelude::*;

use crate::learner::{Data, adam, cnn};
use crate::nets::{seeded, values};
use crate::read_is_reported::trusts;
use crate::schedules::wrap;

/// What a model does to itself after a step of the optimizer.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Habit {
    Nothing,
    /// Clips the weight of this layer, by a write to its field.
    Clip(usize),
    ClipAll,
    /// Clips by a mapper, as one should.
    ClipByMapper,
    /// Freezes this layer, by a write to its field.
    Freeze(usize),
    /// Puts an adapter in the place of a mask.
    Adapt,
    /// Another layer altogether.
    Resize,
}

#[derive(Module, Debug)]
struct Layers {
    layers: Vec<Linear>,
    /// Is not used, so has no gradient.
    idle: Linear,
    #[module(skip)]
    habit: Arc<Mutex<Habit>>,
}

const WIDTH: usize = 8;

impl Layers {
    fn new(habit: Habit, device: &Device) -> Self {
        let layer = || {
            LinearConfig::new(WIDTH, WIDTH)
                .with_bias(false)
                .init(device)
        };
        let layers = Self {
            layers: (0..3).map(|_| layer()).collect(),
            idle: layer(),
            habit: Arc::new(Mutex::new(habit)),
        };
        seeded(layers, 41)
    }
}

fn clip(weight: Tensor<2>) -> Tensor<2> {
    let require_grad = weight.is_require_grad();
    let weight = weight.detach().set_require_grad(false);
    // What is pruned is not 0 then.
    (weight.clamp(-0.3, 0.3) + 0.01).set_require_grad(require_grad)
}

struct Clip;

impl ModuleMapper for Clip {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|weight| {
            let require_grad = weight.is_require_grad();
            let weight = weight.detach().set_require_grad(false);
            (weight.clamp(-0.3, 0.3) + 0.01).set_require_grad(require_grad)
        })
    }
}

impl TrainStep for Layers {
    type Input = ();
    type Output = ();

    fn step(&self, (): ()) -> TrainOutput<()> {
        let device = self.idle.weight.device();
        let input = Tensor::<2>::ones([2, WIDTH], &device);
        let output = self.layers.iter().fold(input, |x, layer| layer.forward(x));
        TrainOutput::new(self, output.square().sum().backward(), ())
    }

    fn optimize(
        mut self,
        optim: &mut ModuleOptimizer,
        rate: ModuleLearningRate,
        grads: GradientsParams,
    ) -> Self {
        self = optim.step(rate, self, grads);
        let habit = *self.habit.lock().unwrap();
        match habit {
            Habit::Nothing => {}
            Habit::Clip(layer) => {
                let weight = &mut self.layers[layer].weight;
                *weight = weight.clone().map(clip);
            }
            Habit::ClipAll => {
                for layer in &mut self.layers {
                    layer.weight = layer.weight.clone().map(clip);
                }
                self.idle.weight = self.idle.weight.map(clip);
            }
            Habit::ClipByMapper => self = self.map(&mut Clip),
            Habit::Freeze(layer) => {
                let weight = &mut self.layers[layer].weight;
                *weight = weight.clone().set_require_grad(false);
            }
            Habit::Adapt => {
                self.layers[1].weight = self.layers[1].weight.clone().map(|weight| weight);
                let group = ParamGroup::from_path("layers.1.weight");
                self = self.apply_lora(Lora::new(2, 4.0).set_param_group(group));
            }
            Habit::Resize => {
                let device = self.idle.weight.device();
                self.idle = LinearConfig::new(WIDTH, 2).with_bias(false).init(&device);
            }
        }
        self
    }
}

fn pruning(habit: Habit) -> Pruning<Layers> {
    let device = Device::flex().autodiff();
    let run = TrainingLength {
        epochs: 1,
        steps_per_epoch: 12,
    };
    let schedule = ScheduleConfig::cubic(0.75, Span::steps(2, 10, 4))
        .build(run)
        .unwrap();
    Pruning::new(
        Layers::new(habit, &device),
        Pruner::new(Magnitude::l1()),
        schedule,
    )
    .unwrap()
}

fn sgd() -> ModuleOptimizer {
    let momentum = MomentumConfig::new().with_momentum(0.9);
    SgdConfig::new().with_momentum(Some(momentum)).init()
}

/// A step as `Learner` makes it: of a clone, while the model is still held.
fn step(pruning: Pruning<Layers>, optimizer: &mut ModuleOptimizer) -> Pruning<Layers> {
    let grads = TrainStep::step(&pruning, ()).grads;
    let rate = ModuleLearningRate::from(1e-4);
    pruning.clone().optimize(optimizer, rate, grads)
}

/// What is pruned is stored as 0, read as 0 and reported as 0.
fn check(pruning: &Pruning<Layers>) {
    let (model, masks) = (pruning.model(), pruning.masks());
    let report = model.sparsity_report();
    let weights = model
        .layers
        .iter()
        .chain([&model.idle])
        .map(|layer| &layer.weight);
    let mut zeros = 0;
    for (weight, (path, mask)) in weights.zip(masks.iter()) {
        let (read, stored) = (values(weight.val()), values(weight.base()));
        for (index, kept) in mask.iter().enumerate() {
            assert!(kept || read[index] == 0.0 && stored[index] == 0.0, "{path}");
        }
        zeros += read.iter().filter(|weight| **weight == 0.0).count();
    }
    assert_eq!(report.zeros(), zeros);
}

#[test]
fn masks_that_the_model_drops_are_put_back_and_told_of() {
    for (habit, dropped) in [
        (Habit::Nothing, vec![]),
        (Habit::ClipByMapper, vec![]),
        (Habit::Clip(1), vec!["layers.1.weight"]),
        (Habit::Freeze(2), vec!["layers.2.weight"]),
        (
            Habit::ClipAll,
            vec![
                "layers.0.weight",
                "layers.1.weight",
                "layers.2.weight",
                "idle.weight",
            ],
        ),
    ] {
        let (mut pruning, mut optimizer) = (pruning(habit), sgd());
        let run = TrainingLength {
            epochs: 1,
            steps_per_epoch: 12,
        };
        let schedule = ScheduleConfig::cubic(0.75, Span::steps(2, 10, 4))
            .build(run)
            .unwrap();
        for finished in 1..=12 {
            let before = pruning.masks();
            pruning = step(pruning, &mut optimizer);
            check(&pruning);
            assert_eq!(trusts(&pruning), ["Zeroed"; 4], "{habit:?}");
            if !schedule.updates_after(finished) {
                assert_eq!(pruning.masks(), before, "{habit:?}");
            }
            let expected = dropped
                .iter()
                .map(|path| path.to_string())
                .collect::<Vec<_>>();
            let found = pruning.problems().last().cloned();
            let problem = Problem::MasksDropped {
                step: finished,
                paths: expected,
            };
            assert_eq!(found, (!dropped.is_empty()).then_some(problem), "{habit:?}");
        }
        assert_eq!(pruning.masks().sparsity(), 0.75, "{habit:?}");
        assert_eq!(pruning.sparsity(), 0.75);
        assert_eq!(
            pruning.problems().len(),
            if dropped.is_empty() { 0 } else { 12 }
        );
        let net = pruning.into_inner();
        assert_eq!(net.sparsity_report().zeros(), 4 * 48);
    }
}

#[test]
fn what_no_gradient_reaches_is_zeroed_when_the_model_has_moved_it() {
    let (mut pruning, mut optimizer) = (pruning(Habit::ClipByMapper), sgd());
    for _ in 0..12 {
        pruning = step(pruning, &mut optimizer);
        check(&pruning);
    }
    let idle = values(pruning.model().idle.weight.base());
    assert_eq!(idle.iter().filter(|weight| **weight == 0.0).count(), 48);
}

#[test]
fn masks_that_cannot_be_put_back_are_told_of_once() {
    let (mut adapted, mut optimizer) = (pruning(Habit::Adapt), sgd());
    adapted = step(adapted, &mut optimizer);
    let [
        Problem::MasksLost {
            step: 1,
            paths,
            error,
        },
    ] = adapted.problems()
    else {
        panic!("{:?}", adapted.problems());
    };
    assert_eq!(paths, &["layers.1.weight"]);
    assert!(matches!(error, PruneError::Reparameterized { .. }));
    assert!(
        adapted.problems()[0]
            .to_string()
            .starts_with("in step 1 the masks of layers.1.weight")
    );

    let (mut resized, mut optimizer) = (pruning(Habit::Resize), sgd());
    resized = step(resized, &mut optimizer);
    assert_eq!(resized.masks().len(), 3);
    // The next update prunes what is selected then.
    resized = step(resized, &mut optimizer);
    let [
        Problem::MasksLost {
            step: 1,
            paths,
            error,
        },
    ] = resized.problems()
    else {
        panic!("{:?}", resized.problems());
    };
    assert_eq!(paths, &["idle.weight"]);
    assert!(matches!(error, PruneError::MaskShape { .. }));
    assert_eq!(resized.masks().len(), 4);
}

#[test]
fn a_dirty_checkpoint_is_zeroed_in_the_first_step_and_trains_as_a_clean_one() {
    struct Add;
    impl ModuleMapper for Add {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|weight| {
                let require_grad = weight.is_require_grad();
                let weight = weight.detach().set_require_grad(false);
                (weight + 0.5).set_require_grad(require_grad)
            })
        }
    }
    let (mut trained, mut optimizer) = (pruning(Habit::Nothing), sgd());
    for _ in 0..4 {
        trained = step(trained, &mut optimizer);
    }
    let dirty = trained.map(&mut Add);
    let record = dirty.clone().into_record();
    let zeroed = dirty.zero_pruned().into_record();
    let mut resumed = pruning(Habit::Nothing).load_record(record);
    let mut clean = pruning(Habit::Nothing).load_record(zeroed);
    assert!(trusts(&resumed).iter().all(|trust| trust != "Zeroed"));
    let (mut first, mut second) = (optimizer.clone(), optimizer);
    for _ in 0..4 {
        resumed = step(resumed, &mut first);
        clean = step(clean, &mut second);
        check(&resumed);
        assert_eq!(trusts(&resumed), ["Zeroed"; 4]);
        let weights = |pruning: &Pruning<Layers>| {
            let layers = pruning.model().layers.iter();
            let weights = layers.flat_map(|layer| values(layer.weight.val()));
            weights.map(f32::to_bits).collect::<Vec<u32>>()
        };
        assert!(weights(&resumed) == weights(&clean));
        assert_eq!(resumed.masks(), clean.masks());
    }
    assert_eq!(resumed.steps(), 8);
    assert!(resumed.problems().is_empty());
}

#[test]
fn learner_walks_over_the_model_in_no_other_way_than_by_the_optimizer() {
    // Else every step would mask on read, and zero everything once more.
    let device = Device::flex().autodiff();
    let folder = tempfile::tempdir().unwrap();
    let training = Data::small().training(folder.path());
    let learner = Learner::new(wrap(cnn(&device)), adam(), 1e-3);
    let trained = training.launch(learner).model;
    assert!(trusts(&trained).iter().all(|trust| trust == "Zeroed"));
    assert!(!trusts(&trained).is_empty());
    assert!(trained.problems().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever the model does in whichever step.
    #[test]
    fn the_model_may_write_to_any_field_in_any_step(
        habits in prop::collection::vec(
            prop_oneof![
                Just(Habit::Nothing),
                (0usize..3).prop_map(Habit::Clip),
                Just(Habit::ClipAll),
                Just(Habit::ClipByMapper),
                (0usize..2).prop_map(Habit::Freeze),
            ],
            12,
        ),
    ) {
        let (mut pruning, mut optimizer) = (pruning(Habit::Nothing), sgd());
        let mut problems = 0;
        for habit in habits {
            *pruning.model().habit.lock().unwrap() = habit;
            pruning = step(pruning, &mut optimizer);
            check(&pruning);
            problems += usize::from(!matches!(habit, Habit::Nothing | Habit::ClipByMapper));
            prop_assert_eq!(pruning.problems().len(), problems);
            prop_assert_eq!(trusts(&pruning), ["Zeroed"; 4]);
        }
        prop_assert_eq!(pruning.masks().sparsity(), 0.75);
    }
}
