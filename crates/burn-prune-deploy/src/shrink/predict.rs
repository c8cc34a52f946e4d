//! The graph of a model without some of its units.

use std::sync::Arc;

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
        sizes: before.sizes.clone(),
    };
    for parameter in &before.parameters {
        after.parameters.push(crate::Parameter {
            path: parameter.path.clone(),
            shared_as: parameter.shared_as.clone(),
            tensor: parameter.tensor,
            structs: parameter.structs.clone(),
            is_statistic: parameter.is_statistic,
            is_divisor: parameter.is_divisor,
            values: Arc::default(),
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
