//! Recipes and pruners as data: read back bit for bit, and the same exactly when made the same.

use burn::config::Config;
use burn::module::{Module, ParamGroup};
use burn::tensor::{DType, Device, Tensor};
use burn_prune::{
    Allocation, Amount, Axis, Blocks, Criterion, Identity, Lamp, Magnitude, NM, Normalize, Pattern,
    Pooling, PruneError, Pruner, Pruning, Random, Recipe, ScheduleConfig, Scores, Span, Target,
    Units, Weight, WeightAxes, differences,
};
use chacha20::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use crate::final_amounts::{Layers, group};
use crate::learner::adam;
use crate::nets::{Net, batches};
use crate::recipes::{MovedFarthest, net};
use crate::schedules::{RUN, beginning};

#[test]
fn every_recipe_is_read_back_bit_for_bit() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let model = net();
    let (mut taken, mut chosen) = (0, 0);
    for index in 0..2000 {
        let recipe = random_recipe(&mut random);
        let json = serde_json::to_string(&recipe).unwrap();
        let mut read = Recipe::load_binary(json.as_bytes()).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
        if json.contains("\"Own\"") {
            read.pruner = read.pruner.give_criterion(Around(0.1)).unwrap();
        }
        // `==` would take -0.0 for 0.0.
        assert_eq!(format!("{read:?}"), format!("{recipe:?}"), "{json}");
        assert_eq!(read.schedule, recipe.schedule);
        if index % 10 == 0 {
            let identity = |pruner: &Pruner| pruner.identity(&model).unwrap();
            assert_eq!(identity(&read.pruner), identity(&recipe.pruner), "{json}");
            let masks = |recipe: &Recipe| {
                let pruner = recipe.pruner.clone();
                let says_how_much = json.contains("\"NM\"");
                if says_how_much {
                    pruner
                } else {
                    pruner.to_sparsity(0.4)
                }
                .masks(&model)
            };
            assert_eq!(masks(&read), masks(&recipe), "{json}");
            chosen += usize::from(masks(&read).is_ok());
        }
        if index % 20 == 0 {
            let pruning = match (recipe.wrap(net(), RUN), read.wrap(net(), RUN)) {
                (Ok(mine), Ok(its)) => its.load_record(mine.into_record()),
                (Err(mine), Err(its)) => {
                    assert_eq!(mine.error(), its.error());
                    continue;
                }
                (mine, its) => panic!("{} {}: {json}", mine.is_ok(), its.is_ok()),
            };
            let batch = &batches(1, &Device::flex().autodiff())[0];
            let grads = pruning.model().gradients(batch).1;
            pruning.try_step(&mut adam(), 1e-3, grads).unwrap();
            taken += 1;
        }
    }
    assert!(taken > 40 && chosen > 100, "{taken} {chosen}");
}

/// A criterion that says what it is.
#[derive(Debug)]
struct Around(f64);

impl Criterion for Around {
    fn scores(&self, weight: &Weight<'_>, units: &Units) -> Result<Scores, PruneError> {
        Ok(units.sum(weight.iter().map(|w| (w - self.0).abs())).into())
    }

    fn identity(&self) -> Option<Identity> {
        Some(Identity::new("around").with("value", self.0))
    }
}

