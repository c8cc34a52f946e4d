//! Corners of coupled pruning: what is prepared in one place and lost in another.

use std::sync::Arc;

use burn::module::{Module, ParamGroup};
use burn::nn::{Linear, LinearConfig};
use burn::optim::SgdConfig;
use burn::tensor::Device;
use burn_prune::lottery::{LearningCurve, LotteryTicketSearch, Method, Rewind, Trained};
use burn_prune::{
    Allocation, AllocationRule, CoupledChannels, CoupledGroup, CoupledMember, Magnitude, Mask,
    MaskSet, MemberRole, NormScale, Normalize, Prunable, PruneError, Pruner, Pruning, Random,
    ScheduleConfig, Shares, Span, Target, TrainingLength,
};

use super::net::{Net, groups, pattern, units_left};

/// What another allocation says, as a rule.
#[derive(Debug)]
struct By(Allocation);

impl AllocationRule for By {
    fn counts(
        &self,
        shares: &Shares<'_>,
        target: Option<Target>,
    ) -> Result<Vec<usize>, PruneError> {
        shares.by(&self.0, target)
    }
}

fn l1() -> Pruner {
    Pruner::new(Magnitude::l1()).pattern(pattern())
}

fn left(masks: &MaskSet) -> [Vec<usize>; 2] {
    groups().map(|group| units_left(masks, &group))
}

fn wrap(net: Net, pruner: Pruner, schedule: &ScheduleConfig) -> Result<Pruning<Net>, PruneError> {
    let run = TrainingLength {
        epochs: 1,
        steps_per_epoch: 8,
    };
    let pruning = Pruning::new(net, pruner, schedule.build(run)?);
    pruning.map_err(|rejected| rejected.error().clone())
}

fn step(pruning: Pruning<Net>) -> Pruning<Net> {
    let grads = super::training::gradients(pruning.model(), pruning.steps());
    pruning.step(&mut SgdConfig::new().init(), 1e-4, grads)
}

fn own(paths: &[(&str, Target)]) -> Allocation {
    let of = |(path, target): &(&str, Target)| (ParamGroup::from_path(path.to_string()), *target);
    Allocation::per_layer(paths.iter().map(of))
}

#[test]
fn amounts_by_layer_within_a_rule_are_reached_in_proportion_or_refused() {
    let schedule = ScheduleConfig::linear(0.5, Span::steps(2, 6, 2));
    let by_layer = || own(&[("fc1.weight", Target::from(0.5))]);
    let device = Device::flex().autodiff();
    let run = |allocation: Allocation| -> Result<Vec<[usize; 2]>, PruneError> {
        let mut pruning = wrap(Net::new(&device), l1().allocation(allocation), &schedule)?;
        let mut counts = Vec::new();
        for _ in 0..8 {
            pruning = step(pruning);
            counts.push(left(&pruning.masks()).map(|units| units.len()));
        }
        assert_eq!(pruning.problems().len(), 0);
        Ok(counts)
    };
    let expected = run(by_layer()).unwrap();
    match run(Allocation::Rule(Arc::new(By(by_layer())))) {
        Ok(found) => assert_eq!(found, expected),
        Err(error) => assert!(error.to_string().contains("schedule"), "{error}"),
    }
}

#[test]
fn a_training_is_resumed_after_each_step_whatever_shares_out() {
    let device = Device::flex().autodiff();
    let folder = tempfile::tempdir().unwrap();
    let allocations = || {
        [
            Allocation::Uniform,
            Allocation::Global,
            Allocation::Erk,
            own(&[("fc1.weight", Target::from(0.5))]),
            own(&[
                ("conv.weight", Target::Sparsity(0.7)),
                ("fc1.weight", Target::from(2)),
            ]),
            Allocation::Rule(Arc::new(By(Allocation::Erk))),
        ]
    };
    let mut cases = 0;
    for (number, schedule) in [
        ScheduleConfig::cubic(0.6, Span::steps(0, 7, 3)),
        ScheduleConfig::linear(0.5, Span::steps(1, 6, 1)),
    ]
    .iter()
    .enumerate()
    {
        for which in 0..allocations().len() {
            for criterion in 0..3 {
                let fresh = || {
                    let pruner = match criterion {
                        0 => Pruner::new(Magnitude::l2()),
                        1 => Pruner::new(NormScale).exclude(ParamGroup::from_path("fc2.weight")),
                        _ => Pruner::new(Random::new(3)),
                    };
                    let pruner = pruner
                        .pattern(pattern())
                        .normalize(Normalize::Mean)
                        .allocation(allocations()[which].clone());
                    let net = Net::new(&device);
                    let mut kept = [true; 8];
                    kept[2] = false;
                    kept[3] = false;
                    let mask = Mask::from_kept([4, 2], &kept).unwrap();
                    let masks = MaskSet::from_iter([("fc2.weight".to_string(), mask)]);
                    wrap(net.with_masks(&masks).unwrap(), pruner, schedule)
                };
                let Ok(mut whole) = fresh() else {
                    continue;
                };
                let mut stopped = fresh().unwrap();
                for at in 0..8 {
                    let file = folder
                        .path()
                        .join(format!("{number}-{which}-{criterion}-{at}.bpk"));
                    whole = step(whole);
                    stopped = step(stopped);
                    stopped.clone().save_file(&file).unwrap();
                    stopped = fresh().unwrap().resume_from(&file).unwrap();
                    assert_eq!(stopped.masks(), whole.masks());
                    assert_eq!(stopped.sparsity(), whole.sparsity());
                    cases += 1;
                }
                assert!(left(&whole.masks()).iter().all(|units| !units.is_empty()));
            }
        }
    }
    println!("{cases} resumed");
    assert!(cases > 150, "{cases}");
}

