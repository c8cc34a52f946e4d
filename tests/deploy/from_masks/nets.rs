//! All nets of the examples, under random masks.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_prune::{MaskSet, Prunable};
use burn_prune_deploy::{DeployError, FieldEdit, Graph, GraphTensors, Selection, ShrinkPlan};

use super::Masker;
use crate::random::{Outputs, example, randomised};
use examples_shared::nets::convolutional::{LeNet5, Mlp, Vgg11};
use examples_shared::nets::others::{Attention, DenseNet, Grouped, Transformer, UNet, Yolo};
use examples_shared::nets::residual::{MobileNetV2, ResNet18};

/// How often it came to what.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    pub(super) cut: usize,
    folds: usize,
    pub(super) folded: usize,
    constants: usize,
    /// Plans that had to be made again after more training.
    stale: usize,
    disagreements: usize,
    last: usize,
}

fn with<M: Module>(model: M, masks: &MaskSet) -> M {
    if masks.is_empty() {
        return model;
    }
    model.with_masks(masks).unwrap()
}

fn same<M: Module, I: GraphTensors, O: Outputs>(
    what: &str,
    models: [&M; 2],
    inputs: &[I],
    forward: impl Fn(&M, I) -> O,
) {
    for input in inputs {
        let [found, expected] = models.map(|model| forward(model, input.clone()).values().concat());
        let largest = expected
            .iter()
            .fold(0.0f32, |max, value| max.max(value.abs()));
        assert!(largest.is_finite() && found.len() == expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert!(
                (found - expected).abs() <= 2e-5 * largest.max(1e-3),
                "{what}: {found} instead of {expected}, where the largest is {largest}"
            );
        }
    }
}

/// Under random masks, what is shrunk computes what is masked; so it does when the rest is masked.
pub(super) fn check<M: Module, I: GraphTensors, O: GraphTensors + Outputs>(
    new: impl Fn() -> M,
    inputs: &[I],
    forward: impl Fn(&M, I) -> O + Copy,
    edit: impl Fn(M, &[FieldEdit]) -> M,
) -> Counts {
    check_seeds(12, new, inputs, forward, edit)
}

/// The same with so many seeds.
fn check_seeds<M: Module, I: GraphTensors, O: GraphTensors + Outputs>(
    seeds: u64,
    new: impl Fn() -> M,
    inputs: &[I],
    forward: impl Fn(&M, I) -> O + Copy,
    edit: impl Fn(M, &[FieldEdit]) -> M,
) -> Counts {
    let scale = std::env::var("BURN_PRUNE_TEST_SCALE").ok();
    let scale: u64 = scale.map_or(1, |scale| scale.parse().unwrap());
    let mut counts = Counts::default();
    for seed in 0..seeds * scale {
        let model = randomised(new(), seed);
        let graph = Graph::capture(&model, inputs[0].clone(), forward).unwrap();
        let groups = graph.groups().unwrap();
        let masks = Masker::new(seed).masks(&groups);
        let masked = with(model, &masks);
        let selection = Selection::from_masks(&groups, &masks).unwrap();
        let shrink = |what: &str, selection: &Selection, model: &M| {
            let edit_fields = |model, edits: &[_]| edit(model, edits);
            let plan = selection.plan();
            plan.shrink_with(model, edit_fields, inputs[0].clone(), forward)
                .unwrap_or_else(|error| panic!("{what}: {error}"))
        };
        let what = format!("seed {seed}");
        let small = shrink(&what, &selection, &masked);
        same(&what, [&small, &masked], inputs, forward);

        let again = Selection::from_masks(&groups, &selection.masks()).unwrap();
        assert_eq!(again.kept(), selection.kept(), "seed {seed}");
        let remasked = with(masked.clone(), &selection.masks());
        same(
            &format!("{what}, masks of the selection"),
            [&small, &remasked],
            inputs,
            forward,
        );

        // Training goes on under the masks: the plan is right, or refused.
        // A clone would share running statistics.
        let trained = with(randomised(masked.valid(), seed + 1_000), &masks);
        let plan = selection.plan();
        let saved = serde_json::to_string(&plan).unwrap();
        let plan_of_file: ShrinkPlan = serde_json::from_str(&saved).unwrap();
        assert_eq!(plan_of_file, plan, "{what}");
        let edit_fields = |model, edits: &[_]| edit(model, edits);
        match plan_of_file.shrink_with(&trained, edit_fields, inputs[0].clone(), forward) {
            Ok(small) => same(
                &format!("{what}, trained further"),
                [&small, &trained],
                inputs,
                forward,
            ),
            Err(DeployError::ConstantChanged { .. }) => counts.stale += 1,
            Err(error) => panic!("{what}, trained further: {error}"),
        }

        counts.cut += selection
            .kept()
            .concat()
            .iter()
            .filter(|kept| !**kept)
            .count();
        counts.folds += selection.plan().folds.len();
        let folded = selection.constants().iter().filter(|unit| unit.is_cut);
        counts.folded += folded.count();
        counts.constants += selection.constants().len();
        counts.disagreements += selection.disagreements().len();
        counts.last += selection.last_units().len();

        let extended = selection.extend();
        let masked = with(masked, &extended.masks());
        let what = format!("{what}, extended");
        let small = shrink(&what, &extended, &masked);
        same(&what, [&small, &masked], inputs, forward);
    }
    println!("{counts:?}");
    assert!(counts.cut > 0 && counts.disagreements > 0, "{counts:?}");
    counts
}

