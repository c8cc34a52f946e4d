//! Wrapping a model: a refusal gives it back as it came, and each instance counts for itself.

use std::collections::HashMap;

use burn::module::{Lora, Module, ModuleDisplay, Param, ParamGroup};
use burn::tensor::{Device, Tensor};
use burn_prune::{
    Allocation, Criterion, Lamp, Magnitude, MaskMode, NM, Pattern, Prunable, PruneError, Pruner,
    Pruning, Recipe, Schedule, ScheduleConfig, Scores, Span, Units, Weight, WeightMask,
};

use crate::final_amounts::{Layers, step};
use crate::learner::adam;
use crate::nets::{Net, batches, seeded};
use crate::schedules::{RUN, global, schedule, wrap};

/// Everything that a model has: tensors, masks, ids, and the mode of its masks.
fn everything<M: Module>(model: &M) -> Vec<u8> {
    model.clone().into_record().into_bytes().unwrap().to_vec()
}

fn mode(net: &Net) -> Option<MaskMode> {
    let mask = net.fc1.weight.reparameterization::<WeightMask>();
    mask.map(|mask| mask.mode())
}

fn lora(net: Net, path: &str) -> Net {
    let group = ParamGroup::from_path(path.to_string());
    net.apply_lora(Lora::new(2, 4.0).set_param_group(group))
}

/// Models of every kind.
fn models() -> Vec<(&'static str, Net)> {
    let device = Device::flex().autodiff();
    let net = || seeded(Net::new(&device), 3);
    let fc1 = || {
        global()
            .only(ParamGroup::from_path("fc1.weight"))
            .amount(0.4)
    };
    let pruned = || net().prune(&fc1()).unwrap();
    vec![
        ("dense", net()),
        ("masked on read", pruned()),
        (
            "masked after the step",
            pruned().with_mask_mode(MaskMode::AfterStep).unwrap(),
        ),
        ("adapter on fc2", lora(net(), "fc2.weight")),
        ("masked, adapter on fc2", lora(pruned(), "fc2.weight")),
        (
            "masked, adapter on the bias",
            lora(net(), "conv.weight").prune(&fc1()).unwrap(),
        ),
        (
            "on a device without autodiff",
            seeded(Net::new(&Device::flex()), 3),
        ),
    ]
}

fn path(path: &str) -> ParamGroup {
    ParamGroup::from_path(path.to_string())
}

#[test]
fn whatever_is_refused_the_model_comes_back_as_it_came() {
    let scores = |shape: [usize; 2], value| Tensor::<2>::full(shape, value, &Device::flex());
    let own = |group, amount: usize| global().allocation(Allocation::per_layer([(group, amount)]));
    let pruners = [
        ("right", global()),
        ("without fc2", global().exclude(path("fc2.weight"))),
        ("fc1 alone", global().only(path("fc1.weight"))),
        ("mistyped exclude", global().exclude(path("fc3.weight"))),
        ("statistics", global().only(path("norm.running_mean"))),
        ("floor", global().min_density(0.3)),
        ("no floor", global().min_density(f64::NAN)),
        ("norm", Pruner::new(Magnitude::ln(-1.0))),
        (
            "NaN scores",
            global().importance("fc1.weight", scores([1014, 16], f32::NAN)),
        ),
        (
            "scores of another shape",
            global().importance("fc1.weight", scores([2, 2], 1.0)),
        ),
        (
            "scores for nothing",
            global().importance("fc9.weight", scores([2, 2], 1.0)),
        ),
        ("N:M", Pruner::new(Lamp).pattern(NM::new(2, 4))),
        (
            "N:M with an amount",
            Pruner::new(Lamp).pattern(NM::new(2, 4)).amount(0.5),
        ),
        ("too many", own(path("fc1.weight"), 100_000)),
        ("mistyped layer", own(path("fc3.weight"), 1)),
    ];
    let schedules: [fn() -> Box<dyn Schedule>; 3] = [
        || schedule().build(RUN).unwrap(),
        || ScheduleConfig::one_shot(0.9).build(RUN).unwrap(),
        || {
            ScheduleConfig::linear(1.0, Span::steps(0, 4, 1))
                .build(RUN)
                .unwrap()
        },
    ];
    let (mut refused, mut taken) = (0, 0);
    for (kind, _) in models() {
        for (wrong, pruner) in &pruners {
            for schedule in schedules {
                let mut models = models().into_iter();
                let (_, net) = models.find(|(known, _)| *known == kind).unwrap();
                let before = (everything(&net), mode(&net), net.is_pruned());
                match Pruning::new(net, pruner.clone(), schedule()) {
                    Ok(_) => taken += 1,
                    Err(rejected) => {
                        refused += 1;
                        let (net, error) = rejected.into_parts();
                        let after = (everything(&net), mode(&net), net.is_pruned());
                        assert!(after == before, "{kind}, {wrong}: {error}");
                    }
                }
            }
        }
    }
    assert!(refused > 200 && taken > 30, "{refused} {taken}");
}

