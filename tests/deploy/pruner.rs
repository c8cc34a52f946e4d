//! Which channels a pruner chooses.

use burn::module::{Module, Param, ParamGroup};
use burn::nn::conv::Conv2d;
use burn::nn::{
    GroupNorm, GroupNormConfig, InstanceNorm, InstanceNormConfig, Linear, LinearConfig,
};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use burn_prune::{
    Allocation, Criterion, GroupWeights, Magnitude, NormScale, Normalize, Prunable, PruneError,
    Pruner, Random, Scores, Units, Weight,
};
use burn_prune_deploy::{Graph, Selection};

use examples_shared::nets::conv;
use examples_shared::nets::convolutional::{Mlp, Vgg11};
use examples_shared::nets::residual::ResNet18;

use crate::common::{select, values, vgg};
use crate::random::{assert_close, example, randomised};

/// The last units go first.
#[derive(Debug)]
struct Last(f64);

impl Criterion for Last {
    fn scores(&self, _: &Weight<'_>, _: &Units) -> Result<Scores, PruneError> {
        unreachable!("it is asked for groups")
    }

    fn group_scores(&self, group: &GroupWeights<'_>) -> Result<Scores, PruneError> {
        let units = (0..group.units()).map(|unit| -self.0 * unit as f64);
        Ok(units.collect::<Vec<f64>>().into())
    }
}

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
    let gone = |pruner: Pruner| {
        let layer = ParamGroup::from_path("layers.0.weight");
        let pruner = pruner.allocation(Allocation::per_layer([(layer, 0.34)]));
        let selection = select(pruner, &model, &groups);
        selection.kept()[0].iter().position(|kept| !kept).unwrap()
    };
    assert_eq!(gone(Pruner::new(Magnitude::l1())), 0);
    assert_eq!(gone(Pruner::new(Magnitude::l2())), 1);
    assert_eq!(gone(Pruner::new(Last(1.0))), 2);
    let refused = |pruner: Pruner| {
        let pruner = pruner.pattern(groups.pattern()).amount(0.5);
        pruner.masks(&model).unwrap_err()
    };
    let scale = refused(Pruner::new(NormScale));
    assert!(matches!(scale, PruneError::Criterion { .. }), "{scale}");
    let nan = refused(Pruner::new(Last(f64::NAN)));
    assert!(
        matches!(nan, PruneError::NonFiniteScore { unit: 0, .. }),
        "{nan}"
    );
}

#[test]
fn the_least_scaled_channels_go_first() {
    let device = Device::flex();
    let (model, input) = vgg(&device);
    let graph = Graph::capture(&model, input, Vgg11::forward).unwrap();
    let groups = graph.groups().unwrap();
    let selection = select(Pruner::new(NormScale).amount(0.25), &model, &groups);
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
    let fewer = |before: u64, after: u64| 1.0 - after as f64 / before as f64;
    for shared_by in [Allocation::Uniform, Allocation::Global] {
        let pruner = Pruner::new(Magnitude::l2())
            .normalize(Normalize::Mean)
            .pattern(groups.pattern())
            .min_count(4);
        let goal = groups.multiply_adds_with(0.6, shared_by.clone());
        let goal = pruner.clone().allocation(groups.multiple_of(4, goal));
        let selection = select(goal, &model, &groups);
        let after = selection.graph().cost().multiply_adds();
        let gone = fewer(before.multiply_adds(), after);
        assert!((0.6..0.75).contains(&gone), "{gone}");
        for kept in selection.kept() {
            let kept = kept.iter().filter(|kept| **kept).count();
            assert!(kept >= 4 && kept % 4 == 0, "{kept}");
        }
        let goal = groups.parameters_with(0.3, shared_by.clone());
        let goal = pruner.clone().allocation(groups.multiple_of(4, goal));
        let after = select(goal, &model, &groups).graph().cost().parameters();
        let gone = fewer(before.parameters(), after);
        assert!((0.3..0.45).contains(&gone), "{gone}");

        let goal = groups.multiply_adds_with(0.99, shared_by);
        let refused = pruner.min_count(16).allocation(goal).masks(&model);
        let refused = refused.unwrap_err().to_string();
        let most = groups
            .groups()
            .iter()
            .fold(Selection::new(&groups), |most, group| {
                most.remove(&group.name, 16..group.units.len()).unwrap()
            });
        let most = fewer(before.multiply_adds(), most.graph().cost().multiply_adds());
        let expected = format!("no more than {:.1} % of the multiply-adds", 100.0 * most);
        assert!(refused.contains(&expected), "{refused} {expected}");
    }
}

