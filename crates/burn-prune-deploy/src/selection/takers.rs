//! What can take over the constants that a layer gets.

use super::product::Product;
use crate::graph::{
    Elementwise, Graph, Operation, OperationKind as Kind, ParameterId, TensorId, TensorKind,
};
use crate::shrink::{FoldInto, FoldKind};

/// What takes over the constants that a product gets.
pub(super) enum Taker {
    /// A bias or a running mean.
    Into(FoldInto),
    /// Nothing, and why.
    Nobody(&'static str),
}

/// The bias of a product or what is added to its outputs; else the running mean of the norm that they
/// go through.
pub(super) fn of(graph: &Graph, product: &Product) -> Taker {
    if !product.is_uniform {
        return Taker::Nobody("it pads its input with zeros, or is transposed");
    }
    if product.matrix.is_none() {
        return Taker::Nobody("its weight is no parameter");
    }
    let taker = match product.bias {
        Some(bias) => of_bias(graph, bias, product.outputs),
        None => after(graph, product),
    };
    taker.map_or(
        Taker::Nobody("it has no bias and no norm of its own"),
        Taker::Into,
    )
}

/// A bias that one operation reads, as it is.
fn of_bias(graph: &Graph, bias: TensorId, outputs: usize) -> Option<FoldInto> {
    let TensorKind::Parameter(parameter) = graph[bias].kind else {
        return None;
    };
    into(graph, parameter, outputs, FoldKind::Bias)
}

fn into(graph: &Graph, parameter: ParameterId, entries: usize, how: FoldKind) -> Option<FoldInto> {
    let known = &graph[parameter];
    let has_entries = graph.shape(known.tensor) == [entries];
    let is_own =
        graph.consumers(known.tensor).len() == 1 && !graph.outputs().contains(&known.tensor);
    (has_entries && is_own).then(|| FoldInto {
        paths: known.paths().map(String::from).collect(),
        entries,
        how,
    })
}

/// Follows what a product makes to the first parameter that can take something over.
fn after(graph: &Graph, product: &Product) -> Option<FoldInto> {
    let (mut tensor, mut axis) = (product.out.tensor, product.out.axis);
    loop {
        if graph.outputs().contains(&tensor) {
            return None;
        }
        // Whoever else reads it would miss the constant.
        let [consumer] = graph.consumers(tensor)[..] else {
            return None;
        };
        let operation = &graph[consumer];
        let next = *operation.outputs.first()?;
        let (shape, after) = (graph.shape(tensor), graph.shape(next));
        match &operation.kind {
            // The last axis stays.
            Kind::Reshape if axis + 1 == shape.len() && shape.last() == after.last() => {
                axis = after.len() - 1;
            }
            Kind::Elementwise {
                operation: Elementwise::Add,
                ..
            } if shape == after && operation.inputs[0] != operation.inputs[1] => {
                if let Some(bias) = added(graph, operation, tensor, shape.len() - axis) {
                    return into(graph, bias, product.outputs, FoldKind::Bias);
                }
            }
            Kind::BatchNorm { .. } if axis == 1 && operation.inputs[0] == tensor => {
                let mean = graph.source(operation.inputs[3])?;
                let is_plain = graph[mean].tensor == operation.inputs[3];
                let is_statistic = graph[mean].is_statistic && is_plain;
                let found = into(graph, mean, product.outputs, FoldKind::RunningMean);
                return found.filter(|_| is_statistic);
            }
            _ => return None,
        }
        tensor = next;
    }
}

/// The parameter that is added to a tensor along an axis that is so far from the last one.
fn added(graph: &Graph, operation: &Operation, to: TensorId, back: usize) -> Option<ParameterId> {
    let other = operation.inputs.iter().find(|input| **input != to)?;
    let shape = graph.shape(*other);
    let axis = shape.len().checked_sub(back)?;
    let is_vector = shape
        .iter()
        .enumerate()
        .all(|(own, size)| own == axis || *size == 1);
    let tensor = match graph[*other].kind {
        TensorKind::Parameter(_) => *other,
        // Axes of one entry in front and behind.
        TensorKind::Computed => {
            let maker = graph.maker(*other)?;
            let is_own = maker.kind == Kind::Reshape && graph.consumers(*other).len() == 1;
            is_own.then(|| maker.inputs.first().copied())??
        }
        TensorKind::Input | TensorKind::Constant => return None,
    };
    match graph[tensor].kind {
        TensorKind::Parameter(parameter) if is_vector => Some(parameter),
        _ => None,
    }
}
