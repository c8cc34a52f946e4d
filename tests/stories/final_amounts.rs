//! Schedules end where they say: amounts by layer are final amounts, and what no update could do is
//! refused before the training.

use burn::module::{Module, ParamGroup};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Tensor};
use burn_prune::{
    Allocation, Amount, Axis, Magnitude, Pattern, Problem, Prunable, PruneError, Pruner, Pruning,
    Schedule, ScheduleConfig, Span, Target, TrainingLength,
};
use chacha20::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use crate::learner::weights;
use crate::nets::seeded;

const RUN: TrainingLength = TrainingLength {
    epochs: 1,
    steps_per_epoch: 40,
};

#[derive(Module, Debug)]
pub(crate) struct Layers {
    pub a: Linear,
    pub b: Linear,
    pub c: Linear,
}

impl Layers {
    pub(crate) fn new() -> Self {
        let device = Device::flex().autodiff();
        // Biases are drawn from the generator that all tests share.
        let linear = |inputs, outputs| {
            LinearConfig::new(inputs, outputs)
                .with_bias(false)
                .init(&device)
        };
        let layers = Self {
            a: linear(10, 10),
            b: linear(10, 7),
            c: linear(7, 3),
        };
        seeded(layers, 3)
    }

    pub(crate) fn gradients(&self) -> GradientsParams {
        let x = Tensor::<2>::ones([2, 10], &Device::flex().autodiff());
        let output = self.c.forward(self.b.forward(self.a.forward(x)));
        GradientsParams::from_grads(output.sum().backward(), self)
    }
}

pub(crate) fn group(layer: &str) -> ParamGroup {
    ParamGroup::from_path(format!("{layer}.weight"))
}

fn l1() -> Pruner {
    Pruner::new(Magnitude::l1())
}

pub(crate) fn step(pruning: Pruning<Layers>, rate: f64) -> Pruning<Layers> {
    let grads = pruning.model().gradients();
    pruning.step(&mut SgdConfig::new().init(), rate, grads)
}

/// What is pruned of each layer after these steps; 0 is before the first.
fn pruned(pruning: &mut Option<Pruning<Layers>>, steps: usize) -> [usize; 3] {
    let mut inner = pruning.take().unwrap();
    while inner.steps() < steps {
        inner = step(inner, 1e-3);
    }
    let masks = inner.masks();
    *pruning = Some(inner);
    ["a.weight", "b.weight", "c.weight"].map(|path| masks.get(path).map_or(0, |mask| mask.pruned()))
}

fn wrap(pruner: Pruner, schedule: &ScheduleConfig) -> Result<Pruning<Layers>, PruneError> {
    Ok(Pruning::new(Layers::new(), pruner, schedule.build(RUN)?)?)
}

#[test]
fn each_layer_goes_to_its_own_end_in_proportion_to_the_schedule() {
    let targets = [
        (group("a"), Target::from(0.9)),
        (group("b"), Target::from(7)),
    ];
    let pruner = l1().allocation(Allocation::per_layer(targets));
    let linear = ScheduleConfig::linear(0.5, Span::steps(0, 20, 10));
    let mut pruning = Some(wrap(pruner, &linear).unwrap());
    assert_eq!(pruned(&mut pruning, 0), [0, 0, 0]);
    // Half of 90, half of 7, rounded to even, and the sparsity of the schedule: 0.25 of 21.
    assert_eq!(pruned(&mut pruning, 10), [45, 4, 5]);
    assert_eq!(pruned(&mut pruning, 20), [90, 7, 10]);
    assert_eq!(pruned(&mut pruning, 30), [90, 7, 10]);
}

#[test]
fn a_small_amount_stays_small_over_many_updates() {
    let pruner = l1().allocation(Allocation::per_layer([(group("a"), 0.1)]));
    let linear = ScheduleConfig::linear(0.5, Span::steps(0, 20, 1));
    let mut pruning = Some(wrap(pruner, &linear).unwrap());
    assert_eq!(pruned(&mut pruning, 20)[0], 10);
}

#[test]
fn channels_are_counted_in_channels() {
    let pruner = l1()
        .pattern(Pattern::Channels(Axis::Output))
        .allocation(Allocation::per_layer([(group("a"), 6), (group("b"), 5)]));
    let linear = ScheduleConfig::linear(0.4, Span::steps(0, 20, 10));
    let mut pruning = Some(wrap(pruner, &linear).unwrap());
    // 3 of 10, 2.5 rounded to even of 7, and 0.2 of 3 outputs.
    assert_eq!(pruned(&mut pruning, 10), [30, 20, 7]);
    assert_eq!(pruned(&mut pruning, 20), [60, 50, 7]);
}

