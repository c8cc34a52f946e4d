//! Load, wrap, step, clone in any order: every way through a training is the same training.

use std::path::Path;

use burn::module::{Module, ParamGroup};
use burn::tensor::Device;
use burn_prune::{
    Allocation, Axis, Lamp, Magnitude, MaskSet, Pattern, Prunable, Pruner, Pruning, Random,
    Schedule, ScheduleConfig, Span, TrainingLength, WeightAxes,
};
use chacha20::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use crate::final_amounts::{Layers, group, step};
use crate::learner::weights;

const RUN: TrainingLength = TrainingLength {
    epochs: 1,
    steps_per_epoch: 12,
};

fn l1() -> Pruner {
    Pruner::new(Magnitude::l1())
}

fn schedule() -> Box<dyn Schedule> {
    ScheduleConfig::cubic(0.8, Span::steps(1, 10, 3))
        .build(RUN)
        .unwrap()
}

fn pruners() -> Vec<Pruner> {
    vec![
        Pruner::new(Magnitude::l1()).allocation(Allocation::Global),
        Pruner::new(Lamp).allocation(Allocation::Erk),
        Pruner::new(Random::new(4)).exclude(group("c")),
        Pruner::new(Magnitude::l1()).allocation(Allocation::per_layer([(group("a"), 0.3)])),
    ]
}

/// What a training is at a step.
#[derive(PartialEq)]
struct At {
    steps: usize,
    weights: Vec<u32>,
    masks: MaskSet,
    sparsity: u64,
}

fn at(pruning: &Pruning<Layers>) -> At {
    let masks = pruning.masks();
    assert_eq!(pruning.sparsity(), masks.sparsity());
    At {
        steps: pruning.steps(),
        weights: weights(pruning.model()),
        masks,
        sparsity: pruning.sparsity().to_bits(),
    }
}

#[test]
fn every_way_through_a_training_is_the_same_training() {
    let folder = tempfile::tempdir().unwrap();
    let file = |step: usize| folder.path().join(format!("model-{step}.bpk"));
    let mut random = ChaCha8Rng::seed_from_u64(9);
    for pruner in pruners() {
        let wrap = |layers: Layers| Pruning::new(layers, pruner.clone(), schedule()).unwrap();
        // Straight on, with a checkpoint of each step.
        let mut straight = wrap(Layers::new());
        let mut expected = vec![at(&straight)];
        straight.clone().save_file(file(0)).unwrap();
        for steps in 1..=12 {
            straight = step(straight, 0.05);
            expected.push(at(&straight));
            straight.clone().save_file(file(steps)).unwrap();
        }
        for way in 0..30 {
            let mut pruning = wrap(Layers::new());
            let mut told = Vec::new();
            for _ in 0..25 {
                let (next, what) = somehow(pruning, &mut random, &wrap, &file);
                pruning = next;
                told.push(what);
                let now = at(&pruning);
                let same = now == expected[now.steps];
                assert!(same, "way {way}, step {}: {told:?}", now.steps);
            }
        }
    }
}

/// One thing that may be done with a training, and what it was.
fn somehow(
    pruning: Pruning<Layers>,
    random: &mut ChaCha8Rng,
    wrap: &impl Fn(Layers) -> Pruning<Layers>,
    file: &impl Fn(usize) -> std::path::PathBuf,
) -> (Pruning<Layers>, &'static str) {
    let mut below = |most: usize| random.next_u64() as usize % most;
    let other = file(below(13));
    let other: &Path = &other;
    match below(12) {
        0..4 if pruning.steps() < 12 => (step(pruning, 0.05), "step"),
        4 => {
            // A clone that goes on by itself leaves it alone.
            let clone = pruning.clone();
            if clone.steps() < 12 {
                drop(step(clone, 0.3));
            }
            (pruning, "step a clone")
        }
        5 => (pruning.clone(), "clone"),
        6 => (pruning.resume_from(other).unwrap(), "resume from"),
        7 => (pruning.load_file(other), "load a file"),
        8 => (
            wrap(Layers::new()).load_record(pruning.into_record()),
            "into a new one",
        ),
        9 => {
            let device = pruning.devices().remove(0);
            (pruning.fork(&device), "fork")
        }
        10 => (pruning.valid().train(), "valid and train"),
        _ => {
            // Twice, and the bare model of it.
            let bare = Layers::new().load_checkpoint(other).unwrap();
            let loaded = pruning.load_file(other).load_file(other);
            assert_eq!(bare.masks(), loaded.masks());
            assert!(weights(&bare) == weights(loaded.model()));
            (loaded, "load twice")
        }
    }
}