pub(super) fn none<M>(model: M, edits: &[FieldEdit]) -> M {
    assert_eq!(edits, []);
    model
}

pub(super) fn images<const D: usize>(shape: [usize; D], device: &Device) -> Vec<Tensor<D>> {
    let mut other = shape;
    other[0] = 3;
    vec![example(shape, device), example(other, device)]
}

#[test]
fn mlp() {
    let device = Device::flex();
    let counts = check(
        || Mlp::new(&[20, 16, 12, 4], &device),
        &images([2, 20], &device),
        Mlp::forward,
        none,
    );
    assert!(counts.folded > 0);
}

#[test]
fn lenet_5() {
    let device = Device::flex();
    let counts = check(
        || LeNet5::new(&device),
        &images([2, 1, 28, 28], &device),
        LeNet5::forward,
        none,
    );
    assert!(counts.folded > 0);
}

#[test]
fn vgg_11() {
    let device = Device::flex();
    let counts = check(
        || Vgg11::new(8, &device),
        &images([2, 3, 32, 32], &device),
        Vgg11::forward,
        none,
    );
    assert!(counts.constants > counts.folded);
}

#[test]
fn resnet_18() {
    let device = Device::flex();
    check(
        || ResNet18::new(8, 10, &device),
        &images([2, 3, 32, 32], &device),
        ResNet18::forward,
        none,
    );
}

#[test]
fn mobilenet_v2() {
    let device = Device::flex();
    // It is large.
    let counts = check_seeds(
        4,
        || MobileNetV2::new(10, &device),
        &images([1, 3, 32, 32], &device),
        MobileNetV2::forward,
        none,
    );
    assert!(counts.folded > 0);
}

#[test]
fn densenet() {
    let device = Device::flex();
    check(
        || DenseNet::new(&device),
        &images([2, 3, 16, 16], &device),
        DenseNet::forward,
        none,
    );
}

#[test]
fn u_net() {
    let device = Device::flex();
    check(
        || UNet::new(&device),
        &images([2, 1, 16, 16], &device),
        UNet::forward,
        none,
    );
}

#[test]
fn yolo() {
    let device = Device::flex();
    check(
        || Yolo::new(&device),
        &images([1, 3, 64, 64], &device),
        Yolo::forward,
        none,
    );
}

#[test]
fn transformer() {
    let device = Device::flex();
    let words = |words: &[[i64; 5]]| {
        let data = TensorData::new(words.concat(), [words.len(), 5]);
        Tensor::<2, Int>::from_data(data, &device)
    };
    let words = [
        words(&[[1, 5, 7, 2, 9], [3, 3, 0, 19, 4]]),
        words(&[[1, 5, 7, 2, 9], [3, 3, 0, 19, 4], [8, 1, 1, 2, 11]]),
    ];
    let counts = check(
        || Transformer::new(&device),
        &words,
        Transformer::forward,
        none,
    );
    assert!(counts.folded > 0);
}

#[test]
fn attention() {
    let device = Device::flex();
    check(
        || Attention::new(16, 4, &device),
        &images([2, 5, 16], &device),
        Attention::forward,
        none,
    );
}

#[test]
fn grouped() {
    let device = Device::flex();
    let edit = |mut model: Grouped, edits: &[FieldEdit]| {
        for edit in edits {
            match (edit.path.as_str(), edit.field.as_str()) {
                ("norm", "num_groups") => model.norm.num_groups = edit.to,
                ("norm", "num_channels") => model.norm.num_channels = edit.to,
                ("depthwise", "groups") => model.depthwise.groups = edit.to,
                (path, field) => panic!("{path}.{field}"),
            }
        }
        model
    };
    check(
        || Grouped::new(&device),
        &images([2, 3, 8, 8], &device),
        Grouped::forward,
        edit,
    );
}
