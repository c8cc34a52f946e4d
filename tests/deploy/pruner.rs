//! Which channels a pruner chooses.

use burn::module::{Module, Param};
use burn::nn::conv::Conv2d;
use burn::nn::{
    GroupNorm, GroupNormConfig, InstanceNorm, InstanceNormConfig, Linear, LinearConfig,
};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use burn_prune::Prunable;
use burn_prune_deploy::{ChannelPruner, DeployError, Graph, Importance};

use examples_shared::nets::conv;
use examples_shared::nets::convolutional::{Mlp, Vgg11};
use examples_shared::nets::residual::ResNet18;

use crate::common::{values, vgg};
use crate::random::{assert_close, example, randomised};

#[test]
fn importances_rank_by_what_they_say() {
    let device = Device::flex();
    let mut model = Mlp::new(&[2, 3, 1], &device);
    let set = |param: &mut Param<Tensor<2>>, rows: &[f32], shape| {
        let data = TensorData::new(rows.to_vec(), shape);
        *param = Param::from_tensor(Tensor::from_data(data, &device));
    };
    // Columns: L1 of 4, 4.5, 5 with what reads them; L2 squared of 16, 8.25, 9.
    set(
        &mut model.layers[0].weight,
        &[4.0, 2.0, 2.0, 0.0, 2.0, 2.0],
        [2, 3],
    );
    set(&mut model.layers[1].weight, &[0.0, 0.5, 1.0], [3, 1]);
    model.layers[0].bias = None;
    let graph = Graph::capture(&model, example([1, 2], &device), Mlp::forward).unwrap();
    let groups = graph.groups().unwrap();
    let gone = |importance: Importance| {
        let pruner = ChannelPruner::new(importance).group_fraction("layers.0.weight", 0.34);
        let selection = pruner.select(&groups).unwrap();
        selection.kept()[0].iter().position(|kept| !kept).unwrap()
    };
    assert_eq!(gone(Importance::l1()), 0);
    assert_eq!(gone(Importance::l2()), 1);
    let last = Importance::custom(|_, unit| -(unit.members[0].indices[0] as f64));
    assert_eq!(gone(last), 2);
    let scale = ChannelPruner::new(Importance::batch_norm_scale()).fraction(0.5);
    assert!(matches!(
        scale.select(&groups),
        Err(DeployError::NoScale { .. })
    ));
    let nan = ChannelPruner::new(Importance::custom(|_, _| f64::NAN)).fraction(0.5);
    assert!(matches!(
        nan.select(&groups),
        Err(DeployError::NotANumber { unit: 0, .. })
    ));
}

#[test]
fn the_least_scaled_channels_go_first() {
    let device = Device::flex();
    let (model, input) = vgg(&device);
    let graph = Graph::capture(&model, input, Vgg11::forward).unwrap();
    let groups = graph.groups().unwrap();
    let pruner = ChannelPruner::new(Importance::batch_norm_scale()).fraction(0.25);
    let selection = pruner.select(&groups).unwrap();
    let scales = values(model.blocks[2].norm.gamma.val());
    let kept = &selection.kept()[2];
    let of = |is_kept: bool| {
        let pairs = scales
            .iter()
            .zip(kept)
            .filter(move |(_, kept)| **kept == is_kept);
        pairs.map(|(scale, _)| scale.abs())
    };
    assert_eq!(of(false).count(), 4);
    assert!(of(false).fold(0.0, f32::max) <= of(true).fold(f32::MAX, f32::min));
}

