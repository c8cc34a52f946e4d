//! Models, plans and choices: what is touched, what is refused, what is left.

use burn::module::{Module, Param};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Int, Tensor, TensorData, activation::relu};
use burn_prune::Prunable;
use burn_prune_deploy::{
    ChannelPruner, DeployError, Graph, Groups, Importance, Selection, ShrinkPlan,
};

use examples_shared::nets::convolutional::{LeNet5, Mlp, Vgg11};
use examples_shared::nets::others::{Grouped, Transformer};
use examples_shared::nets::residual::ResNet18;
use crate::random::{example, randomised};

fn vgg(device: &Device) -> (Vgg11, Tensor<4>) {
    let model = randomised(Vgg11::new(4, device), 3);
    (model, example([2, 3, 32, 32], device))
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

fn halved(groups: &Groups<'_>) -> ShrinkPlan {
    let pruner = ChannelPruner::new(Importance::l1()).fraction(0.5);
    pruner.select(groups).unwrap().plan()
}

#[test]
fn a_model_that_is_trained_stays_as_it_is_statistics_included() {
    let device = Device::flex().autodiff();
    let (model, input) = vgg(&device);
    let sister = model.clone();
    let statistics = |model: &Vgg11| {
        let norms = model.blocks.iter().map(|block| &block.norm);
        let norms = norms.flat_map(|norm| [&norm.running_mean, &norm.running_var]);
        norms
            .map(|state| values(state.value_sync()))
            .collect::<Vec<_>>()
    };
    let (before, output) = (
        statistics(&model),
        values(model.valid().forward(input.clone().inner())),
    );
    let graph = Graph::capture(&model, input.clone(), Vgg11::forward).unwrap();
    let groups = graph.groups().unwrap();
    let small = halved(&groups)
        .shrink(&model, input.clone(), Vgg11::forward)
        .unwrap();
    assert_eq!(small.blocks[0].norm.running_mean.value_sync().dims(), [2]);
    for model in [&model, &sister] {
        assert_eq!(statistics(model), before);
        assert_eq!(values(model.valid().forward(input.clone().inner())), output);
    }
}

#[test]
fn a_shrunk_model_can_be_trained_at_once() {
    let device = Device::flex().autodiff();
    let (model, input) = vgg(&device);
    let frozen = model.blocks[1].conv.weight.id;
    let graph = Graph::capture(&model, input.clone(), Vgg11::forward).unwrap();
    let groups = graph.groups().unwrap();
    let mut small = halved(&groups)
        .shrink(&model, input.clone(), Vgg11::forward)
        .unwrap();
    assert_eq!(small.blocks[1].conv.weight.id, frozen);
    let labels = Tensor::<1, Int>::from_data([3, 8], &device);
    let mut optimizer = AdamConfig::new().init();
    let mut losses = Vec::new();
    for _ in 0..8 {
        let output = small.forward(input.clone());
        let loss = CrossEntropyLossConfig::new()
            .init(&device)
            .forward(output, labels.clone());
        losses.push(loss.clone().into_scalar::<f32>());
        let grads = GradientsParams::from_grads(loss.backward(), &small);
        assert_eq!(grads.len(), 8 * 3 + 2);
        small = optimizer.step(1e-2, small, grads);
    }
    assert!(losses[7] < losses[0], "{losses:?}");
}

#[test]
fn a_saved_plan_makes_a_fresh_model_take_the_small_weights() {
    let device = Device::flex();
    let (model, input) = vgg(&device);
    let graph = Graph::capture(&model, input.clone(), Vgg11::forward).unwrap();
    let groups = graph.groups().unwrap();
    let plan = halved(&groups);
    let small = plan.shrink(&model, input.clone(), Vgg11::forward).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plan.json");
    std::fs::write(&file, serde_json::to_vec(&plan).unwrap()).unwrap();
    let plan: ShrinkPlan = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let fresh = plan.apply(&Vgg11::new(4, &device)).unwrap();
    let weights = folder.path().join("small.bpk");
    small.clone().save_file(&weights).unwrap();
    let loaded = fresh.load_file(&weights);
    assert_eq!(
        values(loaded.forward(input.clone())),
        values(small.forward(input))
    );
}

#[test]
fn a_plan_of_another_model_is_refused_by_name() {
    let device = Device::flex();
    let (model, input) = vgg(&device);
    let graph = Graph::capture(&model, input, Vgg11::forward).unwrap();
    let groups = graph.groups().unwrap();
    let plan = halved(&groups);
    let error = plan.apply(&Vgg11::new(8, &device)).unwrap_err();
    let expected = "this plan is of another model: `blocks.0.conv.weight` should be 4x3x3x3, found \
                    8x3x3x3";
    assert_eq!(error.to_string(), expected);
    let error = plan.apply(&LeNet5::new(&device)).unwrap_err();
    assert!(error.to_string().contains("found nothing"), "{error}");
}

#[test]
fn fields_that_were_not_changed_are_named() {
    let device = Device::flex();
    let model = randomised(Grouped::new(&device), 2);
    let input = example([2, 3, 8, 8], &device);
    let graph = Graph::capture(&model, input.clone(), Grouped::forward).unwrap();
    let groups = graph.groups().unwrap();
    let error = halved(&groups)
        .shrink(&model, input, Grouped::forward)
        .unwrap_err();
    let message = error.to_string();
    for part in [
        "`norm.num_groups` from 4 to 2",
        "`norm.num_channels` from 16 to 8",
        "`depthwise.groups` from 24 to 12",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_group_can_be_printed_and_pruned_by_hand() {
    let device = Device::flex();
    let model = Mlp::new(&[6, 4, 3], &device);
    let input = example([1, 6], &device);
    let graph = Graph::capture(&model, input.clone(), Mlp::forward).unwrap();
    let groups = graph.groups().unwrap();
    let text = groups.to_string();
    for line in [
        "layers.0.weight: 4 units",
        "  layers.0.weight, axis 1",
        "  layers.0.bias, axis 0",
        "  layers.1.weight, axis 0",
        "never cut: layers.0.weight, axis 0, 6 entries: an input of the model",
        "never cut: layers.1.bias, axis 0, 3 entries: an output of the model",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    let selection = Selection::new(&groups)
        .remove("layers.0.weight", [1, 3])
        .unwrap();
    let masks = selection.masks();
    let kept = |path: &str| masks.get(path).unwrap().iter().collect::<Vec<bool>>();
    assert_eq!(kept("layers.0.bias"), [true, false, true, false]);
    assert_eq!(
        kept("layers.0.weight"),
        [true, false, true, false].repeat(6)
    );
    let small = selection
        .plan()
        .shrink(&model, input, Mlp::forward)
        .unwrap();
    let before = values(model.layers[0].bias.as_ref().unwrap().val());
    let after = values(small.layers[0].bias.as_ref().unwrap().val());
    assert_eq!(after, [before[0], before[2]]);
    let all = Selection::new(&groups)
        .remove("layers.0.weight", 0..4)
        .unwrap_err();
    assert!(
        matches!(all, DeployError::EmptyGroup { units: 4, .. }),
        "{all}"
    );
    let unit = Selection::new(&groups)
        .remove("layers.0.weight", [4])
        .unwrap_err();
    assert!(
        matches!(unit, DeployError::UnknownUnit { found: 4, .. }),
        "{unit}"
    );
    let group = Selection::new(&groups)
        .remove("layers.9.weight", [0])
        .unwrap_err();
    assert!(
        group.to_string().contains("there are: layers.0.weight"),
        "{group}"
    );
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
fn sizes_in_the_code_of_a_model_are_found_out_after_shrinking() {
    let device = Device::flex();
    let model = LeNet5::new(&device);
    let input = example([2, 1, 28, 28], &device);
    let fixed = |model: &LeNet5, x: Tensor<4>| {
        let x = model.pool.forward(relu(model.conv1.forward(x)));
        let x = model.pool.forward(relu(model.conv2.forward(x)));
        model.fc3.forward(relu(
            model
                .fc2
                .forward(relu(model.fc1.forward(x.reshape([2, 400])))),
        ))
    };
    let graph = Graph::capture(&model, input.clone(), fixed).unwrap();
    let groups = graph.groups().unwrap();
    let error = halved(&groups).shrink(&model, input, fixed).unwrap_err();
    assert!(matches!(error, DeployError::OtherGraph { .. }), "{error}");
    assert!(error.to_string().contains("constants?"), "{error}");
}

/// Takes the largest channels by their numbers.
#[derive(Module, Debug)]
struct TopChannels {
    fc1: Linear,
    fc2: Linear,
}

#[test]
fn an_operation_that_is_not_understood_is_named_with_its_parameters() {
    let device = Device::flex();
    let model = TopChannels {
        fc1: LinearConfig::new(4, 8).init(&device),
        fc2: LinearConfig::new(3, 2).init(&device),
    };
    let forward =
        |model: &TopChannels, x: Tensor<2>| model.fc2.forward(model.fc1.forward(x).topk(3, 1));
    let graph = Graph::capture(&model, example([1, 4], &device), forward).unwrap();
    let error = graph.groups().unwrap_err();
    let DeployError::UnknownOperation { parameters, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(parameters, &["fc1.bias", "fc1.weight", "fc2.weight"]);
}

#[test]
fn heads_of_burns_attention_are_never_cut_and_it_says_why() {
    let device = Device::flex();
    let model = Transformer::new(&device);
    let words = Tensor::<2, Int>::from_data([[1, 2, 3]], &device);
    let graph = Graph::capture(&model, words, Transformer::forward).unwrap();
    let groups = graph.groups().unwrap();
    let names: Vec<_> = groups
        .groups()
        .iter()
        .map(|group| group.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "encoder.layers.0.pwff.linear_inner.weight",
            "encoder.layers.1.pwff.linear_inner.weight"
        ]
    );
    let mut frozen = groups.frozen().iter();
    let query = frozen
        .find(|frozen| frozen.parameter == "encoder.layers.0.mha.query.weight")
        .unwrap();
    assert!(
        query.reason.contains("MultiHeadAttention"),
        "{}",
        query.reason
    );
}

#[test]
fn masks_stay_when_it_is_trained_on_and_then_it_shrinks() {
    let device = Device::flex().autodiff();
    let (model, input) = vgg(&device);
    let graph = Graph::capture(&model, input.clone(), Vgg11::forward).unwrap();
    let groups = graph.groups().unwrap();
    let pruner = ChannelPruner::new(Importance::l2()).fraction(0.5);
    let selection = pruner.select(&groups).unwrap();
    let mut masked = model.with_masks(&selection.masks()).unwrap();
    let labels = Tensor::<1, Int>::from_data([3, 8], &device);
    let mut optimizer = AdamConfig::new().init();
    for _ in 0..3 {
        let output = masked.forward(input.clone());
        let loss = CrossEntropyLossConfig::new()
            .init(&device)
            .forward(output, labels.clone());
        let grads = GradientsParams::from_grads(loss.backward(), &masked);
        masked = optimizer.step(1e-2, masked, grads);
    }
    let input = input.inner();
    let small = selection
        .plan()
        .shrink(&masked, input.clone(), Vgg11::forward)
        .unwrap();
    let (found, expected) = (
        values(small.valid().forward(input.clone())),
        values(masked.valid().forward(input)),
    );
    let largest = expected
        .iter()
        .fold(0.0f32, |max, value| max.max(value.abs()));
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() <= 1e-5 * largest);
    }
}

/// Scores between channels that a sigmoid makes: one that is masked is 0.5, not 0.
#[derive(Module, Debug)]
struct Similarity {
    query: Linear,
    key: Linear,
}

#[test]
fn channels_that_two_activations_are_multiplied_over_are_never_cut() {
    let device = Device::flex();
    let linear = || LinearConfig::new(4, 6).init(&device);
    let model = Similarity {
        query: linear(),
        key: linear(),
    };
    let forward = |model: &Similarity, x: Tensor<2>| {
        let query = burn::tensor::activation::sigmoid(model.query.forward(x.clone()));
        let key = burn::tensor::activation::sigmoid(model.key.forward(x));
        query.matmul(key.transpose())
    };
    let graph = Graph::capture(&model, example([3, 4], &device), forward).unwrap();
    let groups = graph.groups().unwrap();
    assert_eq!(groups.groups().len(), 0);
    let mut frozen = groups.frozen().iter();
    let query = frozen.find(|frozen| frozen.parameter == "query.weight" && frozen.axis == 1);
    assert_eq!(
        query.unwrap().reason,
        "a product of two activations needs all of it"
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
