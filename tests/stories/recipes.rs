//! What a training is, is data: its checkpoints fit it again in another process, and no other.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use burn::config::Config;
use burn::module::{Module, Param, ParamGroup, ParamId};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use burn_prune::{
    Allocation, AllocationConfig, Amount, Axis, Blocks, Criterion, CriterionConfig, Identity, Lamp,
    Magnitude, NM, Pattern, Pooling, Prunable, PruneError, Pruner, Pruning, Random, Recipe,
    Schedule, ScheduleConfig, Scores, Span, Target, Units, Weight, differences,
};
use chacha20::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use crate::learner::adam;
use crate::nets::{Net, batches, seeded};
use crate::schedules::{RUN, global, schedule};

fn net() -> Net {
    seeded(Net::new(&Device::flex().autodiff()), 1)
}

fn wrap(pruner: Pruner) -> Pruning<Net> {
    Pruning::new(net(), pruner, schedule().build(RUN).unwrap()).unwrap()
}

/// What differs, when the checkpoint is refused for that.
fn refused(pruning: &Pruning<Net>, file: &Path) -> Vec<String> {
    match pruning.check_checkpoint(file) {
        Err(PruneError::OtherRecipe { differences, .. }) => differences,
        other => panic!("{other:?}"),
    }
}

/// Has a map, whose order is another one each time.
#[derive(Debug)]
struct MovedFarthest {
    start: HashMap<String, Vec<f64>>,
    notes: HashMap<u32, String>,
}

impl MovedFarthest {
    fn from(value: f64) -> Self {
        let lengths = [
            ("conv.weight", 54),
            ("fc1.weight", 16_224),
            ("fc2.weight", 160),
        ];
        let start = lengths.map(|(path, length)| {
            let start = (0..length).map(|index| value * f64::from(index % 7));
            (path.to_string(), start.collect())
        });
        Self {
            start: HashMap::from(start),
            notes: (0..40).map(|note| (note, note.to_string())).collect(),
        }
    }
}

impl Criterion for MovedFarthest {
    fn scores(&self, weight: &Weight<'_>, units: &Units) -> Result<Scores, PruneError> {
        let moved = weight.iter().zip(&self.start[weight.path()]);
        assert_eq!(self.notes.len(), 40);
        Ok(units
            .sum(moved.map(|(now, start)| (now - start).abs()))
            .into())
    }
}

#[test]
fn a_criterion_with_a_map_resumes_its_own_checkpoint_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model-1.bpk");
    wrap(Pruner::new(MovedFarthest::from(0.01)))
        .save_file(&file)
        .unwrap();
    // Each map is seeded anew, as in another process.
    for _ in 0..20 {
        let again = wrap(Pruner::new(MovedFarthest::from(0.01)));
        again.check_checkpoint(&file).unwrap();
    }
    let other = refused(&wrap(Pruner::new(MovedFarthest::from(0.011))), &file);
    assert_eq!(other.len(), 1, "{other:?}");
    assert!(
        other[0].starts_with("`pruner.criterion.data.scores_sha256` is"),
        "{other:?}"
    );
    let other = refused(&wrap(Pruner::new(Magnitude::l1())), &file);
    assert!(
        other.contains(
            &"`pruner.criterion.name` is \"MovedFarthest\" there and \"magnitude\" here"
                .to_string()
        ),
        "{other:?}"
    );
}

#[test]
fn a_criterion_may_say_what_it_is() {
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
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model-1.bpk");
    wrap(Pruner::new(Around(0.1))).save_file(&file).unwrap();
    wrap(Pruner::new(Around(0.1)))
        .check_checkpoint(&file)
        .unwrap();
    let next = f64::from_bits(0.1f64.to_bits() + 1);
    assert_eq!(
        refused(&wrap(Pruner::new(Around(next))), &file),
        ["`pruner.criterion.data.value` is \"0.1\" there and \"0.10000000000000002\" here"]
    );
}

