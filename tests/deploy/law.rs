//! The law: what is shrunk computes what is masked.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_prune::{Magnitude, Prunable, Pruner};
use burn_prune_deploy::{FieldEdit, Graph, GraphTensors, Selection, ShrinkPlan};

use crate::common::select;
use crate::random::{Outputs, assert_close, example, randomised};
use examples_shared::nets::convolutional::{LeNet5, Mlp, Vgg11};
use examples_shared::nets::others::{Attention, DenseNet, Grouped, Transformer, UNet, Yolo};
use examples_shared::nets::residual::{MobileNetV2, ResNet18};

/// Every group loses half of its units, and the outputs stay those of the masked model.
fn halve<M: Module, I: GraphTensors, O: GraphTensors + Outputs>(
    model: M,
    input: I,
    forward: impl Fn(&M, I) -> O + Copy,
    edit: impl FnOnce(M, &[FieldEdit]) -> M,
) -> M {
    let model = randomised(model, 1);
    let graph = Graph::capture(&model, input.clone(), forward).unwrap();
    let groups = graph.groups().unwrap();
    assert!(!groups.groups().is_empty());
    let selection = select(Pruner::new(Magnitude::l2()).amount(0.5), &model, &groups);
    for (group, kept) in groups.groups().iter().zip(selection.kept()) {
        let left = kept.iter().filter(|kept| **kept).count();
        let half = kept.len() as f64 / 2.0;
        assert_eq!(
            left,
            (kept.len() as f64 - half.round_ties_even()).max(1.0) as usize,
            "{}",
            group.name
        );
    }
    let masks = selection.masks();
    let found = Selection::from_masks(&groups, &masks).unwrap();
    assert_eq!(found.kept(), selection.kept());
    assert_eq!(found.masks(), masks);
    let dense = forward(&model, input.clone());
    let masked = model.with_masks(&masks).unwrap();
    let expected = forward(&masked, input.clone());
    assert_ne!(dense.values(), expected.values());
    let plan = selection.plan();
    let small = plan
        .shrink_with(&masked, edit, input.clone(), forward)
        .unwrap();
    assert_close(&forward(&small, input.clone()), &expected);
    // The masked model is what it was.
    assert_eq!(forward(&masked, input.clone()).values(), expected.values());
    let saved = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<ShrinkPlan>(&saved).unwrap(), plan);
    let found = Graph::capture(&small, input, forward).unwrap().cost();
    assert_eq!(found.multiply_adds(), plan.graph.cost().multiply_adds());
    assert_eq!(found.parameters(), plan.graph.cost().parameters());
    small
}

fn none<M>(model: M, edits: &[FieldEdit]) -> M {
    assert_eq!(edits, []);
    model
}

#[test]
fn mlp() {
    let device = Device::flex();
    let model = Mlp::new(&[784, 300, 100, 10], &device);
    let small = halve(model, example([2, 784], &device), Mlp::forward, none);
    let shapes: Vec<_> = small
        .layers
        .iter()
        .map(|layer| layer.weight.dims())
        .collect();
    assert_eq!(shapes, [[784, 150], [150, 50], [50, 10]]);
}

#[test]
fn lenet_5() {
    let device = Device::flex();
    let input = example([2, 1, 28, 28], &device);
    let small = halve(LeNet5::new(&device), input, LeNet5::forward, none);
    assert_eq!(small.conv2.weight.dims(), [8, 3, 5, 5]);
    assert_eq!(small.fc1.weight.dims(), [200, 60]);
}

#[test]
fn vgg_11() {
    let device = Device::flex();
    let input = example([2, 3, 32, 32], &device);
    halve(Vgg11::new(16, &device), input, Vgg11::forward, none);
}

#[test]
fn resnet_18() {
    let device = Device::flex();
    let input = example([2, 3, 32, 32], &device);
    let small = halve(
        ResNet18::new(16, 10, &device),
        input,
        ResNet18::forward,
        none,
    );
    assert_eq!(small.blocks[7].conv2.weight.dims(), [64, 64, 3, 3]);
}

#[test]
fn mobilenet_v2() {
    let device = Device::flex();
    let input = example([1, 3, 64, 64], &device);
    let small = halve(
        MobileNetV2::new(10, &device),
        input,
        MobileNetV2::forward,
        none,
    );
    assert_eq!(small.blocks[1].depthwise.weight.dims(), [48, 1, 3, 3]);
}

#[test]
fn densenet() {
    let device = Device::flex();
    let input = example([2, 3, 16, 16], &device);
    let small = halve(DenseNet::new(&device), input, DenseNet::forward, none);
    assert_eq!(small.head.weight.dims(), [10, 24, 1, 1]);
}

#[test]
fn u_net() {
    let device = Device::flex();
    let input = example([2, 1, 16, 16], &device);
    let small = halve(UNet::new(&device), input, UNet::forward, none);
    assert_eq!(small.up2.weight.dims(), [16, 8, 2, 2]);
}

#[test]
fn yolo() {
    let device = Device::flex();
    let input = example([1, 3, 64, 64], &device);
    let small = halve(Yolo::new(&device), input, Yolo::forward, none);
    assert_eq!(small.neck.last.conv.weight.dims(), [8, 12, 1, 1]);
}

#[test]
fn transformer_widths() {
    let device = Device::flex();
    let words = TensorData::from([[1, 5, 7, 2, 9], [3, 3, 0, 19, 4]]);
    let words = Tensor::<2, Int>::from_data(words, &device);
    halve(Transformer::new(&device), words, Transformer::forward, none);
}

#[test]
fn heads_of_attention() {
    let device = Device::flex();
    let input = example([2, 5, 16], &device);
    let small = halve(
        Attention::new(16, 4, &device),
        input,
        Attention::forward,
        none,
    );
    assert_eq!(small.query.weight.dims(), [16, 8]);
    assert_eq!(small.output.weight.dims(), [8, 16]);
}

#[test]
fn group_norm_and_grouped_convolutions() {
    let device = Device::flex();
    let input = example([2, 3, 8, 8], &device);
    let edit = |mut model: Grouped, edits: &[FieldEdit]| {
        let to = |path: &str, field: &str| {
            let mut edits = edits.iter();
            edits
                .find(|edit| edit.path == path && edit.field == field)
                .unwrap()
                .to
        };
        model.norm.num_groups = to("norm", "num_groups");
        model.norm.num_channels = to("norm", "num_channels");
        model.depthwise.groups = to("depthwise", "groups");
        model
    };
    let small = halve(Grouped::new(&device), input, Grouped::forward, edit);
    assert_eq!(small.grouped.groups, 2);
    assert_eq!(small.depthwise.weight.dims(), [12, 1, 3, 3]);
}
