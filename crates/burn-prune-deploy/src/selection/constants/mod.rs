//! What channels send whatever the input is, under masks.
//!
//! A channel of which all weights are masked sends its bias, and what norms and activations make of
//! it. This goes through the network once, from the parameters to the outputs, and keeps a formula
//! for each entry of each axis of each tensor that holds one number wherever it is. What is not known
//! to be constant has none.

mod layers;
mod views;

use std::collections::HashMap;
use std::rc::Rc;

use super::masked::Masked;
use super::product::Product;
use crate::graph::{Graph, Operation, OperationKind as Kind, ParameterId, TensorId};
use crate::shrink::Constant;

/// The formula of an entry of an axis, if it is constant.
pub(super) type Sent = Option<Rc<Constant>>;

/// Formulas by tensor, axis and entry.
pub(super) struct Constants<'a> {
    graph: &'a Graph,
    parameters: HashMap<&'a str, ParameterId>,
    table: Vec<Vec<Vec<Sent>>>,
}

impl<'a> Constants<'a> {
    /// What there is under masks, where these operations are products.
    pub(super) fn of(graph: &'a Graph, masked: &Masked, products: &[Product]) -> Self {
        let tensors = graph.tensor_ids();
        let table = tensors.map(|tensor| {
            let sizes = graph.shape(tensor).iter();
            sizes.map(|size| vec![None; *size]).collect()
        });
        let parameters = graph
            .parameter_ids()
            .map(|id| (graph[id].path.as_str(), id));
        let mut constants = Self {
            graph,
            parameters: parameters.collect(),
            table: table.collect(),
        };
        constants.start(masked);
        let without_batch = graph.without_batch();
        let mut products = products.iter().peekable();
        for (id, operation) in graph.operation_ids().zip(graph.operations()) {
            if let Some(product) = products.next_if(|product| product.operation == id) {
                constants.product(product);
                continue;
            }
            for (place, output) in operation.outputs.iter().enumerate() {
                for axis in 0..graph.shape(*output).len() {
                    let reshape = without_batch.reshapes[id.index()].as_ref();
                    let entries = match reshape {
                        Some(sizes) => constants.reshape(operation.inputs[0], *output, axis, sizes),
                        None => constants.after(operation, place, axis),
                    };
                    constants.table[output.index()][axis] = entries;
                }
            }
        }
        constants
    }

    /// The formula of an entry of an axis.
    pub(super) fn at(&self, tensor: TensorId, axis: usize, entry: usize) -> Sent {
        self.table[tensor.index()][axis][entry].clone()
    }

    /// Whether a constant is 0: whatever the parameters are, or with the values that the graph has.
    pub(super) fn is_zero(&self, constant: &Constant) -> bool {
        constant.is_zero() || self.value(constant) == Some(0.0)
    }

    /// The value of a constant, where the graph has values.
    pub(super) fn value(&self, constant: &Constant) -> Option<f64> {
        let values = self.graph.values()?;
        constant.value(&|path, entry| {
            let parameter = *self.parameters.get(path)?;
            values
                .of(parameter)
                .get(entry)
                .map(|value| f64::from(*value))
        })
    }

    /// Parameters: 0 where they are masked; a single number is itself.
    fn start(&mut self, masked: &Masked) {
        let graph = self.graph;
        for (id, parameter) in graph.parameter_ids().zip(graph.parameters()) {
            let shape = graph.shape(parameter.tensor);
            let elements: usize = shape.iter().product();
            let removed = masked.removed(id);
            for (axis, size) in shape.iter().enumerate() {
                let is_number = *size == elements;
                if removed.is_none() && !is_number {
                    continue;
                }
                let mut is_gone = vec![removed.is_some(); *size];
                let inner: usize = shape[axis + 1..].iter().product();
                for (entry, gone) in removed.unwrap_or_default().iter().enumerate() {
                    is_gone[entry / inner % size] &= gone;
                }
                let entries = is_gone.into_iter().enumerate().map(|(index, gone)| {
                    let constant = match (gone, is_number) {
                        (true, _) => Constant::ZERO,
                        (false, true) => Constant::Entry {
                            path: parameter.path.clone(),
                            index,
                        },
                        (false, false) => return None,
                    };
                    Some(Rc::new(constant))
                });
                self.table[parameter.tensor.index()][axis] = entries.collect();
            }
        }
    }

    /// What an operation makes, along an axis of an output.
    fn after(&self, operation: &Operation, place: usize, axis: usize) -> Vec<Sent> {
        let size = self.graph.shape(operation.outputs[place])[axis];
        (0..size)
            .map(|entry| self.entry_after(operation, place, axis, entry))
            .collect()
    }

    fn entry_after(&self, operation: &Operation, place: usize, axis: usize, entry: usize) -> Sent {
        match &operation.kind {
            Kind::Elementwise {
                operation: which,
                scalars,
            } => self.elementwise(operation, *which, scalars, axis, entry),
            Kind::BatchNorm { epsilon } => {
                self.batch_norm(&operation.inputs, *epsilon, axis, entry)
            }
            Kind::Spatial {
                operation: which,
                options,
            } => self.spatial(operation.inputs[0], *which, options, place, axis, entry),
            Kind::Reduce {
                operation: which,
                axes,
            } => self.reduce(operation, *which, axes, place, axis, entry),
            Kind::Embedding => {
                let last = self.graph.shape(operation.outputs[0]).len() - 1;
                let is_width = axis == last;
                is_width.then(|| self.at(operation.inputs[0], 1, entry))?
            }
            Kind::Attention { .. } => {
                // Weights of a row add up to 1, unless all of it is filled: only 0 is sure.
                let is_kept = axis == 1 || axis == 3;
                let value = is_kept.then(|| self.at(operation.inputs[2], axis, entry))??;
                value.is_zero().then_some(value)
            }
            Kind::Permute { .. }
            | Kind::Slice { .. }
            | Kind::Concatenate { .. }
            | Kind::Expand
            | Kind::Repeat { .. }
            | Kind::Flip { .. }
            | Kind::Pad { .. }
            | Kind::Select { .. } => self.view(operation, axis, entry),
            // Means over other axes, what is mixed, what is new, what is not understood.
            Kind::LayerNorm { .. }
            | Kind::Along { .. }
            | Kind::Create { .. }
            | Kind::Other { .. } => None,
            Kind::Convolution { .. } | Kind::MatMul | Kind::Linear | Kind::Reshape => {
                unreachable!("products and reshapes are taken as a whole")
            }
        }
    }

    /// Whether a tensor is 0 or another constant where an axis of a tensor of so many axes has an
    /// entry: smaller tensors are repeated.
    fn broadcast(&self, tensor: TensorId, axes: usize, axis: usize, entry: usize) -> Sent {
        let shape = self.graph.shape(tensor);
        match (axis + shape.len()).checked_sub(axes) {
            Some(own) if shape[own] == 1 => self.at(tensor, own, 0),
            Some(own) => self.at(tensor, own, entry),
            None if shape.iter().all(|size| *size == 1) => self.at(tensor, 0, 0),
            None => None,
        }
    }
}

/// The products of a graph, in the order in which they run.
pub(super) fn products(graph: &Graph, masked: &Masked) -> Vec<Product> {
    let operations = graph.operation_ids();
    operations
        .filter_map(|id| Product::of(graph, masked, id))
        .collect()
}