#[test]
fn a_schedule_with_a_map_resumes_its_own_checkpoint_and_no_other() {
    #[derive(Debug)]
    struct At(HashMap<usize, f64>);
    impl Schedule for At {
        fn updates_after(&self, step: usize) -> bool {
            self.0.contains_key(&step)
        }
        fn sparsity_after(&self, step: usize) -> f64 {
            let due = self.0.iter().filter(|(at, _)| **at <= step);
            due.map(|(_, sparsity)| *sparsity).fold(0.0, f64::max)
        }
        fn last_update(&self) -> Option<usize> {
            self.0.keys().max().copied()
        }
    }
    let wrap = |at: &[(usize, f64)]| {
        let schedule = Box::new(At(at.iter().copied().collect()));
        Pruning::new(net(), global(), schedule).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model-1.bpk");
    let at: Vec<(usize, f64)> = (1..40).map(|step| (step, step as f64 / 50.0)).collect();
    wrap(&at).save_file(&file).unwrap();
    for _ in 0..10 {
        wrap(&at).check_checkpoint(&file).unwrap();
    }
    let mut other = at.clone();
    other[20].1 += 1e-6;
    let differences = refused(&wrap(&other), &file);
    assert_eq!(differences.len(), 1, "{differences:?}");
    assert!(differences[0].starts_with("`schedule.data.updates_sha256` is"));
    let shorter = refused(&wrap(&at[..38]), &file);
    assert!(shorter[0].starts_with("`schedule.data.last_update` is 39 there and 38 here"));
}

#[test]
fn groups_of_ids_select_the_same_in_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model-1.bpk");
    // The ids are new each time.
    let wrapped = |excluded: fn(&Net) -> ParamId| {
        let net = net();
        let id = excluded(&net);
        let pruner = global().exclude(ParamGroup::from_ids(vec![id]));
        Pruning::new(net, pruner, schedule().build(RUN).unwrap()).unwrap()
    };
    wrapped(|net| net.fc2.weight.id).save_file(&file).unwrap();
    wrapped(|net| net.fc2.weight.id)
        .check_checkpoint(&file)
        .unwrap();
    let by_path = global().exclude(ParamGroup::from_path("fc2.weight"));
    wrap(by_path).check_checkpoint(&file).unwrap();
    assert_eq!(
        refused(&wrapped(|net| net.fc1.weight.id), &file),
        [
            "`pruner.parameters` is [\"conv.weight\",\"fc1.weight\"] there and \
             [\"conv.weight\",\"fc2.weight\"] here"
        ]
    );
}

