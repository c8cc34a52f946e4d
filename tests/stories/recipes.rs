//! What a training is, is data: its checkpoints fit it again in another process, and no other.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::learner::adam;
use crate::nets::{Net, batches, seeded};
use crate::schedules::{RUN, global, schedule};
use burn::module::{Module, ParamGroup, ParamId};
use burn::tensor::{Device, Tensor};
use burn_prune::{
    Allocation, Axis, Blocks, Criterion, Identity, Lamp, Magnitude, Normalize, Pattern, Pooling,
    PruneError, Pruner, Pruning, Random, Schedule, ScheduleConfig, Scores, Span, Units, Weight,
};

pub(crate) fn net() -> Net {
    seeded(Net::new(&Device::flex().autodiff()), 1)
}

pub(crate) fn wrap(pruner: Pruner) -> Pruning<Net> {
    Pruning::new(net(), pruner, schedule().build(RUN).unwrap()).unwrap()
}

/// What differs, when the checkpoint is refused for that.
fn refused(pruning: &Pruning<Net>, file: &Path) -> Vec<String> {
    match pruning.check_checkpoint(file) {
        Err(PruneError::RecipeMismatch { differences, .. }) => differences,
        other => panic!("{other:?}"),
    }
}

/// Has a map, whose order is another one each time.
#[derive(Debug)]
pub(crate) struct MovedFarthest {
    start: HashMap<String, Vec<f64>>,
    notes: HashMap<u32, String>,
}

impl MovedFarthest {
    pub(crate) fn from(value: f64) -> Self {
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
        (global().normalize(Normalize::Norm), "normalize"),
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
    // A schedule is told in its own fields.
    let file = folder.path().join("0.bpk");
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
