//! Schedules of every kind with patterns, floors and allocations of every kind, down to one weight.

use burn::module::ParamGroup;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Tensor};
use burn_prune::{
    Allocation, Amount, Axis, Blocks, Lamp, Magnitude, MaskSet, Normalize, Pattern, Prunable,
    Pruner, Pruning, Random, ScheduleConfig, Span, Target, TrainingLength,
};

use crate::chance::{Chance, for_seeds};
use crate::final_amounts::{Layers, group, step};
use crate::schedules::beginning;

const RUN: TrainingLength = TrainingLength {
    epochs: 2,
    steps_per_epoch: 10,
};
const LAYERS: [&str; 3] = ["a", "b", "c"];

/// Over before step 20, and its last sparsity.
fn random_schedule(chance: &mut Chance) -> (ScheduleConfig, f64) {
    let (begin, more, every) = (chance.below(4), chance.below(12), chance.between(1, 5));
    let span = if chance.once_in(4) {
        Span::epochs(begin.min(1), begin.min(1) + 1, 1)
    } else {
        Span::steps(begin, begin + more, every)
    };
    let target = 0.05 + 0.9 * chance.fraction();
    let initial = if chance.once_in(2) {
        0.0
    } else {
        target * chance.fraction()
    };
    let config = match chance.below(5) {
        0 => ScheduleConfig::OneShot {
            sparsity: target,
            at: beginning(span),
        },
        1 => ScheduleConfig::Polynomial {
            initial,
            target,
            power: 0.3 + 4.0 * chance.fraction(),
            span,
        },
        2 => ScheduleConfig::Linear {
            initial,
            target,
            span,
        },
        3 => ScheduleConfig::Exponential {
            initial,
            target,
            span,
        },
        _ => ScheduleConfig::GeometricRounds { target, span },
    };
    (config, target)
}

#[test]
fn what_is_accepted_at_the_start_can_be_done_at_every_update() {
    let (mut accepted, mut refused) = (0, 0);
    for_seeds(300, |seed, chance| {
        let (config, _) = random_schedule(chance);
        let pruner = match chance.below(4) {
            0 => Pruner::new(Magnitude::l1()),
            1 => Pruner::new(Lamp),
            2 => Pruner::new(Random::new(seed)),
            _ => Pruner::new(Magnitude::l2()).normalize(Normalize::Norm),
        };
        let pruner = pruner.pattern(
            chance
                .pick(&[
                    Pattern::Unstructured,
                    Pattern::Channels(Axis::Output),
                    Pattern::Channels(Axis::Input),
                    Blocks::new([2, 3]).into(),
                ])
                .clone(),
        );
        let pruner = pruner.allocation(match chance.below(4) {
            0 => Allocation::Uniform,
            1 => Allocation::Global,
            2 => Allocation::Erk,
            _ => Allocation::per_layer([
                (group("a"), Target::Sparsity(chance.fraction())),
                (group("c"), Target::from(chance.below(5))),
            ]),
        });
        let pruner = match chance.below(3) {
            0 => pruner.min_density(0.3 * chance.fraction()),
            1 => pruner.min_count(chance.below(4)),
            _ => pruner,
        };
        let layers = match chance.below(3) {
            0 => Layers::new()
                .l1_unstructured(0.5 * chance.fraction())
                .unwrap(),
            _ => Layers::new(),
        };
        let schedule = config.build(RUN).unwrap();
        let Ok(mut pruning) = Pruning::new(layers, pruner.clone(), schedule) else {
            refused += 1;
            return;
        };
        accepted += 1;
        for _ in 0..20 {
            pruning = step(pruning, 4e-3);
        }
        assert_eq!(pruning.problems(), [], "{config:?} {pruner:?}");
    });
    assert!(accepted > 200 && refused > 20, "{accepted}, {refused}");
}

/// A pattern, how many units each layer has, and the unit of a weight at a row and a column, of so
/// many rows and columns.
type Units = (Pattern, [usize; 3], fn([usize; 2], [usize; 2]) -> usize);

fn patterns() -> [Units; 4] {
    [
        (
            Pattern::Unstructured,
            [100, 70, 21],
            |[x, y], [_, columns]| x * columns + y,
        ),
        (Pattern::Channels(Axis::Output), [10, 7, 3], |[_, y], _| y),
        (Pattern::Channels(Axis::Input), [10, 10, 7], |[x, _], _| x),
        // Tiles of the weight as [out, in].
        (
            Blocks::new([2, 3]).into(),
            [5 * 4, 4 * 4, 2 * 3],
            |[x, y], [rows, _]| (y / 2) * rows.div_ceil(3) + x / 3,
        ),
    ]
}

/// How many units have lost all of their weights.
fn gone(masks: &MaskSet, (_, units, unit_of): &Units) -> [usize; 3] {
    let mut found = [0; 3];
    for ((layer, units), found) in LAYERS.iter().zip(units).zip(&mut found) {
        let mask = masks.get(&format!("{layer}.weight")).unwrap();
        let size = [mask.shape()[0], mask.shape()[1]];
        let mut is_left = vec![false; *units];
        for (index, _) in mask.iter().enumerate().filter(|(_, kept)| *kept) {
            is_left[unit_of([index / size[1], index % size[1]], size)] = true;
        }
        *found = is_left.iter().filter(|left| !**left).count();
    }
    found
}