fn random_recipe(random: &mut ChaCha8Rng) -> Recipe {
    let schedule = random_schedule(random);
    let mut unit = || random.next_u64() as f64 / u64::MAX as f64;
    let (norm, floor, share) = (0.1 + 4.0 * unit(), 0.001 * unit(), unit());
    let mut below = |most: usize| random.next_u64() as usize % most;
    let pruner = match below(6) {
        0 => Pruner::new(Magnitude::l1()),
        1 => Pruner::new(Magnitude::ln(norm)),
        2 => Pruner::new(Magnitude::ln([f64::INFINITY, f64::NEG_INFINITY][below(2)])),
        3 => Pruner::new(Lamp),
        4 => Pruner::new(Random::new(below(usize::MAX) as u64)),
        _ => Pruner::new(Around(0.1)),
    };
    let patterns = [
        Pattern::Unstructured,
        Pattern::Channels(Axis::Output),
        Pattern::Channels(Axis::Dim(1)),
        Blocks::new([1, 2]).into(),
        Blocks::new([2, 1]).pooling(Pooling::Max).into(),
        NM::new(1, 1 + below(3)).skip_indivisible().into(),
    ];
    let pattern = patterns[below(6)].clone();
    let mut pruner = pruner.pattern(pattern.clone());
    if !matches!(pattern, Pattern::NM(_)) {
        let target = [
            Target::from(share),
            Target::Sparsity(share),
            Target::from(below(5)),
        ][below(3)];
        pruner = pruner.allocation(match below(5) {
            0 => Allocation::Uniform,
            1 | 2 => Allocation::Global,
            3 => Allocation::Erk,
            _ => Allocation::per_layer([
                (ParamGroup::from_path("fc1.weight"), target),
                (ParamGroup::from_regex("fc[12]").unwrap(), 0.25.into()),
            ]),
        });
        pruner = pruner.min_density(floor).min_count(below(3));
    }
    if below(3) == 0 {
        pruner = pruner.normalize([Normalize::Norm, Normalize::Mean][below(2)]);
    }
    if below(4) == 0 {
        pruner = pruner.only(ParamGroup::from_predicate("weight"));
    }
    if below(4) == 0 {
        pruner = pruner.include(ParamGroup::from_paths(vec!["fc1.weight", "fc2.weight"]));
    }
    if below(4) == 0 {
        let group = ParamGroup::all().exclude(ParamGroup::from_predicate("fc"));
        pruner = pruner.exclude(group);
    }
    if below(4) == 0 {
        let (output, input) = [(0, 1), (1, 0)][below(2)];
        let axes = WeightAxes { output, input };
        pruner = pruner.weight_axes(ParamGroup::from_path("fc2.weight"), axes);
    }
    Recipe::new(pruner, schedule)
}

fn random_schedule(random: &mut ChaCha8Rng) -> ScheduleConfig {
    let mut unit = || random.next_u64() as f64 / u64::MAX as f64;
    let (target, power) = (0.95 * unit(), 0.5 + 5.0 * unit());
    let initial = target * unit();
    let mut below = |most: usize| random.next_u64() as usize % most;
    let [begin, more, every] = [3, 12, 4].map(&mut below);
    let span = match below(2) {
        0 => Span::steps(begin, begin + more, every + 1),
        _ => Span::epochs(begin, begin + more, every + 1),
    };
    match below(5) {
        0 => ScheduleConfig::OneShot {
            sparsity: target,
            at: beginning(span),
        },
        1 => ScheduleConfig::Polynomial {
            initial,
            target,
            power,
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
    }
}

#[test]
fn pruners_are_the_same_exactly_when_they_are_made_the_same() {
    let net = net();
    let pruners: Vec<(Pruner, String)> = (0..120).map(random_pruner).collect();
    let identity = |pruner: &Pruner, net: &Net| pruner.identity(net).unwrap();
    let identities: Vec<_> = pruners
        .iter()
        .map(|(pruner, _)| identity(pruner, &net))
        .collect();
    let (mut same, mut other) = (0, 0);
    for (first, (_, made)) in pruners.iter().enumerate() {
        // Made again, with other maps, for another instance of the model.
        let again = identity(&random_pruner(first as u64).0, &self::net());
        assert_eq!(again, identities[first]);
        assert!(again.to_string().len() <= 4096);
        for second in 0..first {
            let equal = *made == pruners[second].1;
            let told = differences(&identities[first], &identities[second]);
            assert_eq!(
                told.is_empty(),
                equal,
                "{made}, {}: {told:?}",
                pruners[second].1
            );
            if equal {
                same += 1;
            } else {
                other += 1;
            }
        }
    }
    assert!(same > 10 && other > 1000, "{same} {other}");
}

/// A pruner, and how it was made.
fn random_pruner(seed: u64) -> (Pruner, String) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut below = |most: usize| random.next_u64() as usize % most;
    let size = 1 + below(3);
    let (pruner, criterion) = match below(4) {
        0 => (Pruner::new(Magnitude::ln(size as f64)), format!("L{size}")),
        1 => (Pruner::new(Lamp), "LAMP".to_string()),
        2 => (
            Pruner::new(Random::new(size as u64)),
            format!("random {size}"),
        ),
        _ => (
            Pruner::new(MovedFarthest::from(size as f64)),
            format!("moved {size}"),
        ),
    };
    let width = 1 + below(2);
    let patterns = [
        Pattern::Unstructured,
        Pattern::Channels(Axis::Output),
        Blocks::new([1, width]).into(),
        NM::new(1, 1 + width).into(),
    ];
    let pattern = patterns[below(4)].clone();
    let pruner = pruner.pattern(pattern.clone());
    if let Pattern::NM(_) = pattern {
        return (pruner, format!("{criterion} {pattern:?}"));
    }
    let group = ParamGroup::from_path("fc1.weight");
    let half = 0.5 / (1 + below(2)) as f64;
    let count = 1 + below(2);
    let targets = [
        Target::from(half),
        Target::Sparsity(half),
        Target::Amount(Amount::Count(count)),
    ];
    let target = targets[below(3)];
    let (pruner, amount) = match below(4) {
        0 => (
            pruner.allocation(Allocation::Global).amount(half),
            format!("global {half}"),
        ),
        1 => (
            pruner.allocation(Allocation::Erk).to_sparsity(half),
            format!("ERK to {half}"),
        ),
        2 => (
            pruner.allocation(Allocation::per_layer([(group, target)])),
            format!("fc1 {target:?}"),
        ),
        _ => (pruner.amount(count), format!("uniform {count}")),
    };
    (pruner, format!("{criterion} {pattern:?} {amount}"))
}