#[test]
fn what_differs_is_named() {
    let path = |path: &str| ParamGroup::from_path(path.to_string());
    let scores = |value| Tensor::<2>::full([16, 10], value, &Device::flex());
    let variants: Vec<(Pruner, &str)> = vec![
        (global(), ""),
        (
            Pruner::new(Lamp).allocation(Allocation::Global),
            "criterion.name",
        ),
        (
            Pruner::new(Magnitude::l2()).allocation(Allocation::Global),
            "criterion.data.n",
        ),
        (
            Pruner::new(Random::new(3)).allocation(Allocation::Global),
            "criterion.data.seed",
        ),
        (global().pattern(Pattern::Channels(Axis::Output)), "pattern"),
        (
            global().pattern(Blocks::new([2, 2]).pooling(Pooling::Max)),
            "pattern",
        ),
        (global().allocation(Allocation::Erk), "allocation"),
        (
            global().allocation(Allocation::per_layer([(path("fc1.weight"), 0.1)])),
            "allocation",
        ),
        (global().normalize(), "normalize"),
        (global().min_density(0.01), "min_density"),
        (global().min_count(2), "min_count"),
        (global().exclude(path("conv.weight")), "parameters"),
        (global().include(path("fc1.bias")), "parameters"),
        (
            global().importance("fc2.weight", scores(1.0)),
            "importance.fc2.weight",
        ),
        (
            global().importance("fc2.weight", scores(2.0)),
            "importance.fc2.weight",
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (index, (pruner, _)) in variants.iter().enumerate() {
        let file = folder.path().join(format!("{index}.bpk"));
        wrap(pruner.clone()).save_file(&file).unwrap();
    }
    for (there, (_, field)) in variants.iter().enumerate() {
        let file = folder.path().join(format!("{there}.bpk"));
        for (here, (pruner, _)) in variants.iter().enumerate() {
            let pruning = wrap(pruner.clone());
            if there == here {
                pruning.check_checkpoint(&file).unwrap();
                continue;
            }
            let differences = refused(&pruning, &file);
            let named = format!("`pruner.{field}");
            assert!(
                here != 0 || differences.iter().any(|line| line.starts_with(&named)),
                "{field}: {differences:?}"
            );
        }
    }
    // Amounts do not count: the schedule gives them.
    let file = folder.path().join("0.bpk");
    wrap(global().amount(0.3)).check_checkpoint(&file).unwrap();
    // And a schedule is told in its own fields.
    let other = ScheduleConfig::cubic(0.8, Span::steps(2, 14, 4))
        .build(RUN)
        .unwrap();
    let other = Pruning::new(net(), global(), other).unwrap();
    assert_eq!(
        refused(&other, &file),
        ["`schedule.data.target` is \"0.9\" there and \"0.8\" here"]
    );
}

#[test]
fn another_training_is_an_error_in_a_loop_and_a_panic_in_a_learner() {
    let device = Device::flex().autodiff();
    let batch = &batches(1, &device)[0];
    let other = ScheduleConfig::linear(0.5, Span::steps(0, 4, 1))
        .build(RUN)
        .unwrap();
    let record = Pruning::new(net(), global(), other).unwrap().into_record();
    let loaded = || wrap(global()).load_record(record.clone());
    let gradients = |pruning: &Pruning<Net>| pruning.model().gradients(batch).1;

    let pruning = loaded();
    let grads = gradients(&pruning);
    let before = pruning.clone().into_record().into_bytes().unwrap();
    let rejected = pruning.try_step(&mut adam(), 1e-3, grads).unwrap_err();
    let text = rejected.error().to_string();
    assert!(
        text.contains("the loaded checkpoint was made with another pruning recipe"),
        "{text}"
    );
    assert!(
        text.contains("`schedule.data.target` is \"0.5\" there and \"0.9\" here"),
        "{text}"
    );
    assert!(rejected.into_model().into_record().into_bytes().unwrap() == before);

    // The same text, before the optimizer has done anything.
    let pruning = loaded();
    let grads = gradients(&pruning);
    let mut called = false;
    let optimizer = &mut adam();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        called = true;
        pruning.step(optimizer, 1e-3, grads)
    }));
    let panic = panic.unwrap_err();
    assert!(called);
    assert_eq!(panic.downcast_ref::<String>(), Some(&text));

    // Its own record is taken by both.
    let record = wrap(global()).into_record();
    let own = wrap(global()).load_record(record);
    let grads = gradients(&own);
    let stepped = own.try_step(&mut adam(), 1e-3, grads).unwrap();
    assert_eq!(stepped.steps(), 1);
}

#[test]
fn a_recipe_takes_four_kilobytes_whatever_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let size = |pruner: Pruner, name: &str| {
        let file = folder.path().join(format!("{name}.bpk"));
        wrap(pruner).save_file(&file).unwrap();
        std::fs::metadata(file).unwrap().len()
    };
    let scores = Tensor::<2>::full([1014, 16], 0.5, &Device::flex());
    let long = (0..200).map(|index| format!("a.path.that.is.not.there.{index}"));
    let long = ParamGroup::from_paths(long.chain(["fc2.weight".to_string()]).collect());
    let plain = size(global(), "plain");
    let large = size(
        global()
            .importance("fc1.weight", scores)
            .exclude(long.clone()),
        "large",
    );
    let table = size(Pruner::new(MovedFarthest::from(0.5)).exclude(long), "table");
    // But for the mask of the weight that is left out.
    assert!(
        plain.abs_diff(large) < 2000 && plain.abs_diff(table) < 2000,
        "{plain} {large} {table}"
    );
}

