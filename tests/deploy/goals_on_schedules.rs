//! Goals of the graph in recipes and on schedules: right, or refused with the reason.

use burn::module::{Module, ParamGroup};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Tensor};
use burn_prune::{
    Allocation, Magnitude, PruneError, Pruner, Pruning, Recipe, ScheduleConfig, Span,
    TrainingLength,
};
use burn_prune_deploy::{Graph, Groups, Selection};

use examples_shared::nets::convolutional::Mlp;

use crate::random::randomised;

const LENGTH: TrainingLength = TrainingLength {
    epochs: 1,
    steps_per_epoch: 6,
};

fn mlp() -> (Mlp, Groups) {
    let device = Device::flex().autodiff();
    let model = randomised(Mlp::new(&[6, 20, 13, 3], &device), 5);
    let example = Tensor::<2>::ones([1, 6], &device);
    let graph = Graph::capture(&model, example, Mlp::forward).unwrap();
    let groups = graph.groups().unwrap();
    (model, groups)
}

fn wrap(allocation: Allocation) -> Result<Pruning<Mlp>, PruneError> {
    let (model, groups) = mlp();
    let pruner = Pruner::new(Magnitude::l2())
        .pattern(groups.pattern())
        .allocation(allocation);
    let schedule = ScheduleConfig::linear(0.7, Span::steps(0, 5, 1)).build(LENGTH)?;
    let pruning = Pruning::new(model, pruner, schedule);
    pruning.map_err(|rejected| rejected.error().clone())
}

fn step(pruning: Pruning<Mlp>) -> Pruning<Mlp> {
    let device = Device::flex().autodiff();
    let loss = pruning.model().forward(Tensor::ones([2, 6], &device));
    let grads = GradientsParams::from_grads(loss.square().mean().backward(), pruning.model());
    pruning.step(&mut SgdConfig::new().init(), 1e-3, grads)
}

#[test]
fn a_goal_says_how_much_so_a_schedule_beside_it_is_refused() {
    let (_, groups) = mlp();
    let by_layer = || Allocation::per_layer([(ParamGroup::from_path("layers.0.weight"), 0.5)]);
    for allocation in [
        groups.multiply_adds(0.5),
        groups.parameters(0.5),
        groups.multiple_of(4, groups.multiply_adds(0.5)),
        groups.multiple_of(4, by_layer()),
        groups.multiple_of(2, groups.multiple_of(4, by_layer())),
    ] {
        let refused = wrap(allocation).unwrap_err();
        assert!(refused.to_string().contains("schedule"), "{refused}");
    }
}

#[test]
fn multiples_are_left_at_every_update_and_a_resumed_training_ends_the_same() {
    let (_, groups) = mlp();
    let folder = tempfile::tempdir().unwrap();
    for (number, allocation) in [Allocation::Uniform, Allocation::Global, Allocation::Erk]
        .into_iter()
        .enumerate()
    {
        let multiples = || groups.multiple_of(4, allocation.clone());
        let (mut whole, mut stopped) = (wrap(multiples()).unwrap(), wrap(multiples()).unwrap());
        for at in 0..6 {
            let masks = whole.masks();
            let kept = Selection::from_masks(&groups, &masks)
                .unwrap()
                .kept()
                .to_vec();
            for (kept, all) in kept.iter().zip([20, 13]) {
                let left = kept.iter().filter(|kept| **kept).count();
                assert!(left % 4 == 0 || left == all, "{left} of {all}");
            }
            whole = step(whole);
            let file = folder.path().join(format!("{number}-{at}.bpk"));
            step(stopped).save_file(&file).unwrap();
            stopped = wrap(multiples()).unwrap().resume_from(&file).unwrap();
            assert_eq!(stopped.masks(), whole.masks());
        }
        assert!(whole.problems().is_empty());
        let last = Selection::from_masks(&groups, &whole.masks()).unwrap();
        let left: usize = last.kept().iter().flatten().filter(|kept| **kept).count();
        // 10 of 33 units are asked for.
        assert!((10..=16).contains(&left), "{left}");
    }
}

#[test]
fn a_recipe_holds_a_goal_which_is_given_again() {
    let (model, groups) = mlp();
    let multiples = groups.multiple_of(4, Allocation::Global);
    let pruner = Pruner::new(Magnitude::l2())
        .pattern(groups.pattern())
        .allocation(multiples.clone());
    let schedule = ScheduleConfig::cubic(0.5, Span::steps(0, 4, 2));
    let recipe = Recipe::new(pruner.clone(), schedule.clone());
    let json = serde_json::to_string(&recipe).unwrap();
    let read: Recipe = serde_json::from_str(&json).unwrap();
    let not_given = read.wrap(model.clone(), LENGTH).unwrap_err();
    let message = not_given.error().to_string();
    assert!(message.contains("Pruner::give_allocation"), "{message}");

    let given = read.pruner.clone().give_allocation(multiples).unwrap();
    let read = Recipe::new(given, read.schedule).wrap(model.clone(), LENGTH);
    let expected = Recipe::new(pruner, schedule).wrap(model, LENGTH).unwrap();
    assert_eq!(read.unwrap().masks(), expected.masks());
}