#[test]
fn targets_are_reached_floors_and_multiples_kept() {
    let device = Device::flex();
    let model = randomised(ResNet18::new(16, 10, &device), 4);
    let graph =
        Graph::capture(&model, example([1, 3, 32, 32], &device), ResNet18::forward).unwrap();
    let groups = graph.groups().unwrap();
    let before = graph.cost();
    for global in [false, true] {
        let pruner = ChannelPruner::new(Importance::l2()).floor(4).multiple_of(4);
        let pruner = if global { pruner.global() } else { pruner };
        let selection = pruner.clone().multiply_adds(0.6).select(&groups).unwrap();
        let gone =
            1.0 - selection.graph().cost().multiply_adds() as f64 / before.multiply_adds() as f64;
        assert!((0.6..0.75).contains(&gone), "{gone}");
        for kept in selection.kept() {
            let kept = kept.iter().filter(|kept| **kept).count();
            assert!(kept >= 4 && kept % 4 == 0, "{kept}");
        }
        let selection = pruner.clone().parameters(0.3).select(&groups).unwrap();
        let gone = 1.0 - selection.graph().cost().parameters() as f64 / before.parameters() as f64;
        assert!((0.3..0.45).contains(&gone), "{gone}");
        let error = pruner
            .floor(16)
            .multiply_adds(0.99)
            .select(&groups)
            .unwrap_err();
        let DeployError::Unreachable { possible, .. } = error else {
            panic!("{error}")
        };
        let most = ChannelPruner::new(Importance::l2())
            .floor(16)
            .multiple_of(4)
            .fraction(1.0);
        let most = most.select(&groups).unwrap().graph().cost().multiply_adds();
        let expected = 100.0 * (1.0 - most as f64 / before.multiply_adds() as f64);
        assert!((possible - expected).abs() < 1e-9, "{possible} {expected}");
    }
}

#[test]
fn the_same_seed_chooses_the_same_channels() {
    let device = Device::flex();
    let (model, input) = vgg(&device);
    let graph = Graph::capture(&model, input, Vgg11::forward).unwrap();
    let groups = graph.groups().unwrap();
    let kept = |seed| {
        let pruner = ChannelPruner::new(Importance::random(seed)).fraction(0.5);
        pruner.select(&groups).unwrap().kept().to_vec()
    };
    assert_eq!(kept(1), kept(1));
    assert_ne!(kept(1), kept(2));
}

fn param<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
    let data = TensorData::new(values.to_vec(), shape);
    Param::from_tensor(Tensor::from_data(data, device))
}

/// Channels that are multiplied with a vector, which is a scale, and with a matrix, which is none.
#[derive(Module, Debug)]
struct Scaled {
    fc1: Linear,
    gate: Param<Tensor<2>>,
    gamma: Param<Tensor<3>>,
    fc2: Linear,
}

#[test]
fn only_vectors_are_scales() {
    let device = Device::flex();
    let model = Scaled {
        fc1: LinearConfig::new(5, 4).init(&device),
        gate: param(&[9.0, 9.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0], [2, 4], &device),
        gamma: param(&[0.1, -0.4, 0.3, -0.2], [1, 1, 4], &device),
        fc2: LinearConfig::new(4, 3).init(&device),
    };
    let forward = |model: &Scaled, x: Tensor<3>| {
        let x = model.fc1.forward(x) * model.gate.val().unsqueeze();
        model.fc2.forward(x * model.gamma.val())
    };
    let graph = Graph::capture(&model, example([1, 2, 5], &device), forward).unwrap();
    let groups = graph.groups().unwrap();
    let pruner = ChannelPruner::new(Importance::batch_norm_scale()).fraction(0.5);
    let selection = pruner.select(&groups).unwrap();
    assert_eq!(selection.kept(), [[false, true, true, false]]);
}

/// Norms that Burn composes of other operations.
#[derive(Module, Debug)]
struct Composed {
    conv1: Conv2d,
    group: GroupNorm,
    conv2: Conv2d,
    instance: InstanceNorm,
    conv3: Conv2d,
}