#[test]
fn every_recipe_is_read_back_bit_for_bit() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    for index in 0..2000 {
        let recipe = random_recipe(&mut random);
        let json = serde_json::to_string(&recipe).unwrap();
        let read = Recipe::load_binary(json.as_bytes()).unwrap();
        // `==` would take -0.0 for 0.0.
        assert_eq!(format!("{read:?}"), format!("{recipe:?}"), "{json}");
        assert_eq!(read, recipe);
        if index % 100 == 0 {
            let mine = wrap_recipe(&recipe).into_record();
            let its = wrap_recipe(&read).load_record(mine);
            let grads = its
                .model()
                .gradients(&batches(1, &Device::flex().autodiff())[0])
                .1;
            its.try_step(&mut adam(), 1e-3, grads).unwrap();
        }
    }
}

fn wrap_recipe(recipe: &Recipe) -> Pruning<Net> {
    recipe
        .wrap(net(), RUN)
        .unwrap_or_else(|error| panic!("{error}: {recipe:?}"))
}

fn random_recipe(random: &mut ChaCha8Rng) -> Recipe {
    let mut unit = || random.next_u64() as f64 / u64::MAX as f64;
    let (target, power, floor) = (0.95 * unit(), 0.5 + 5.0 * unit(), 0.001 * unit());
    let initial = target * unit();
    let mut below = |most: usize| random.next_u64() as usize % most;
    let [begin, more, every] = [3, 12, 4].map(&mut below);
    let span = match below(2) {
        0 => Span::steps(begin, begin + more, every + 1),
        _ => Span::epochs(begin, begin + more, every + 1),
    };
    let schedule = match below(5) {
        0 => ScheduleConfig::OneShot {
            sparsity: target,
            span,
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
    };
    let criterion = match below(3) {
        0 => CriterionConfig::Magnitude,
        1 => CriterionConfig::Lamp,
        _ => CriterionConfig::Random {
            seed: below(usize::MAX) as u64,
        },
    };
    Recipe {
        criterion,
        allocation: match below(2) {
            0 => AllocationConfig::Uniform,
            _ => AllocationConfig::Global,
        },
        normalize: below(2) == 0,
        min_density: floor,
        ..Recipe::new(schedule)
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
    let pattern = patterns[below(4)];
    let pruner = pruner.pattern(pattern);
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

/// A checkpoint of burn-prune before recipes were data: their text, an integer a byte.
#[test]
fn a_checkpoint_from_before_recipes_were_data_is_told_and_its_model_loads() {
    #[derive(Module, Debug)]
    struct OldClock {
        steps: Param<Tensor<1, Int>>,
        recipe: Param<Tensor<1, Int>>,
    }
    #[derive(Module, Debug)]
    struct OldPruning<M: Module> {
        model: M,
        clock: OldClock,
    }
    let device = Device::flex().autodiff();
    let int = |values: Vec<i32>| {
        let data = TensorData::new(values.clone(), [values.len()]);
        Param::initialized(
            ParamId::new(),
            Tensor::<1, Int>::from_data(data, (&device, DType::I32)),
        )
    };
    let pruned = net().prune(&global().amount(0.5)).unwrap();
    let masks = pruned.masks();
    let text = "Pruner { criterion: Magnitude { n: 1.0 }, pattern: Unstructured } Gradual { .. }";
    let old = OldPruning {
        model: pruned,
        clock: OldClock {
            steps: int(vec![7]),
            recipe: int(text.bytes().map(i32::from).collect()),
        },
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model-1.bpk");
    old.save_file(&file).unwrap();

    let error = wrap(global()).check_checkpoint(&file).unwrap_err();
    assert!(
        matches!(
            error,
            PruneError::CheckpointVersion {
                found: 1,
                supported: 2,
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error.to_string().contains("Prunable::load_checkpoint"),
        "{error}"
    );
    let rejected = wrap(global()).resume_from(&file).unwrap_err();
    assert_eq!(rejected.error(), &error);
    let loaded = net().load_checkpoint(&file).unwrap();
    assert_eq!(loaded.masks(), masks);
}

#[test]
fn a_damaged_clock_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model-1.bpk");
    let pruning = wrap(global());
    let damage = |change: &dyn Fn(&str, &mut burn::tensor::TensorData)| {
        struct Change<'a>(Vec<String>, &'a dyn Fn(&str, &mut TensorData));
        impl burn::module::ModuleMapper for Change<'_> {
            fn enter_module(&mut self, name: &str, _container: &str) {
                self.0.push(name.to_string());
            }
            fn exit_module(&mut self, _name: &str, _container: &str) {
                self.0.pop();
            }
            fn map_int<const D: usize>(
                &mut self,
                param: Param<Tensor<D, Int>>,
            ) -> Param<Tensor<D, Int>> {
                let path = self.0.join(".");
                if !path.starts_with("clock.") {
                    return param;
                }
                param.map(|tensor| {
                    let device = tensor.device();
                    let mut data = tensor.into_data();
                    (self.1)(&path, &mut data);
                    let dtype = data.dtype();
                    Tensor::from_data(data, (&device, dtype))
                })
            }
        }
        let damaged = pruning.clone().map(&mut Change(Vec::new(), change));
        damaged.save_file(&file).unwrap();
        let error = wrap(global()).check_checkpoint(&file).unwrap_err();
        let loaded = wrap(global()).load_file(&file);
        // Not a panic either, and no silent start from 0.
        assert_eq!(loaded.steps(), 0);
        let grads = loaded
            .model()
            .gradients(&batches(1, &Device::flex().autodiff())[0])
            .1;
        assert!(loaded.try_step(&mut adam(), 1e-3, grads).is_err());
        error.to_string()
    };
    let negative = damage(&|path, data| {
        if path == "clock.steps" {
            *data = TensorData::new(vec![-1i32], [1]);
        }
    });
    assert!(
        negative.contains("number of steps is damaged"),
        "{negative}"
    );
    let blank = damage(&|path, data| {
        if path == "clock.recipe" {
            *data = TensorData::new(vec![0x2020_2020i32; 1024], [1024]);
        }
    });
    assert!(blank.contains("recipe is damaged"), "{blank}");
}

#[test]
fn no_damage_to_what_a_checkpoint_says_of_itself_is_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model-1.bpk");
    let pruning = wrap(global());
    pruning.clone().save_file(&file).unwrap();
    let whole = std::fs::read(&file).unwrap();
    let start = whole
        .windows(10)
        .position(|bytes| bytes == b"{\"pruned_a")
        .unwrap();
    let length = whole[start..]
        .iter()
        .position(|byte| *byte == b' ')
        .unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(6);
    let (mut refused, mut taken) = (0, 0);
    for _ in 0..600 {
        let mut bytes = whole.clone();
        for _ in 0..=random.next_u64() % 3 {
            let place = start + random.next_u64() as usize % length;
            bytes[place] = match random.next_u64() % 3 {
                0 => random.next_u64() as u8,
                1 => b"{}[]\",:0 "[random.next_u64() as usize % 9],
                _ => bytes[place] ^ (1 << (random.next_u64() % 8)),
            };
        }
        if bytes == whole {
            continue;
        }
        std::fs::write(&file, &bytes).unwrap();
        match pruning.check_checkpoint(&file) {
            Err(_) => refused += 1,
            Ok(()) => taken += 1,
        }
    }
    // Blanks between the parts of the JSON say the same.
    assert!(refused > 500 && taken < 20, "{refused} {taken}");
}
