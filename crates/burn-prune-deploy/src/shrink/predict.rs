//! The graph of a model without some of its units.

use crate::graph::{Graph, OperationKind};
use crate::groups::{Groups, Place};

/// The graph when the units that are not kept are gone. Its parameters have no values.
pub(crate) fn graph(groups: &Groups<'_>, kept: &[Vec<bool>]) -> Graph {
    let before = groups.graph();
    let is_kept =
        |place: &Place| place.is_none_or(|(group, unit)| kept[group as usize][unit as usize]);
    let mut after = Graph {
        tensors: before.tensors.clone(),
        operations: before.operations.clone(),
        inputs: before.inputs.clone(),
        outputs: before.outputs.clone(),
        parameters: Vec::new(),
    };
    for parameter in &before.parameters {
        after.parameters.push(crate::Parameter {
            path: parameter.path.clone(),
            shared_as: parameter.shared_as.clone(),
            tensor: parameter.tensor,
            structs: parameter.structs.clone(),
            is_statistic: parameter.is_statistic,
            is_divisor: parameter.is_divisor,
            values: Vec::new(),
        });
    }
    for (tensor, info) in after.tensors.iter_mut().enumerate() {
        for (axis, size) in info.shape.iter_mut().enumerate() {
            let units = groups.units_of(tensor, axis);
            *size = units.iter().filter(|place| is_kept(place)).count();
        }
    }
    for operation in &mut after.operations {
        let signal = operation.inputs.first();
        match &mut operation.kind {
            OperationKind::Convolution { groups, .. } => {
                let signal = *signal.expect("a convolution has a signal");
                // With one channel each, groups go with their channels.
                if *groups == before.shape(signal)[1] {
                    *groups = after.tensors[signal].shape[1];
                }
            }
            OperationKind::Slice { ranges } => {
                let signal = *signal.expect("a slice is of something");
                for (axis, (start, end, _)) in ranges.iter_mut().enumerate() {
                    let units = groups.units_of(signal, axis);
                    let left = |upto: usize| units[..upto].iter().filter(|p| is_kept(p)).count();
                    (*start, *end) = (left(*start), left(*end));
                }
            }
            _ => {}
        }
    }
    after
}

/// The first difference between a graph and what it should be.
pub(super) fn difference(expected: &Graph, found: &Graph) -> Option<String> {
    for (expected_parameter, found_parameter) in expected.parameters.iter().zip(&found.parameters) {
        if !expected_parameter.paths().eq(found_parameter.paths()) {
            return Some(format!(
                "parameter `{}` instead of `{}`",
                found_parameter.path, expected_parameter.path
            ));
        }
    }
    let pairs = expected.operations.iter().zip(&found.operations);
    for (index, (a, b)) in pairs.enumerate() {
        let tensors = a.outputs.iter().chain(&a.inputs);
        let others = b.outputs.iter().chain(&b.inputs);
        for (tensor, other) in tensors.zip(others) {
            let (tensor, other) = (&expected.tensors[*tensor], &found.tensors[*other]);
            let name = b.kind.name();
            if tensor.shape != other.shape {
                let (shape, other) = (&tensor.shape, &other.shape);
                return Some(format!(
                    "operation {index}, `{name}`, has a tensor of {other:?} instead of {shape:?}"
                ));
            }
            if tensor.checksum != other.checksum {
                return Some(format!(
                    "operation {index}, `{name}`, reads a constant of other values"
                ));
            }
        }
        if a != b {
            return Some(format!(
                "operation {index} is {:?} instead of {:?}",
                b.kind, a.kind
            ));
        }
    }
    let counts = [expected, found].map(|graph| (graph.operations.len(), graph.parameters.len()));
    if counts[0] != counts[1] {
        return Some(format!(
            "{} operations and {} parameters instead of {} and {}",
            counts[1].0, counts[1].1, counts[0].0, counts[0].1
        ));
    }
    (expected.outputs != found.outputs).then(|| "it returns other tensors".to_string())
}
