//! What is refused, and what it says.

use burn::module::ParamGroup;
use burn::tensor::{Device, Tensor};
use burn_prune::{Allocation, Magnitude, PruneError, Pruner};
use burn_prune_deploy::{DeployError, Graph};

use examples_shared::nets::convolutional::Mlp;

use crate::random::example;

#[test]
fn numbers_that_make_no_sense_are_refused() {
    let device = Device::flex();
    let model = Mlp::new(&[6, 4, 3], &device);
    let graph = Graph::capture(&model, example([1, 6], &device), Mlp::forward).unwrap();
    let groups = graph.groups().unwrap();
    let pruner = || Pruner::new(Magnitude::l1()).pattern(groups.pattern());
    let refused = |pruner: Pruner| pruner.masks(&model).unwrap_err();
    for fraction in [-0.1, 1.1, f64::NAN] {
        let error = refused(pruner().amount(fraction));
        assert!(
            matches!(error, PruneError::InvalidFraction { .. }),
            "{error}"
        );
        for goal in [groups.multiply_adds(fraction), groups.parameters(fraction)] {
            let error = refused(pruner().allocation(goal)).to_string();
            assert!(error.contains("between 0 and 1, found"), "{error}");
        }
    }
    let zero = groups.multiple_of(0, Allocation::Uniform);
    let zero = refused(pruner().amount(0.5).allocation(zero)).to_string();
    assert!(zero.contains("take 1 or more"), "{zero}");
    let unknown = Allocation::per_layer([(ParamGroup::from_path("fc"), 0.5)]);
    let unknown = refused(pruner().allocation(unknown));
    assert!(
        matches!(unknown, PruneError::GroupMatchesNothing { .. }),
        "{unknown}"
    );
    // One unit always stays.
    let all = refused(pruner().amount(1.0));
    assert!(
        matches!(all, PruneError::FloorContradictsAmount { available: 3, .. }),
        "{all}"
    );
}

#[test]
fn a_goal_says_how_much_and_of_which_groups() {
    let device = Device::flex();
    let model = Mlp::new(&[6, 4, 3], &device);
    let graph = Graph::capture(&model, example([1, 6], &device), Mlp::forward).unwrap();
    let groups = graph.groups().unwrap();
    let pruner = || Pruner::new(Magnitude::l1()).pattern(groups.pattern());
    for beside in [pruner().amount(0.5), pruner().to_sparsity(0.5)] {
        let refused = beside.allocation(groups.multiply_adds(0.5)).masks(&model);
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("leave out the amount"), "{refused}");
    }
    let other = Mlp::new(&[6, 5, 3], &device);
    let other = Graph::capture(&other, example([1, 6], &device), Mlp::forward).unwrap();
    let other = other.groups().unwrap().multiply_adds(0.5);
    let refused = pruner().allocation(other).masks(&model).unwrap_err();
    let refused = refused.to_string();
    assert!(
        refused.contains("`layers.0.weight` with 4 units"),
        "{refused}"
    );
    let goal = groups.parameters(0.5);
    let single = Pruner::new(Magnitude::l1()).allocation(goal).masks(&model);
    let refused = single.unwrap_err().to_string();
    assert!(
        refused.contains("`.pattern(groups.pattern())`"),
        "{refused}"
    );
}

#[test]
fn a_forward_pass_that_cannot_be_captured_says_why() {
    let device = Device::flex();
    let model = Mlp::new(&[6, 4, 3], &device);
    let input = example([1, 6], &device);
    let decides = |model: &Mlp, x: Tensor<2>| {
        let output = model.forward(x);
        if output.clone().sum().into_scalar::<f32>() > 0.0 {
            output
        } else {
            -output
        }
    };
    let error = Graph::capture(&model, input, decides).unwrap_err();
    assert!(
        matches!(error, DeployError::DependsOnValues { .. }),
        "{error}"
    );
    let error = Graph::capture(&model, example([1, 7], &device), Mlp::forward).unwrap_err();
    assert!(matches!(error, DeployError::Forward { .. }), "{error}");
    assert!(error.to_string().contains("an example of shape [1, 7]"));
}

#[test]
fn an_output_of_another_device_is_refused() {
    let device = Device::flex();
    let model = Mlp::new(&[6, 4, 3], &device);
    let elsewhere = example([1, 2], &device);
    let forward = |model: &Mlp, x: Tensor<2>| (model.forward(x), elsewhere.clone());
    let error = Graph::capture(&model, example([1, 6], &device), forward).unwrap_err();
    assert!(error.to_string().contains("another device"), "{error}");
}
