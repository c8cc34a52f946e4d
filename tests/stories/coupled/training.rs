//! Coupled channels while a model trains, and in a lottery search.

use burn::module::{Module, ParamGroup};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Tensor, TensorData};
use burn_prune::lottery::{LearningCurve, LotteryTicketSearch, Method, Rewind, Trained};
use burn_prune::{
    Allocation, Magnitude, MaskSet, Prunable, PruneError, Pruner, Pruning, ScheduleConfig, Span,
    TrainingLength, differences,
};

use super::net::{Net, groups, pattern, units_left};
use crate::chance::Chance;

const STEPS: usize = 9;

fn l1() -> Pruner {
    Pruner::new(Magnitude::l1()).pattern(pattern())
}

fn schedule() -> ScheduleConfig {
    ScheduleConfig::cubic(0.6, Span::steps(1, 7, 2))
}

fn wrap(pruner: Pruner) -> Pruning<Net> {
    let run = TrainingLength {
        epochs: 1,
        steps_per_epoch: STEPS,
    };
    let net = Net::new(&Device::flex().autodiff());
    Pruning::new(net, pruner, schedule().build(run).unwrap()).unwrap()
}

pub(super) fn gradients(net: &Net, step: usize) -> GradientsParams {
    let mut chance = Chance::new(step as u64);
    let images = (0..64).map(|_| chance.fraction() as f32).collect();
    let images = TensorData::new::<f32, _>(images, [4, 1, 4, 4]);
    let images = Tensor::from_data(images, &Device::flex().autodiff());
    let loss = (net.forward(images) - 1.0).square().mean();
    GradientsParams::from_grads(loss.backward(), net)
}

fn step(pruning: Pruning<Net>) -> Pruning<Net> {
    let grads = gradients(pruning.model(), pruning.steps());
    pruning.step(&mut SgdConfig::new().init(), 1e-4, grads)
}

/// The units that are left of the two groups.
fn left(masks: &MaskSet) -> [Vec<usize>; 2] {
    groups().map(|group| units_left(masks, &group))
}

fn everything<M: Module>(model: &M) -> Vec<u8> {
    model.clone().into_record().into_bytes().unwrap().to_vec()
}

/// Every entry of the units that are gone is masked, and nothing else is.
fn assert_whole_units(masks: &MaskSet) {
    for group in groups() {
        let left = units_left(masks, &group);
        for member in group.members() {
            let mask = masks.get(&member.path).unwrap();
            // fc1.weight has entries that the other group masks.
            if member.path != "fc1.weight" {
                assert_eq!(
                    mask.kept() * group.units(),
                    mask.len() * left.len(),
                    "{}",
                    member.path
                );
            }
        }
    }
}

#[test]
fn the_masks_of_all_members_move_together_on_a_schedule() {
    for allocation in [Allocation::Uniform, Allocation::Global, Allocation::Erk] {
        let pruner = l1().allocation(allocation.clone());
        let mut pruning = wrap(pruner.clone());
        assert_eq!(pruning.masks().sparsity(), 0.0);
        let run = TrainingLength {
            epochs: 1,
            steps_per_epoch: STEPS,
        };
        let built = schedule().build(run).unwrap();
        let mut sizes = Vec::new();
        for done in 1..=STEPS {
            let before = pruning.masks();
            pruning = step(pruning);
            assert!(pruning.problems().is_empty());
            if built.updates_after(done) {
                assert_whole_units(&pruning.masks());
                sizes.push(left(&pruning.masks()).map(|units| units.len()));
            } else {
                assert_eq!(pruning.masks(), before);
            }
            // The zeros are there at every step.
            let report = pruning.model().clone().valid().sparsity_report();
            assert!(report.zeros() >= pruning.masks().iter().map(|(_, mask)| mask.pruned()).sum());
        }
        assert!(
            sizes
                .windows(2)
                .all(|pair| pair[0].iter().sum::<usize>() >= pair[1].iter().sum())
        );
        // 0.6 of 3 and of 4 is 2 and 2, 0.6 of 7 is 4.
        let sum: usize = sizes.last().unwrap().iter().sum();
        assert_eq!(sum, 3, "{allocation:?}");
        // What the last update left is what the pruner chooses for the same weights.
        let net = pruning.into_inner().valid();
        assert_eq!(pruner.to_sparsity(0.6).masks(&net).unwrap(), net.masks());
    }
}

#[test]
fn a_training_that_is_resumed_ends_as_if_it_never_stopped() {
    let of = |path: &str| ParamGroup::from_path(path);
    let own = Allocation::per_layer([(of("fc1.weight"), 0.5)]);
    for pruner in [l1(), l1().allocation(own)] {
        let mut whole = wrap(pruner.clone());
        while whole.steps() < STEPS {
            whole = step(whole);
        }
        for stop in 0..STEPS {
            let mut first = wrap(pruner.clone());
            while first.steps() < stop {
                first = step(first);
            }
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("checkpoint.bpk");
            first.save_file(&file).unwrap();
            let mut second = wrap(pruner.clone()).resume_from(&file).unwrap();
            while second.steps() < STEPS {
                second = step(second);
            }
            assert_eq!(second.masks(), whole.masks());
            let [found, expected] = [second, whole.clone()].map(|one| one.into_inner().valid());
            for (path, values) in weights(&expected) {
                assert_eq!(
                    weights(&found)[&path],
                    values,
                    "{path}, stopped after {stop}"
                );
            }
        }
    }
}