#[test]
fn a_recipe_that_is_refused_leaves_the_model_as_it_came() {
    let refuse = |recipe: Recipe, net: Net| {
        let before = (everything(&net), mode(&net));
        let (net, error) = recipe.wrap(net, RUN).unwrap_err().into_parts();
        assert!((everything(&net), mode(&net)) == before, "{error}");
        error.to_string()
    };
    let one_shot = |pruner| Recipe::new(pruner, ScheduleConfig::one_shot(0.9));
    let device = Device::flex().autodiff();
    let adapted = lora(seeded(Net::new(&device), 2), "fc2.weight");
    let recipe = one_shot(global().exclude(path("fc2.weight")));
    assert!(refuse(recipe, adapted).contains("`fc2.weight` already carries"));
    for (kind, net) in models() {
        refuse(one_shot(global().min_density(0.5)), net.clone());
        let wrong = Recipe::new(global(), ScheduleConfig::cubic(0.5, Span::steps(3, 1, 1)));
        assert!(refuse(wrong, net).contains("span.end"), "{kind}");
    }
}

fn trained<M: Module + ModuleDisplay>(
    pruning: Pruning<M>,
    steps: usize,
    gradients: impl Fn(&M) -> burn::optim::GradientsParams,
) -> Pruning<M> {
    let mut optimizer = adam();
    (0..steps).fold(pruning, |pruning, _| {
        let grads = gradients(pruning.model());
        pruning.step(&mut optimizer, 1e-3, grads)
    })
}

#[test]
fn a_clone_counts_for_itself() {
    let device = Device::flex().autodiff();
    let batch = &batches(1, &device)[0];
    let gradients = |net: &Net| net.gradients(batch).1;
    let original = wrap(seeded(Net::new(&device), 2));
    let clone = trained(original.clone(), 14, gradients);
    assert_eq!((original.steps(), original.sparsity()), (0, 0.0));
    assert_eq!(clone.steps(), 14);
    assert!((clone.sparsity() - 0.9).abs() < 1e-3);
    // One that was trained to the middle, and its clone to the end.
    let middle = trained(original.clone(), 6, gradients);
    let (steps, sparsity) = (middle.steps(), middle.sparsity());
    assert!(sparsity > 0.1 && sparsity < 0.9);
    let end = trained(middle.clone(), 8, gradients);
    assert_eq!((middle.steps(), middle.sparsity()), (steps, sparsity));
    assert!((end.sparsity() - 0.9).abs() < 1e-3);
    // A record that is loaded counts in the instance that it is loaded into.
    let loaded = middle.clone().load_record(end.clone().into_record());
    assert_eq!((loaded.steps(), loaded.sparsity()), (14, end.sparsity()));
    assert_eq!((middle.steps(), middle.sparsity()), (steps, sparsity));
    assert_eq!(original.sparsity(), 0.0);
    assert_eq!(original.clone().valid().sparsity(), 0.0);
}

#[test]
fn sparsity_counts_the_selected_weights_whatever_else_is_masked() {
    let device = Device::flex().autodiff();
    let batch = &batches(1, &device)[0];
    let net = seeded(Net::new(&device), 2);
    let earlier = global().only(path("fc1.weight")).amount(0.7);
    let net = net.prune(&earlier).unwrap();
    let pruner = Pruner::new(Magnitude::l1()).only(path("fc2.weight"));
    let schedule = ScheduleConfig::linear(0.5, Span::steps(0, 4, 2))
        .build(RUN)
        .unwrap();
    let pruning = Pruning::new(net, pruner, schedule).unwrap();
    let seen: Vec<f64> = (0..5)
        .scan(pruning, |pruning, _| {
            let before = pruning.sparsity();
            *pruning = trained(pruning.clone(), 1, |net| net.gradients(batch).1);
            Some(before)
        })
        .collect();
    assert_eq!(seen, [0.0, 0.0, 0.25, 0.25, 0.5]);
}

#[test]
fn a_criterion_may_have_nothing_to_go_by_before_the_training() {
    /// The share of a weight in what its layer has moved by; 0 / 0 at the start.
    #[derive(Debug)]
    struct ShareOfMovement(HashMap<String, Vec<f64>>);
    impl Criterion for ShareOfMovement {
        fn scores(&self, weight: &Weight<'_>, units: &Units) -> Result<Scores, PruneError> {
            let start = &self.0[weight.path()];
            let moved = || {
                weight
                    .iter()
                    .zip(start)
                    .map(|(now, start)| (now - start).abs())
            };
            let whole: f64 = moved().sum();
            Ok(units.sum(moved().map(|moved| moved / whole)).into())
        }
    }
    let wrap = |layers: Layers, begin: usize, pattern: Pattern| {
        let start = [("a", &layers.a), ("b", &layers.b), ("c", &layers.c)];
        let start = start.map(|(layer, linear)| {
            let weights = linear.weight.val().into_data().iter::<f64>().collect();
            (format!("{layer}.weight"), weights)
        });
        let pruner = Pruner::new(ShareOfMovement(start.into())).pattern(pattern);
        let schedule = ScheduleConfig::linear(0.5, Span::steps(begin, 9, 2)).build(RUN);
        Pruning::new(layers, pruner, schedule.unwrap())
    };
    let mut pruning = wrap(Layers::new(), 1, Pattern::Unstructured).unwrap();
    for _ in 0..10 {
        pruning = step(pruning, 1e-3);
    }
    assert_eq!(pruning.problems(), []);
    assert!((pruning.sparsity() - 0.5).abs() < 0.02);
    // Where it has to prune at once, and where the weights are not finite or the pattern is wrong.
    wrap(Layers::new(), 0, Pattern::Unstructured).unwrap_err();
    let mut broken = Layers::new();
    broken.b.weight = Param::from_tensor(broken.b.weight.val().inner() / 0.0);
    wrap(broken, 1, Pattern::Unstructured).unwrap_err();
    wrap(Layers::new(), 1, NM::new(2, 4).into()).unwrap_err();
}