#[test]
fn an_amount_counts_what_was_there_before_the_training() {
    let layers = Layers::new().l1_unstructured(0.5).unwrap();
    let targets = [
        (group("a"), Target::from(0.8)),
        (group("b"), Target::Amount(Amount::Count(15))),
        (group("c"), Target::Sparsity(0.6)),
    ];
    let pruner = l1().allocation(Allocation::per_layer(targets));
    let schedule = ScheduleConfig::linear(0.5, Span::steps(0, 20, 10))
        .build(RUN)
        .unwrap();
    let mut pruning = Some(Pruning::new(layers, pruner, schedule).unwrap());
    assert_eq!(pruned(&mut pruning, 0), [50, 35, 10]);
    // 0.8 of the 50 that are left, 15 of the 35, and 0.6 of all 21, of which 10 are gone.
    assert_eq!(pruned(&mut pruning, 10), [70, 43, 10]);
    assert_eq!(pruned(&mut pruning, 20), [90, 50, 13]);
}

#[test]
fn random_schedules_and_amounts_are_reached_as_by_hand() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    for case in 0..60 {
        let mut unit = || random.next_u64() as f64 / u64::MAX as f64;
        let sizes = [100, 70, 21];
        let last = 0.05 + 0.9 * unit();
        let span = Span::steps((4.0 * unit()) as usize, 20, 1 + (6.0 * unit()) as usize);
        let config = match (4.0 * unit()) as usize {
            0 => ScheduleConfig::cubic(last, span),
            1 => ScheduleConfig::linear(last, span),
            2 => ScheduleConfig::exponential(last, span),
            _ => ScheduleConfig::geometric_rounds(last, span),
        };
        let targets = sizes.map(|size| match (4.0 * unit()) as usize {
            0 => None,
            1 => Some(Target::Sparsity(unit())),
            2 => Some(Target::Amount(Amount::Fraction(unit()))),
            _ => Some(Target::Amount(Amount::Count(
                (size as f64 * unit()) as usize,
            ))),
        });
        if targets.iter().all(Option::is_none) {
            continue;
        }
        let groups = ["a", "b", "c"].map(group).into_iter().zip(targets);
        let groups = groups.filter_map(|(group, target)| Some((group, target?)));
        let pruner = l1().allocation(Allocation::per_layer(groups));
        let schedule = config.build(RUN).unwrap();
        let mut pruning = Some(wrap(pruner.clone(), &config).unwrap());
        let mut before = [0; 3];
        for step in 0..=22 {
            if schedule.updates_after(step) {
                let sparsity = schedule.sparsity_after(step);
                let share = sparsity / last;
                for ((before, size), target) in before.iter_mut().zip(sizes).zip(targets) {
                    let size = size as f64;
                    let now = match target {
                        None => sparsity * size,
                        Some(Target::Amount(Amount::Count(count))) => share * count as f64,
                        Some(
                            Target::Sparsity(fraction) | Target::Amount(Amount::Fraction(fraction)),
                        ) => share * (fraction * size),
                        Some(other) => panic!("{other:?}"),
                    };
                    *before = now.round_ties_even() as usize;
                }
            }
            assert_eq!(
                pruned(&mut pruning, step),
                before,
                "{case} {config:?} {targets:?} {step}"
            );
            // Resumed anywhere it is the same training.
            if step == 11 {
                let record = pruning.take().unwrap().into_record();
                pruning = Some(wrap(pruner.clone(), &config).unwrap().load_record(record));
            }
        }
    }
}

#[test]
fn what_no_update_could_do_is_refused_before_the_training() {
    let linear = |target| ScheduleConfig::linear(target, Span::steps(0, 20, 10));
    let own = |target: Target| l1().allocation(Allocation::per_layer([(group("c"), target)]));
    let error = wrap(own(Target::from(22)), &linear(0.5)).unwrap_err();
    let expected = PruneError::CountTooLarge {
        parameter: "c.weight".to_string(),
        requested: 22,
        available: 21,
    };
    assert_eq!(error, expected);
    let floored = own(Target::from(0.9)).min_density(0.2);
    let error = wrap(floored, &linear(0.5)).unwrap_err();
    assert!(
        matches!(error, PruneError::FloorContradictsAmount { .. }),
        "{error}"
    );
    let error = wrap(own(Target::Sparsity(f64::NAN)), &linear(0.5)).unwrap_err();
    assert!(
        matches!(error, PruneError::InvalidSparsity { .. }),
        "{error}"
    );
    let error = wrap(own(Target::from(0.9)), &linear(0.0)).unwrap_err();
    assert!(
        matches!(
            error,
            PruneError::InvalidSchedule {
                field: "target",
                ..
            }
        ),
        "{error}"
    );
}