#[test]
fn the_same_seed_chooses_the_same_channels() {
    let device = Device::flex();
    let (model, input) = vgg(&device);
    let graph = Graph::capture(&model, input, Vgg11::forward).unwrap();
    let groups = graph.groups().unwrap();
    let kept = |seed| {
        let pruner = Pruner::new(Random::new(seed)).amount(0.5);
        select(pruner, &model, &groups).kept().to_vec()
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
    let selection = select(Pruner::new(NormScale).amount(0.5), &model, &groups);
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
    let selection = select(Pruner::new(NormScale).amount(0.5), &model, &groups);
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
    let graph = Graph::capture(&model, input.clone(), Mlp::forward).unwrap();
    let groups = graph.groups().unwrap();
    let pruner = || Pruner::new(Magnitude::l2()).pattern(groups.pattern());
    let first = select(pruner().amount(0.5), &model, &groups);
    let masked = model.with_masks(&first.masks()).unwrap();
    let second = select(pruner().amount(0.5), &masked, &groups);
    assert_eq!((count(&first.kept()[0]), count(&second.kept()[0])), (8, 4));
    let pairs = || first.kept()[0].iter().zip(&second.kept()[0]);
    assert!(pairs().all(|(first, second)| *first || !*second));
    // What is gone is cut, also when nothing more is asked for, and is not counted twice.
    let of_layer = |fraction: f64| {
        let layer = ParamGroup::from_path("layers.0.weight");
        pruner().allocation(Allocation::per_layer([(layer, fraction)]))
    };
    let multiples = groups.multiple_of(3, Allocation::Uniform);
    for (pruner, left) in [
        (pruner().amount(0.0), 8),
        (pruner().amount(0.25), 6),
        (pruner().amount(0.25).allocation(Allocation::Global), 6),
        (of_layer(0.75), 2),
        (pruner().amount(0.5).allocation(multiples), 6),
        (pruner().amount(3).min_count(5), 5),
    ] {
        let kept = select(pruner.clone(), &masked, &groups).kept()[0].clone();
        assert_eq!(count(&kept), left, "{pruner:?}");
        let mut pairs = kept.iter().zip(&first.kept()[0]);
        assert!(pairs.all(|(kept, first)| *first || !*kept));
    }
    // Half of the multiply-adds are gone already.
    let half = pruner().allocation(groups.multiply_adds(0.5));
    assert_eq!(select(half, &masked, &groups).kept(), first.kept());
    // More than there are.
    let floor = pruner().amount(1).min_count(12).masks(&masked).unwrap_err();
    assert!(
        matches!(
            floor,
            PruneError::FloorContradictsAmount { available: 0, .. }
        ),
        "{floor}"
    );
    let small = second.plan();
    let small = small.shrink(&masked, input.clone(), Mlp::forward).unwrap();
    let masked = masked.with_masks(&second.masks()).unwrap();
    assert_eq!(small.layers[0].weight.dims(), [6, 4]);
    assert_close(&small.forward(input.clone()), &masked.forward(input));
}

#[test]
fn of_equal_units_the_first_ones_stay() {
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
    // Zeros without a mask are not gone yet.
    for allocation in [Allocation::Uniform, Allocation::Global] {
        let pruner = Pruner::new(Magnitude::l1()).allocation(allocation);
        let selection = select(pruner.clone().amount(0.5), &model, &groups);
        assert_eq!(selection.kept(), [[true, true, false, false]]);
        let selection = select(pruner.amount(3), &model, &groups);
        assert_eq!(selection.kept(), [[true, false, false, false]]);
    }
}