fn weights(net: &Net) -> std::collections::BTreeMap<String, Vec<f32>> {
    let bias = |bias: &Option<burn::module::Param<Tensor<1>>>| bias.as_ref().unwrap().val();
    let vector = |tensor: Tensor<1>| tensor.into_data().iter::<f32>().collect();
    [
        ("conv.weight", vector(net.conv.weight.val().flatten(0, 3))),
        ("conv.bias", vector(bias(&net.conv.bias))),
        ("norm.gamma", vector(net.norm.gamma.val())),
        ("norm.beta", vector(net.norm.beta.val())),
        ("fc1.weight", vector(net.fc1.weight.val().flatten(0, 1))),
        ("fc1.bias", vector(bias(&net.fc1.bias))),
        ("fc2.weight", vector(net.fc2.weight.val().flatten(0, 1))),
    ]
    .map(|(path, values)| (path.to_string(), values))
    .into()
}

#[test]
fn a_checkpoint_of_other_channels_is_refused_with_the_difference() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkpoint.bpk");
    wrap(l1()).save_file(&file).unwrap();
    wrap(l1()).check_checkpoint(&file).unwrap();
    let one = l1().exclude(ParamGroup::from_path("fc2.weight"));
    let error = wrap(one).check_checkpoint(&file).unwrap_err();
    assert!(error.to_string().contains("`pruner.groups`"), "{error}");
    let [first, mut second] = groups();
    second = burn_prune::CoupledGroup::new("fc1.weight", second.members()[..2].to_vec());
    let others = burn_prune::CoupledChannels::new([first, second]).unwrap();
    let error = wrap(l1().pattern(others))
        .check_checkpoint(&file)
        .unwrap_err();
    assert!(matches!(error, PruneError::RecipeMismatch { .. }));
    assert!(
        error.to_string().contains("pattern.Coupled.sha256"),
        "{error}"
    );
}

#[test]
fn the_identity_of_any_pattern_is_short() {
    let net = Net::new(&Device::flex());
    let identity = |pruner: Pruner| pruner.identity(&net).unwrap();
    let known = identity(l1());
    assert_eq!(known["pattern"]["Coupled"]["units"]["fc1.weight"], 4);
    assert_eq!(known["groups"][0], "conv.weight");
    let other = identity(l1().only(ParamGroup::from_path("norm.beta")));
    assert!(
        differences(&known, &other)
            .iter()
            .any(|line| line.contains("`groups`"))
    );
    // As many groups as one likes, of the same parameters.
    let many = (0..500).map(|number| {
        let [first, _] = groups();
        burn_prune::CoupledGroup::new(format!("group {number}"), first.members().to_vec())
    });
    let many = burn_prune::CoupledChannels::new(many).unwrap();
    let long = identity(l1().pattern(many));
    assert!(
        long.to_string().len() <= 3 << 10,
        "{}",
        long.to_string().len()
    );
}

#[test]
fn what_the_end_of_the_schedule_would_refuse_is_refused_at_the_beginning() {
    let run = TrainingLength {
        epochs: 1,
        steps_per_epoch: STEPS,
    };
    let all = ScheduleConfig::cubic(1.0, Span::steps(1, 7, 2))
        .build(run)
        .unwrap();
    let net = Net::new(&Device::flex().autodiff());
    let before = everything(&net);
    let rejected = Pruning::new(net, l1(), all).unwrap_err();
    assert!(matches!(
        rejected.error(),
        PruneError::FloorContradictsAmount { floor: 1, .. }
    ));
    assert_eq!(everything(&rejected.into_model()), before);
}

#[test]
fn tickets_of_coupled_channels_are_searched_for() {
    let folder = tempfile::tempdir().unwrap();
    let search = || {
        LotteryTicketSearch::new(folder.path())
            .steps(3)
            .rounds(2)
            .pruner(l1().allocation(Allocation::Global).amount(2))
            .method(Method::new("ticket", Rewind::to_initialization()))
    };
    let seen = std::cell::RefCell::new(Vec::new());
    let train = |cell: &burn_prune::lottery::CellTraining<'_>, mut net: Net| {
        seen.borrow_mut()
            .push(left(&net.masks()).map(|units| units.len()));
        let mut optimizer = SgdConfig::new().init();
        let mut curve = LearningCurve::new();
        for step in cell.schedule() {
            let grads = gradients(&net, step);
            net = optimizer.step(1e-4, net, grads);
            curve.push(step + 1, 1.0);
            cell.after_step(step + 1, &net);
        }
        Ok(Trained {
            model: net,
            curve,
            test_accuracy: 0.5,
        })
    };
    let model = |_| Net::new(&Device::flex().autodiff());
    let report = search().run(model, train).unwrap();
    assert!(report.missing.is_empty());
    let sums: Vec<usize> = seen
        .borrow()
        .iter()
        .map(|units| units.iter().sum())
        .collect();
    assert_eq!(sums, [7, 5, 3]);
    // A second run finds everything there.
    search().run(model, train).unwrap();
    assert_eq!(seen.borrow().len(), 3);
}