#[test]
fn units_of_every_pattern_reach_their_final_amounts_as_by_hand() {
    for_seeds(100, |_, chance| {
        let (config, last) = random_schedule(chance);
        let units = patterns()[chance.below(4)].clone();
        let targets = units.1.map(|units| match chance.below(4) {
            0 => None,
            1 => Some(Target::Sparsity(chance.fraction())),
            2 => Some(Target::Amount(Amount::Fraction(chance.fraction()))),
            _ => Some(Target::Amount(Amount::Count(chance.between(0, units)))),
        });
        let groups = LAYERS.map(group).into_iter().zip(targets);
        let groups = groups.filter_map(|(group, target)| Some((group, target?)));
        let pruner = Pruner::new(Magnitude::l1()).pattern(units.0.clone());
        let pruner = pruner.allocation(Allocation::per_layer(groups));
        let schedule = config.build(RUN).unwrap();
        let built = config.build(RUN).unwrap();
        let mut pruning = Pruning::new(Layers::new(), pruner, built).unwrap();
        let mut expected = [0; 3];
        for at in 0..=20 {
            if at > 0 {
                pruning = step(pruning, 1e-3);
            }
            if schedule.updates_after(at) {
                let sparsity = schedule.sparsity_after(at);
                let layers = expected.iter_mut().zip(units.1).zip(targets);
                for ((expected, units), target) in layers {
                    let now = match target {
                        None => sparsity * units as f64,
                        Some(Target::Amount(Amount::Count(count))) => {
                            sparsity / last * count as f64
                        }
                        Some(Target::Sparsity(of) | Target::Amount(Amount::Fraction(of))) => {
                            sparsity / last * (of * units as f64)
                        }
                        Some(other) => panic!("{other:?}"),
                    };
                    *expected = now.round_ties_even() as usize;
                }
            }
            let found = gone(&pruning.masks(), &units);
            assert_eq!(found, expected, "{config:?} {targets:?} {at} {:?}", units.0);
        }
    });
}

#[test]
fn a_layer_of_a_weight_or_two_ends_where_it_should() {
    let device = Device::flex().autodiff();
    for [inputs, outputs] in [[1, 1], [1, 2], [3, 1]] {
        for_seeds(30, |_, chance| {
            let size = inputs * outputs;
            let (config, target) = random_schedule(chance);
            let own = |target: Target| {
                let group = ParamGroup::from_path("weight");
                Pruner::new(Magnitude::l1()).allocation(Allocation::per_layer([(group, target)]))
            };
            let l1 = Pruner::new(Magnitude::l1());
            let (pruner, sparsity) = match chance.below(5) {
                0 => (l1.allocation(Allocation::Global), target),
                1 => (l1.allocation(Allocation::Erk), target),
                2 => (own(Target::from(size)), 1.0),
                3 => (own(Target::from(0.5)), 0.5),
                _ => (Pruner::new(Lamp), target),
            };
            let layer: Linear = LinearConfig::new(inputs, outputs).init(&device);
            let mut pruning = Pruning::new(layer, pruner, config.build(RUN).unwrap()).unwrap();
            for _ in 0..20 {
                let output = pruning
                    .model()
                    .forward(Tensor::<2>::ones([2, inputs], &device));
                let grads = output.sum().backward();
                let grads = GradientsParams::from_grads(grads, pruning.model());
                pruning = pruning.step(&mut SgdConfig::new().init(), 0.01, grads);
            }
            assert_eq!(pruning.problems(), []);
            let expected = (sparsity * size as f64).round_ties_even() as usize;
            let masks = pruning.masks();
            assert_eq!(
                masks.get("weight").unwrap().pruned(),
                expected,
                "{config:?}"
            );
        });
    }
}

#[test]
fn spans_without_length_and_without_end_are_tried_in_no_time() {
    for span in [
        Span::steps(0, 0, 1),
        Span::steps(5, 5, 7),
        Span::steps(0, 0, usize::MAX),
        Span::steps(usize::MAX, usize::MAX, 1),
        Span::steps(3, usize::MAX, usize::MAX),
        Span::epochs(1, 1, 1),
    ] {
        for config in [
            ScheduleConfig::geometric_rounds(0.5, span),
            ScheduleConfig::cubic(0.5, span),
            ScheduleConfig::exponential(0.5, span),
        ] {
            let schedule = config.build(RUN).unwrap();
            let last = schedule.last_update().unwrap();
            assert_eq!(schedule.sparsity_after(last), 0.5);
            let pruner = Pruner::new(Magnitude::l1());
            let pruning = Pruning::new(Layers::new(), pruner, schedule).unwrap();
            let at_once = if last == 0 { 0.5 } else { 0.0 };
            assert!((pruning.sparsity() - at_once).abs() < 0.02, "{config:?}");
        }
    }
}