/// Sparsities of a schedule of one's own.
#[derive(Debug)]
struct Own {
    sparsities: Vec<f64>,
    ends: bool,
}

impl Schedule for Own {
    fn updates_after(&self, step: usize) -> bool {
        step < self.sparsities.len()
    }

    fn sparsity_after(&self, step: usize) -> f64 {
        self.sparsities[step.min(self.sparsities.len() - 1)]
    }

    fn last_update(&self) -> Option<usize> {
        self.ends.then_some(self.sparsities.len() - 1)
    }
}

#[test]
fn every_update_of_a_schedule_of_ones_own_is_looked_at_before_the_training() {
    let refused = |pruner: Pruner, sparsities: &[f64], ends| {
        let schedule = Own {
            sparsities: sparsities.to_vec(),
            ends,
        };
        let result = Pruning::new(Layers::new(), pruner, Box::new(schedule));
        result
            .map(drop)
            .map_err(|rejected| rejected.error().clone())
    };
    // Neither the first nor the last.
    for wrong in [f64::NAN, -0.1, 1.1, f64::INFINITY] {
        for ends in [true, false] {
            let error = refused(l1(), &[0.1, 0.2, wrong, 0.3], ends).unwrap_err();
            let PruneError::InvalidSchedule { field, found, .. } = &error else {
                panic!("{error}");
            };
            assert_eq!(*field, "sparsity_after");
            assert!(found.ends_with("after step 2"), "{found}");
        }
    }
    let floored = l1().min_density(0.5);
    for ends in [true, false] {
        let error = refused(floored.clone(), &[0.1, 0.9, 0.2], ends).unwrap_err();
        assert!(
            matches!(error, PruneError::FloorContradictsAmount { .. }),
            "{error}"
        );
        refused(floored.clone(), &[0.1, 0.5, 0.2], ends).unwrap();
    }
    // In proportion to what?
    let own = l1().allocation(Allocation::per_layer([(group("a"), 0.5)]));
    let error = refused(own.clone(), &[0.1, 0.2], false).unwrap_err();
    assert!(
        matches!(
            error,
            PruneError::InvalidSchedule {
                field: "last_update",
                ..
            }
        ),
        "{error}"
    );
    refused(own, &[0.1, 0.2], true).unwrap();
}

#[test]
fn schedules_of_any_length_are_accepted() {
    for end in [1_000_000, 4_000_000_000, usize::MAX] {
        let config = ScheduleConfig::cubic(0.5, Span::steps(0, end, 1));
        let schedule = config.build(RUN).unwrap();
        assert!(Pruning::new(Layers::new(), l1(), schedule).is_ok());
    }
    let endless = Own {
        sparsities: vec![0.5; 5_000_000],
        ends: true,
    };
    assert!(Pruning::new(Layers::new(), l1(), Box::new(endless)).is_ok());
}

#[test]
fn an_update_that_fails_changes_nothing_and_is_told_afterwards() {
    let linear = ScheduleConfig::linear(0.6, Span::steps(0, 20, 10));
    let mut pruning = wrap(l1(), &linear).unwrap();
    for _ in 0..9 {
        pruning = step(pruning, 1e-3);
    }
    assert!(pruning.problems().is_empty());
    let masks = pruning.masks();
    // Weights that become NaN at the step of an update.
    let grads = pruning.model().gradients();
    let by_hand = pruning.model().clone();
    let by_hand = SgdConfig::new()
        .init()
        .step(f64::NAN, by_hand, grads)
        .zero_pruned();
    let before = pruning.sparsity();
    let clone = pruning.clone();
    let pruning = step(pruning, f64::NAN);
    assert_eq!(pruning.steps(), 10);
    let [Problem::UpdateFailed { step: 10, error }] = pruning.problems() else {
        panic!("{:?}", pruning.problems());
    };
    assert!(
        matches!(error, PruneError::NonFiniteScore { .. }),
        "{error}"
    );
    let text = pruning.problems()[0].to_string();
    assert!(
        text.starts_with("after step 10 the masks were not updated: the score of"),
        "{text}"
    );
    assert_eq!(pruning.masks(), masks);
    assert_eq!(pruning.sparsity(), before);
    assert!(weights(pruning.model()) == weights(&by_hand));
    // It is of this instance, and goes on.
    assert!(clone.problems().is_empty());
    let pruning = (0..10).fold(pruning, |pruning, _| step(pruning, 1e-3));
    assert_eq!(pruning.problems().len(), 2);
}
