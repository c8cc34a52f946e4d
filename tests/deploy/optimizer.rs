//! Training goes on with the small model, and what the optimizer knew of it.

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{
    AdafactorConfig, AdamConfig, GradientsParams, ModuleOptimizer, SgdConfig,
    momentum::MomentumConfig,
};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use burn_prune::{Magnitude, MaskMode, Prunable, Pruner, map_optimizer_state};
use burn_prune_deploy::{DeployError, Graph, ShrinkPlan};
use examples_shared::nets::convolutional::{LeNet5, Mlp};

use crate::common::select;
use crate::random::{assert_close, example, randomised};

fn train(mut model: LeNet5, mut optimizer: ModuleOptimizer) -> (LeNet5, ModuleOptimizer) {
    let device = model.devices()[0].clone();
    let input = example([4, 1, 28, 28], &device);
    let labels = Tensor::<1, Int>::from_data(TensorData::from([3, 1, 4, 1]), &device);
    for _ in 0..3 {
        let loss = CrossEntropyLossConfig::new().init(&device);
        let loss = loss.forward(model.forward(input.clone()), labels.clone());
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(0.01, model, gradients).zero_pruned();
    }
    (model, optimizer)
}

/// A masked model in training, its optimizer, and the plan to cut both.
fn in_training(optimizer: ModuleOptimizer) -> (LeNet5, ModuleOptimizer, ShrinkPlan) {
    let device = Device::flex().autodiff();
    let model = randomised(LeNet5::new(&device), 5);
    let input = example([1, 1, 28, 28], &device);
    let graph = Graph::capture(&model, input, LeNet5::forward).unwrap();
    let groups = graph.groups().unwrap();
    let selection = select(Pruner::new(Magnitude::l1()).amount(0.5), &model, &groups);
    let model = model.with_masks(&selection.masks()).unwrap();
    let model = model.with_mask_mode(MaskMode::AfterStep).unwrap();
    let (model, optimizer) = train(model, optimizer);
    let plan = selection.plan();
    (model, optimizer, plan)
}

/// To train and then to cut gives what to cut and then to train does.
fn commutes(optimizer: ModuleOptimizer) {
    let (model, optimizer, plan) = in_training(optimizer);
    let input = example([1, 1, 28, 28], &model.devices()[0]);
    let cut = |model: &LeNet5| plan.shrink(model, input.clone(), LeNet5::forward).unwrap();
    let small_optimizer = plan.shrink_optimizer(&optimizer, &model).unwrap();
    let (small, _) = train(cut(&model), small_optimizer);
    let (forgetful, _) = train(
        cut(&model),
        optimizer.clone().load_record(Default::default()),
    );
    let expected = cut(&train(model, optimizer).0);
    let weights = |model: &LeNet5| model.conv2.weight.val().inner();
    assert_close(&weights(&small), &weights(&expected));
    let difference = weights(&forgetful) - weights(&expected);
    let difference: f32 = difference.abs().max().into_scalar();
    assert!(difference > 1e-4, "the state does not matter: {difference}");
}

#[test]
fn adam_goes_on() {
    commutes(AdamConfig::new().init());
}

#[test]
fn momentum_goes_on() {
    let momentum = MomentumConfig::new().with_momentum(0.9);
    commutes(SgdConfig::new().with_momentum(Some(momentum)).init());
}

#[test]
fn factors_of_rows_and_columns_are_cut() {
    let (model, optimizer, plan) = in_training(AdafactorConfig::new().init());
    let small = plan.apply(&model).unwrap();
    let optimizer = plan.shrink_optimizer(&optimizer, &model).unwrap();
    let mut shapes = Vec::new();
    map_optimizer_state(&optimizer, |parameter, state| {
        if parameter == small.fc2.weight.id {
            shapes.push(state.shape().to_vec());
        }
        Some(state)
    })
    .unwrap();
    assert_eq!(small.fc2.weight.dims(), [60, 42]);
    shapes.sort();
    assert_eq!(shapes, [[1, 42], [60, 1]]);
    train(small, optimizer);
}

#[test]
fn state_of_no_known_shape_is_forgotten() {
    let (model, optimizer, plan) = in_training(AdamConfig::new().init());
    let odd = map_optimizer_state(&optimizer, |parameter, state| {
        if parameter == model.fc2.weight.id {
            Some(TensorData::zeros::<f32, _>([3, 84]))
        } else if parameter == model.fc3.weight.id {
            // Its first axis, along which the weight is cut, fits.
            Some(TensorData::zeros::<f32, _>([84, 84]))
        } else {
            Some(state)
        }
    });
    let cut = plan.shrink_optimizer(&odd.unwrap(), &model).unwrap();
    let mut known = Vec::new();
    map_optimizer_state(&cut, |parameter, state| {
        known.push(parameter);
        Some(state)
    })
    .unwrap();
    assert!(!known.contains(&model.fc2.weight.id));
    assert!(!known.contains(&model.fc3.weight.id));
    assert!(known.contains(&model.fc1.weight.id));
    train(plan.apply(&model).unwrap(), cut);
}

#[test]
fn state_that_would_change_its_type_is_refused() {
    let mut model = Mlp::new(&[4, 3, 2], &Device::flex());
    for layer in &mut model.layers {
        layer.weight = (layer.weight.clone()).map(|weight| weight.cast(DType::F64));
        let bias = layer.bias.take();
        layer.bias = bias.map(|bias| bias.map(|bias| bias.cast(DType::F64)));
    }
    let model = model.train();
    let input = example([5, 4], &model.devices()[0]).cast(DType::F64);
    let gradients = GradientsParams::from_grads(model.forward(input).sum().backward(), &model);
    let mut optimizer = AdamConfig::new().init();
    drop(optimizer.step(0.1, model, gradients));
    assert!(!optimizer.to_record().is_empty());
    let error = map_optimizer_state(&optimizer, |_, state| Some(state))
        .err()
        .unwrap();
    assert!(error.to_string().contains("it is F64"), "{error}");
}

#[test]
fn a_plan_of_another_model_is_refused() {
    let (_, optimizer, plan) = in_training(AdamConfig::new().init());
    let other = Mlp::new(&[4, 3, 2], &Device::flex());
    let error = plan.shrink_optimizer(&optimizer, &other).err().unwrap();
    assert!(
        matches!(error, DeployError::ModelMismatch { .. }),
        "{error}"
    );
}