#[test]
fn pruners_of_one_search_leave_each_group_a_unit_or_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    // By themselves they keep other units.
    let small = |seed| {
        Pruner::new(Random::new(seed))
            .pattern(pattern())
            .amount(0.7)
    };
    let device = Device::flex().autodiff();
    let ones = |seed| left(&small(seed).masks(&Net::new(&device)).unwrap());
    let other = (1..200)
        .find(|seed| ones(*seed)[1].iter().all(|unit| !ones(0)[1].contains(unit)))
        .unwrap();
    let search = LotteryTicketSearch::new(folder.path())
        .steps(1)
        .rounds(1)
        .pruner(small(0))
        .pruner(small(other))
        .method(Method::new("ticket", Rewind::to_initialization()));
    let train = |cell: &burn_prune::lottery::CellTraining<'_>, net: Net| {
        let mut curve = LearningCurve::new();
        for step in cell.schedule() {
            curve.push(step + 1, 1.0);
            cell.after_step(step + 1, &net);
        }
        if net.is_pruned() {
            let left = left(&net.masks());
            assert!(left.iter().all(|units| !units.is_empty()), "{left:?}");
        }
        Ok(Trained {
            model: net,
            curve,
            test_accuracy: 0.5,
        })
    };
    if let Err(error) = search.run(|_| Net::new(&device), train) {
        assert!(error.to_string().contains("without a unit"), "{error}");
    }
}

/// A layer at two places, and the features that the second of them makes.
fn twice() -> (Vec<Linear>, CoupledChannels) {
    let device = Device::flex().autodiff();
    let layer = || LinearConfig::new(3, 4).with_bias(false).init(&device);
    let shared = layer();
    let member = |path: &str, axis| CoupledMember::whole(path, axis, [3, 4], MemberRole::Output);
    let groups = [
        CoupledGroup::new("shared", [member("1.weight", 1), member("2.weight", 1)]),
        CoupledGroup::new("alone", [member("3.weight", 1)]),
    ];
    let net = vec![shared.clone(), shared, layer(), layer()];
    (net, CoupledChannels::new(groups).unwrap())
}

#[test]
fn a_group_is_named_by_any_place_of_what_it_shares() {
    let (net, channels) = twice();
    let first = || ParamGroup::from_path("0.weight");
    let pruner = || Pruner::new(Magnitude::l1()).pattern(channels.clone());
    let paths = |masks: &MaskSet| -> Vec<String> {
        masks.iter().map(|(path, _)| path.to_string()).collect()
    };
    for (pruner, expected) in [
        (pruner().only(first()), ["0.weight", "2.weight"].as_slice()),
        (pruner().exclude(first()), &["3.weight"]),
        (
            pruner()
                .only(ParamGroup::from_path("3.weight"))
                .include(first()),
            &["0.weight", "2.weight", "3.weight"],
        ),
    ] {
        let halved = pruner.clone().amount(0.5);
        let masks = halved.masks(&net).unwrap();
        assert_eq!(paths(&masks), expected);
        // The same when it is known from a mask what is shared, and on a schedule.
        let known = net.clone().with_masks(&all_kept(&["0.weight"])).unwrap();
        assert_eq!(halved.masks(&known).unwrap(), masks);
        assert_eq!(halved.identity(&known), halved.identity(&net));
        let run = TrainingLength {
            epochs: 1,
            steps_per_epoch: 1,
        };
        let schedule = ScheduleConfig::one_shot(0.5).build(run).unwrap();
        let pruning = Pruning::new(net.clone(), pruner, schedule).unwrap();
        assert_eq!(pruning.masks(), masks);
    }
}

fn all_kept(paths: &[&str]) -> MaskSet {
    let all = Mask::from_kept([3, 4], &[true; 12]).unwrap();
    let masks = paths.iter().map(|path| (path.to_string(), all.clone()));
    masks.collect()
}

#[test]
fn a_schedule_refuses_a_part_of_what_is_shared_as_pruning_at_once_does() {
    let (net, _) = twice();
    let path = || ParamGroup::from_path("1.weight");
    let run = TrainingLength {
        epochs: 1,
        steps_per_epoch: 1,
    };
    for pruner in [
        Pruner::new(Magnitude::l1()).exclude(path()),
        Pruner::new(Magnitude::l1()).only(path()),
    ] {
        let at_once = pruner.clone().amount(0.5).masks(&net).unwrap_err();
        assert!(matches!(at_once, PruneError::PartOfShared { .. }));
        let schedule = ScheduleConfig::one_shot(0.5).build(run).unwrap();
        let refused = Pruning::new(net.clone(), pruner, schedule).unwrap_err();
        assert_eq!(*refused.error(), at_once);
    }
}