#[test]
fn a_checkpoint_that_does_not_fit_leaves_the_training_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model-1.bpk");
    for (there, first) in pruners().into_iter().enumerate() {
        Pruning::new(Layers::new(), first, schedule())
            .unwrap()
            .save_file(&file)
            .unwrap();
        for (here, second) in pruners().into_iter().enumerate() {
            let pruning = Pruning::new(Layers::new(), second, schedule()).unwrap();
            let pruning = step(step(pruning, 0.05), 0.05);
            let before = at(&pruning);
            match pruning.resume_from(&file) {
                Ok(resumed) => assert!(here == there && resumed.steps() == 0),
                Err(rejected) => {
                    assert_ne!(here, there);
                    assert!(at(&rejected.into_model()) == before);
                }
            }
        }
    }
}

#[test]
fn masks_that_come_from_elsewhere_are_counted() {
    let pruner = Pruner::new(Magnitude::l1()).allocation(Allocation::Global);
    let pruning = Pruning::new(Layers::new(), pruner, schedule()).unwrap();
    assert_eq!(pruning.sparsity(), 0.0);
    let pruning = pruning.l1_unstructured(0.5).unwrap();
    assert_eq!(pruning.sparsity(), pruning.masks().sparsity());
    assert!(pruning.sparsity() > 0.4);
    // Taken off, there is nothing left.
    let bare = pruning.make_permanent().unwrap();
    assert_eq!(bare.sparsity(), 0.0);
    assert_eq!(bare.devices(), [Device::flex().autodiff()]);
}

#[test]
fn groups_of_ids_mean_the_same_after_a_checkpoint_was_loaded() {
    // A record brings ids of its own.
    type Make = fn(&Layers) -> Pruner;
    let makes: [(&str, Make); 5] = [
        ("only", |layers| {
            l1().only(ParamGroup::from_ids(vec![
                layers.a.weight.id,
                layers.b.weight.id,
            ]))
        }),
        ("include", |layers| {
            l1().only(group("a"))
                .include(ParamGroup::from_ids(vec![layers.b.weight.id]))
        }),
        ("exclude", |layers| {
            l1().exclude(ParamGroup::from_ids(vec![layers.c.weight.id]))
        }),
        ("weight axes", |layers| {
            let turned = WeightAxes {
                output: 0,
                input: 1,
            };
            l1().pattern(Pattern::Channels(Axis::Output))
                .weight_axes(ParamGroup::from_ids(vec![layers.a.weight.id]), turned)
        }),
        ("per layer", |layers| {
            let ids = |id| ParamGroup::from_ids(vec![id]);
            l1().allocation(Allocation::per_layer([
                (ids(layers.a.weight.id), 0.3),
                (ids(layers.c.weight.id), 0.7),
            ]))
        }),
    ];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model-1.bpk");
    for (what, make) in makes {
        let wrap = || {
            let layers = Layers::new();
            let pruner = make(&layers);
            Pruning::new(layers, pruner, schedule()).unwrap()
        };
        let go = |pruning, steps: usize| (0..steps).fold(pruning, |pruning, _| step(pruning, 0.05));
        let half = go(wrap(), 4);
        half.clone().save_file(&file).unwrap();
        let straight = go(half, 8);
        assert!(straight.sparsity() > 0.1, "{what}");
        let record = wrap().load_file(&file).into_record();
        for resumed in [
            wrap().resume_from(&file).unwrap(),
            wrap().load_file(&file),
            wrap().load_record(record),
        ] {
            let resumed = go(resumed, 8);
            assert_eq!(resumed.problems(), [], "{what}");
            assert!(at(&resumed) == at(&straight), "{what}");
        }
    }
}
