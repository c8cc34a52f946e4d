//! What parameters do with the channels that go together.

use std::collections::HashMap;

use burn_prune::MemberRole;

use super::reshape;
use crate::graph::{
    AxisSize, Elementwise, Graph, Operation, OperationKind as Kind, ParameterId, TensorId,
    TensorKind,
};

/// The roles of axes of parameters, from the first operation that gives them one. What is not there
/// has another role.
pub(super) fn roles(graph: &Graph) -> HashMap<(ParameterId, usize), MemberRole> {
    let mut roles = HashMap::new();
    for operation in &graph.operations {
        for (place, input) in operation.inputs.iter().enumerate() {
            if graph.source(*input).is_none() {
                continue;
            }
            for axis in 0..graph.shape(*input).len() {
                let Some(role) = role(graph, operation, place, axis) else {
                    continue;
                };
                if let Some(of_parameter) = source_axis(graph, *input, axis) {
                    roles.entry(of_parameter).or_insert(role);
                }
            }
        }
    }
    roles
}

/// The role of an axis of a parameter that an operation reads; `None` when it has no particular one.
fn role(graph: &Graph, operation: &Operation, place: usize, axis: usize) -> Option<MemberRole> {
    let input = operation.inputs[place];
    let rank = graph.shape(input).len();
    let made_or_read = |makes: usize, reads: usize| {
        if axis == makes {
            Some(MemberRole::Output)
        } else if axis == reads {
            Some(MemberRole::Input)
        } else {
            None
        }
    };
    match (&operation.kind, place) {
        (
            Kind::Convolution {
                transposed: false, ..
            },
            1,
        ) => made_or_read(0, 1),
        (
            Kind::Convolution {
                transposed: true, ..
            },
            1,
        ) => made_or_read(1, 0),
        (Kind::Linear, 1) => made_or_read(1, 0),
        (Kind::Convolution { .. } | Kind::Linear, 2) => Some(MemberRole::Shift),
        // The rows of what is on the left and the columns of what is on the right are made, and
        // the others are summed over.
        (Kind::MatMul, 0) => made_or_read(rank - 2, rank - 1),
        (Kind::MatMul, 1) => made_or_read(rank - 1, rank - 2),
        (Kind::Embedding, 0) => (axis == 1).then_some(MemberRole::Output),
        (Kind::BatchNorm { .. } | Kind::LayerNorm { .. }, 1) => Some(MemberRole::Scale),
        (Kind::BatchNorm { .. } | Kind::LayerNorm { .. }, 2) => Some(MemberRole::Shift),
        // Burn composes some norms and biases of these. Only vectors are scales and shifts, one
        // number for each channel: a table of positions is something else.
        (
            Kind::Elementwise {
                operation: Elementwise::Mul,
                ..
            },
            _,
        ) if is_vector(graph, input) => Some(MemberRole::Scale),
        (
            Kind::Elementwise {
                operation: Elementwise::Add | Elementwise::Sub,
                ..
            },
            _,
        ) if is_vector(graph, input) => Some(MemberRole::Shift),
        (
            Kind::Convolution { .. }
            | Kind::Linear
            | Kind::MatMul
            | Kind::Embedding
            | Kind::BatchNorm { .. }
            | Kind::LayerNorm { .. }
            | Kind::Attention { .. }
            | Kind::Spatial { .. }
            | Kind::Elementwise { .. }
            | Kind::Reduce { .. }
            | Kind::Along { .. }
            | Kind::Reshape
            | Kind::Permute { .. }
            | Kind::Slice { .. }
            | Kind::Concatenate { .. }
            | Kind::Expand
            | Kind::Repeat { .. }
            | Kind::Flip { .. }
            | Kind::Pad { .. }
            | Kind::Select { .. }
            | Kind::Create { .. }
            | Kind::Other { .. },
            _,
        ) => None,
    }
}

/// Whether the parameter that a tensor comes from has at most one axis of more than one entry.
fn is_vector(graph: &Graph, tensor: TensorId) -> bool {
    graph.source(tensor).is_some_and(|parameter| {
        let shape = graph.shape(graph[parameter].tensor);
        shape.iter().filter(|size| **size > 1).count() <= 1
    })
}

/// The axis of a parameter that an axis of a view of it comes from.
fn source_axis(
    graph: &Graph,
    mut tensor: TensorId,
    mut axis: usize,
) -> Option<(ParameterId, usize)> {
    loop {
        if let TensorKind::Parameter(parameter) = graph[tensor].kind {
            return Some((parameter, axis));
        }
        let maker = graph.maker(tensor)?;
        let input = *maker.inputs.first()?;
        axis = axis_before(graph, maker, input, tensor, axis)?;
        tensor = input;
    }
}

/// The axis of what a view is of, from the axis of the view.
fn axis_before(
    graph: &Graph,
    view: &Operation,
    input: TensorId,
    output: TensorId,
    axis: usize,
) -> Option<usize> {
    let (before, after) = (graph.shape(input), graph.shape(output));
    match &view.kind {
        Kind::Permute { axes } => axes.get(axis).copied(),
        Kind::Slice { .. } => Some(axis),
        // New axes are in front.
        Kind::Expand => (axis + before.len()).checked_sub(after.len()),
        Kind::Reshape => {
            let fixed = |shape: &[usize]| -> Vec<AxisSize> {
                shape.iter().copied().map(AxisSize::Fixed).collect()
            };
            let blocks = reshape::blocks(&fixed(before), &fixed(after));
            let block = blocks.iter().find(|block| block.after.contains(&axis))?;
            block.before.first().copied()
        }
        Kind::Convolution { .. }
        | Kind::MatMul
        | Kind::Linear
        | Kind::BatchNorm { .. }
        | Kind::LayerNorm { .. }
        | Kind::Embedding
        | Kind::Attention { .. }
        | Kind::Spatial { .. }
        | Kind::Elementwise { .. }
        | Kind::Reduce { .. }
        | Kind::Along { .. }
        | Kind::Concatenate { .. }
        | Kind::Repeat { .. }
        | Kind::Flip { .. }
        | Kind::Pad { .. }
        | Kind::Select { .. }
        | Kind::Create { .. }
        | Kind::Other { .. } => None,
    }
}
