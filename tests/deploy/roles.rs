//! What parameters do with the channels that go together.

use burn::module::{Module, Param};
use burn::nn::{GroupNorm, GroupNormConfig, Linear, LinearConfig, LinearLayout};
use burn::tensor::{Device, Int, Tensor, activation::relu};
use burn_prune::{CoupledChannels, MemberRole, Pattern};
use burn_prune_deploy::{Graph, Groups};
use std::sync::Arc;

use examples_shared::nets::others::{Attention, Grouped, Transformer};
use examples_shared::nets::residual::ResNet18;

use crate::random::example;

fn channels(groups: &Groups) -> Arc<CoupledChannels> {
    match groups.pattern() {
        Pattern::Coupled(channels) => channels,
        other => panic!("{other:?}"),
    }
}

/// Path, axis and role of each member of the groups, without doubles.
fn roles(groups: &Groups) -> Vec<(String, usize, MemberRole)> {
    let channels = channels(groups);
    let members = channels.groups().iter().flat_map(|group| group.members());
    let mut roles: Vec<_> = members
        .map(|member| (member.path.clone(), member.axis, member.role))
        .collect();
    roles.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    roles.dedup();
    roles
}

#[test]
fn a_pattern_has_the_units_and_entries_of_the_groups_without_statistics() {
    let device = Device::flex();
    let model = ResNet18::new(4, 10, &device);
    let input = example([2, 3, 32, 32], &device);
    let graph = Graph::capture(&model, input, ResNet18::forward).unwrap();
    let groups = graph.groups().unwrap();
    let channels = channels(&groups);
    assert_eq!(channels.groups().len(), groups.groups().len());
    for (coupled, group) in channels.groups().iter().zip(groups.groups()) {
        assert_eq!(coupled.name(), group.name);
        assert_eq!(coupled.units(), group.units.len());
        for (number, unit) in group.units.iter().enumerate() {
            let maskable = unit.members.iter().filter(|member| {
                let path = &graph[member.parameter].path;
                !path.ends_with("running_mean") && !path.ends_with("running_var")
            });
            let expected: Vec<_> = maskable
                .map(|member| {
                    let path = graph[member.parameter].path.as_str();
                    (path, member.axis, &member.indices)
                })
                .collect();
            let found: Vec<_> = coupled
                .members()
                .iter()
                .map(|member| (member.path.as_str(), member.axis, &member.indices[number]))
                .collect();
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn roles_in_a_resnet_are_those_of_its_layers() {
    let device = Device::flex();
    let model = ResNet18::new(4, 10, &device);
    let input = example([2, 3, 32, 32], &device);
    let graph = Graph::capture(&model, input, ResNet18::forward).unwrap();
    let roles = roles(&graph.groups().unwrap());
    assert!(roles.len() > 60);
    for (path, axis, role) in &roles {
        let expected = match (path.rsplit_once('.').unwrap().1, axis) {
            ("gamma", 0) => MemberRole::Scale,
            ("beta" | "bias", 0) => MemberRole::Shift,
            // Burn's `Linear` is `[inputs, outputs]`.
            ("weight", 0) if path == "fc.weight" => MemberRole::Input,
            ("weight", 0) => MemberRole::Output,
            ("weight", 1) => MemberRole::Input,
            _ => panic!("{path}, axis {axis}"),
        };
        assert_eq!(*role, expected, "{path}, axis {axis}");
    }
}

#[test]
fn roles_in_transformers_are_found_through_views() {
    let device = Device::flex();
    let words = Tensor::<2, Int>::from_data([[1, 2, 3]], &device);
    let model = Transformer::new(&device);
    let graph = Graph::capture(&model, words, Transformer::forward).unwrap();
    let layer = "encoder.layers.0.pwff.linear";
    let mut found = roles(&graph.groups().unwrap());
    found.retain(|(path, ..)| path.starts_with(layer));
    let expected = [
        ("inner.bias", 0, MemberRole::Shift),
        ("inner.weight", 1, MemberRole::Output),
        ("outer.weight", 0, MemberRole::Input),
    ];
    let expected = expected.map(|(path, axis, role)| (format!("{layer}_{path}"), axis, role));
    assert_eq!(found, expected);

    let model = Attention::new(12, 3, &device);
    let input = example([2, 5, 12], &device);
    let graph = Graph::capture(&model, input, Attention::forward).unwrap();
    for (path, axis, role) in roles(&graph.groups().unwrap()) {
        let expected = match (path.as_str(), axis) {
            ("output.weight", 0) => MemberRole::Input,
            (path, 0) if path.ends_with("bias") => MemberRole::Shift,
            (_, 1) => MemberRole::Output,
            _ => panic!("{path}, axis {axis}"),
        };
        assert_eq!(role, expected, "{path}, axis {axis}");
    }
}

#[test]
fn norms_that_are_composed_have_scales_and_shifts() {
    let device = Device::flex();
    let model = Grouped::new(&device);
    let input = example([2, 3, 8, 8], &device);
    let graph = Graph::capture(&model, input, Grouped::forward).unwrap();
    let roles = roles(&graph.groups().unwrap());
    for (path, axis, role) in [
        ("norm.gamma", 0, MemberRole::Scale),
        ("norm.beta", 0, MemberRole::Shift),
        ("grouped.weight", 0, MemberRole::Output),
        ("grouped.weight", 1, MemberRole::Input),
        ("depthwise.weight", 0, MemberRole::Output),
        ("head.weight", 1, MemberRole::Input),
    ] {
        assert!(
            roles.contains(&(path.to_string(), axis, role)),
            "{path}: {roles:?}"
        );
    }
}

/// Names that mean nothing, layouts that differ, and parameters that the module multiplies with and
/// adds by itself.
#[derive(Module, Debug)]
struct Misnamed {
    bias: Linear,
    gamma: Linear,
    norm: GroupNorm,
    weight: Param<Tensor<1>>,
    scale: Param<Tensor<1>>,
    table: Param<Tensor<2>>,
}

#[test]
fn roles_come_from_operations_and_not_from_names() {
    let device = Device::flex();
    let model = Misnamed {
        bias: LinearConfig::new(4, 6)
            .with_layout(LinearLayout::Col)
            .init(&device),
        gamma: LinearConfig::new(6, 3).init(&device),
        norm: GroupNormConfig::new(2, 6).init(&device),
        weight: Param::from_tensor(example([6], &device)),
        scale: Param::from_tensor(example([6], &device)),
        table: Param::from_tensor(example([5, 6], &device)),
    };
    let forward = |model: &Misnamed, x: Tensor<2>| {
        let x = model.bias.forward(x) + model.table.val();
        let x = model.weight.val().unsqueeze() * x + model.scale.val().unsqueeze();
        model.gamma.forward(relu(x))
    };
    let graph = Graph::capture(&model, example([5, 4], &device), forward).unwrap();
    let found = roles(&graph.groups().unwrap());
    let expected = [
        ("bias.bias", 0, MemberRole::Shift),
        ("bias.weight", 1, MemberRole::Output),
        ("gamma.weight", 0, MemberRole::Input),
        ("scale", 0, MemberRole::Shift),
        ("table", 1, MemberRole::Other),
        ("weight", 0, MemberRole::Scale),
    ];
    let expected = expected.map(|(path, axis, role)| (path.to_string(), axis, role));
    assert_eq!(found, expected);
}
