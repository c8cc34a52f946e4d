//! What is refused, and what it says.

use burn::tensor::{Device, Tensor};
use burn_prune_deploy::{ChannelPruner, DeployError, Graph, Importance};

use examples_shared::nets::convolutional::Mlp;

use crate::random::example;

#[test]
fn numbers_that_make_no_sense_are_refused() {
    let device = Device::flex();
    let model = Mlp::new(&[6, 4, 3], &device);
    let graph = Graph::capture(&model, example([1, 6], &device), Mlp::forward).unwrap();
    let groups = graph.groups().unwrap();
    let pruner = || ChannelPruner::new(Importance::l1());
    for fraction in [-0.1, 1.1, f64::NAN] {
        let error = pruner().fraction(fraction).select(&groups).unwrap_err();
        assert!(
            matches!(error, DeployError::InvalidFraction { .. }),
            "{error}"
        );
    }
    let zero = pruner().floor(0).select(&groups).unwrap_err();
    assert_eq!(zero.to_string(), "the floor must be at least 1");
    let unknown = pruner()
        .group_fraction("fc", 0.5)
        .select(&groups)
        .unwrap_err();
    assert!(
        matches!(unknown, DeployError::UnknownGroup { .. }),
        "{unknown}"
    );
    // All but one, whatever is asked for.
    let all = pruner().fraction(1.0).select(&groups).unwrap();
    assert_eq!(all.kept()[0].iter().filter(|kept| **kept).count(), 1);
}

#[test]
fn a_forward_pass_that_cannot_be_captured_says_why() {
    let device = Device::flex();
    let model = Mlp::new(&[6, 4, 3], &device);
    let input = example([1, 6], &device);
    let decides = |model: &Mlp, x: Tensor<2>| {
        let output = model.forward(x);
        match output.clone().sum().into_scalar::<f32>() > 0.0 {
            true => output,
            false => -output,
        }
    };
    let error = Graph::capture(&model, input, decides).unwrap_err();
    assert!(
        matches!(error, DeployError::DependsOnValues { .. }),
        "{error}"
    );
    let error = Graph::capture(&model, example([1, 7], &device), Mlp::forward).unwrap_err();
    assert!(matches!(error, DeployError::Forward { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("has the example the right shape?")
    );
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