#[test]
fn the_same_settings_in_other_words_are_the_same_training() {
    let all = |layers: [&str; 3]| ParamGroup::from_paths(layers.map(weight).to_vec());
    let regex = |pattern: &str| ParamGroup::from_regex(pattern).unwrap();
    let scores =
        |shape: [usize; 2], dtype| Tensor::<2>::full(shape, 0.5, &Device::flex()).cast(dtype);
    let own = |targets: Vec<(ParamGroup, Target)>| l1().allocation(Allocation::per_layer(targets));
    let (third, five) = (Target::from(0.3), Target::from(5));
    let axes = WeightAxes {
        output: 1,
        input: 0,
    };
    let classes: Vec<Vec<Pruner>> = vec![
        vec![
            l1(),
            l1().only(ParamGroup::all()),
            l1().only(ParamGroup::from_predicate("weight")),
            l1().only(all(["c", "a", "b"])),
            l1().only(group("c"))
                .include(group("b"))
                .include(group("a")),
            l1().include(group("a")),
            l1().min_density(0.0).min_count(0),
            l1().weight_axes(group("b"), axes),
        ],
        vec![
            l1().exclude(group("a")).exclude(group("b")),
            l1().exclude(group("b")).exclude(group("a")),
            l1().exclude(regex("^[ab]")),
            l1().only(group("c")),
        ],
        vec![
            l1().importance("a.weight", scores([10, 10], DType::F32))
                .importance("b.weight", scores([10, 7], DType::F32)),
            l1().importance("b.weight", scores([10, 7], DType::F16))
                .importance("a.weight", scores([10, 10], DType::F64)),
        ],
        vec![
            own(vec![(group("a"), third), (group("b"), five)]),
            own(vec![(group("b"), five), (group("a"), third)]),
            own(vec![(group("a"), third), (regex("^[ab]"), five)]),
        ],
        vec![own(vec![(regex("^[ab]"), five), (group("a"), third)])],
        vec![l1().min_count(1)],
        vec![l1().min_density(1e-9)],
        vec![l1().normalize(Normalize::Norm)],
    ];
    let wrap = |pruner: &Pruner| {
        let schedule = ScheduleConfig::linear(0.5, Span::steps(1, 9, 2)).build(RUN);
        Pruning::new(Layers::new(), pruner.clone(), schedule.unwrap()).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model-1.bpk");
    for (there, class) in classes.iter().enumerate() {
        wrap(&class[0]).save_file(&file).unwrap();
        for (here, pruners) in classes.iter().enumerate() {
            for (word, pruner) in pruners.iter().enumerate() {
                let fits = wrap(pruner).check_checkpoint(&file).is_ok();
                assert_eq!(fits, here == there, "{there}, {here}, {word}");
            }
        }
    }
}

fn l1() -> Pruner {
    Pruner::new(Magnitude::l1())
}

fn weight(layer: &str) -> String {
    format!("{layer}.weight")
}