#[test]
fn scales_of_composed_norms_rank() {
    let device = Device::flex();
    let mut model = Composed {
        conv1: conv([3, 4], 3, 1, &device),
        group: GroupNormConfig::new(4, 4).init(&device),
        conv2: conv([4, 4], 3, 1, &device),
        instance: InstanceNormConfig::new(4).init(&device),
        conv3: conv([4, 2], 3, 1, &device),
    };
    model.group.gamma = Some(param(&[0.1, -0.4, 0.3, -0.2], [4], &device));
    model.instance.gamma = Some(param(&[-0.4, 0.1, -0.2, 0.3], [4], &device));
    let forward = |model: &Composed, x: Tensor<4>| {
        let x = relu(model.group.forward(model.conv1.forward(x)));
        let x = relu(model.instance.forward(model.conv2.forward(x)));
        model.conv3.forward(x)
    };
    let graph = Graph::capture(&model, example([1, 3, 6, 6], &device), forward).unwrap();
    let groups = graph.groups().unwrap();
    let pruner = ChannelPruner::new(Importance::batch_norm_scale()).fraction(0.5);
    let selection = pruner.select(&groups).unwrap();
    let expected = [[false, true, true, false], [true, false, false, true]];
    assert_eq!(selection.kept(), expected);
}

fn count(kept: &[bool]) -> usize {
    kept.iter().filter(|kept| **kept).count()
}

#[test]
fn a_second_selection_works_on_what_the_first_left() {
    let device = Device::flex();
    let model = randomised(Mlp::new(&[6, 16, 3], &device), 5);
    let input = example([2, 6], &device);
    let capture = |model: &Mlp| Graph::capture(model, input.clone(), Mlp::forward).unwrap();
    let graph = capture(&model);
    let groups = graph.groups().unwrap();
    let pruner = || ChannelPruner::new(Importance::l2());
    let first = pruner().fraction(0.5).select(&groups).unwrap();
    let masked = model.with_masks(&first.masks()).unwrap();
    let graph = capture(&masked);
    let groups = graph.groups().unwrap();
    let second = pruner().fraction(0.5).select(&groups).unwrap();
    assert_eq!((count(&first.kept()[0]), count(&second.kept()[0])), (8, 4));
    let pairs = || first.kept()[0].iter().zip(&second.kept()[0]);
    assert!(pairs().all(|(first, second)| *first || !*second));
    // What is gone is cut, also when nothing more is asked for, and is not counted twice.
    for (pruner, left) in [
        (pruner(), 8),
        (pruner().fraction(0.25), 6),
        (pruner().fraction(0.25).global(), 6),
        (pruner().group_fraction("layers.0.weight", 0.75), 2),
        (pruner().fraction(0.5).multiple_of(3), 6),
        (pruner().fraction(1.0).floor(5), 5),
    ] {
        let kept = pruner.select(&groups).unwrap().kept()[0].clone();
        assert_eq!(count(&kept), left, "{pruner:?}");
        let mut pairs = kept.iter().zip(&first.kept()[0]);
        assert!(pairs.all(|(kept, first)| *first || !*kept));
    }
    // Half of the multiply-adds are gone already.
    let half = pruner().multiply_adds(0.5).select(&groups).unwrap();
    assert_eq!(half.kept(), first.kept());
    // More than there are.
    let floor = pruner().floor(12).select(&groups).unwrap();
    assert_eq!(count(&floor.kept()[0]), 12);
    let small = second.plan();
    let small = small.shrink(&masked, input.clone(), Mlp::forward).unwrap();
    let masked = masked.with_masks(&second.masks()).unwrap();
    assert_eq!(small.layers[0].weight.dims(), [6, 4]);
    assert_close(&small.forward(input.clone()), &masked.forward(input));
}

#[test]
fn a_group_of_zeros_keeps_its_first_unit() {
    let device = Device::flex();
    let mut model = Mlp::new(&[6, 4, 3], &device);
    for layer in &mut model.layers {
        layer.weight = param(
            &vec![0.0; layer.weight.dims().iter().product()],
            layer.weight.dims(),
            &device,
        );
        layer.bias = None;
    }
    let graph = Graph::capture(&model, example([1, 6], &device), Mlp::forward).unwrap();
    let groups = graph.groups().unwrap();
    for pruner in [
        ChannelPruner::new(Importance::l1()),
        ChannelPruner::new(Importance::l1()).global(),
    ] {
        let selection = pruner.fraction(0.5).select(&groups).unwrap();
        assert_eq!(selection.kept(), [[true, false, false, false]]);
    }
}
