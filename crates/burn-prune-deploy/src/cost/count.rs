//! Counting along a graph.

use std::collections::HashSet;

use super::{Cost, LayerCost};
use crate::graph::{Graph, Operation, OperationKind, ParameterId, Role, TensorId};

impl LayerCost {
    /// Takes in an operation of the same module that follows.
    fn extend(&mut self, next: Self) {
        self.output = next.output;
        self.activation_bytes += next.activation_bytes;
        self.multiply_adds += next.multiply_adds;
        self.effective_multiply_adds += next.effective_multiply_adds;
        self.parameters += next.parameters;
        self.nonzero_parameters += next.nonzero_parameters;
        self.weight_bytes += next.weight_bytes;
    }
}

impl Graph {
    /// Counts what the forward pass costs on its example.
    ///
    /// ```
    /// # use burn::nn::{Linear, LinearConfig};
    /// # use burn::tensor::{Device, Tensor, activation::relu};
    /// # use burn_prune_deploy::Graph;
    /// # let device = Device::flex();
    /// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
    /// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
    /// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
    /// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
    /// let cost = graph.cost();
    /// assert_eq!(cost.multiply_adds(), 8 * 32 + 32 * 4);
    /// assert_eq!(cost.parameters(), (8 * 32 + 32) + (32 * 4 + 4));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cost(&self) -> Cost {
        let mut cost = Cost {
            layers: Vec::new(),
            other_activation_bytes: 0,
            unused_parameters: 0,
            unused_weight_bytes: 0,
            seconds: None,
        };
        let mut counted = HashSet::new();
        for operation in &self.operations {
            let Some(&output) = operation.outputs.first() else {
                continue;
            };
            let is_view = operation.kind.is_view();
            let activation_bytes = if is_view {
                0
            } else {
                let outputs = operation.outputs.iter();
                outputs.map(|output| self.bytes(*output)).sum()
            };
            let parameters: Vec<ParameterId> = operation
                .inputs
                .iter()
                .filter_map(|input| self.source(*input))
                .collect();
            let multiply_adds = self.multiply_adds(operation);
            if is_view || (parameters.is_empty() && multiply_adds == 0) {
                cost.other_activation_bytes += activation_bytes;
                continue;
            }
            let has_module = !parameters.is_empty();
            let mut layer = LayerCost {
                name: parameters.first().map_or_else(
                    || operation.kind.name().to_string(),
                    |first| self[*first].module().to_string(),
                ),
                operation: operation.kind.name().to_string(),
                output: self.shape(output).to_vec(),
                multiply_adds,
                effective_multiply_adds: multiply_adds,
                parameters: 0,
                nonzero_parameters: 0,
                weight_bytes: 0,
                activation_bytes,
            };
            // Each weight takes part equally often.
            if let Some(weight) = self.weight(operation) {
                let (all, nonzero) = self.counts(weight);
                let effective = u128::from(multiply_adds) * u128::from(nonzero);
                layer.effective_multiply_adds = (effective / u128::from(all.max(1))) as u64;
            }
            for parameter in parameters {
                if !counted.insert(parameter) {
                    continue;
                }
                layer.weight_bytes += self.bytes(self[parameter].tensor);
                if !self[parameter].is_statistic {
                    let (all, nonzero) = self.counts(parameter);
                    layer.parameters += all;
                    layer.nonzero_parameters += nonzero;
                }
            }
            match cost.layers.last_mut() {
                Some(last) if has_module && last.name == layer.name => last.extend(layer),
                _ => cost.layers.push(layer),
            }
        }
        for parameter in self.parameter_ids() {
            if counted.contains(&parameter) {
                continue;
            }
            cost.unused_parameters += self.counts(parameter).0;
            cost.unused_weight_bytes += self.bytes(self[parameter].tensor);
        }
        cost
    }

    /// The parameter that an operation multiplies with, on either side of a matrix product.
    fn weight(&self, operation: &Operation) -> Option<ParameterId> {
        let of = |place: usize| self.source(*operation.inputs.get(place)?);
        let is_product = operation.kind == OperationKind::MatMul;
        let is_weight = operation.kind.role(1) == Role::Weight;
        let right = if is_weight { of(1) } else { None };
        right.or_else(|| if is_product { of(0) } else { None })
    }

    /// Number of entries of a parameter, and of those that are not 0. Without values, all count.
    fn counts(&self, parameter: ParameterId) -> (u64, u64) {
        let all = self[self[parameter].tensor].elements() as u64;
        let nonzero = self.values().map_or(all, |values| {
            let values = values.of(parameter).iter();
            values.filter(|value| **value != 0.0).count() as u64
        });
        (all, nonzero)
    }

    fn bytes(&self, tensor: TensorId) -> u64 {
        let tensor = &self[tensor];
        (tensor.elements() * tensor.element_bytes) as u64
    }

    fn multiply_adds(&self, operation: &Operation) -> u64 {
        let elements = |tensor: TensorId| self[tensor].elements() as u64;
        let size = |tensor: TensorId, axis: usize| self.shape(tensor)[axis] as u64;
        let inputs = &operation.inputs;
        match &operation.kind {
            OperationKind::Convolution { transposed, .. } => {
                let each = elements(inputs[1]) / size(inputs[1], 0).max(1);
                let times = if *transposed {
                    inputs[0]
                } else {
                    operation.outputs[0]
                };
                elements(times) * each
            }
            OperationKind::Linear => elements(operation.outputs[0]) * size(inputs[1], 0),
            OperationKind::MatMul => {
                let rank = self.shape(inputs[0]).len();
                elements(operation.outputs[0]) * size(inputs[0], rank - 1)
            }
            OperationKind::BatchNorm { .. } | OperationKind::LayerNorm { .. } => {
                2 * elements(operation.outputs[0])
            }
            OperationKind::Attention { .. } => {
                let keys = size(inputs[1], 2);
                (elements(inputs[0]) + elements(operation.outputs[0])) * keys
            }
            // Neither weights nor norms.
            OperationKind::Embedding
            | OperationKind::Spatial { .. }
            | OperationKind::Elementwise { .. }
            | OperationKind::Reduce { .. }
            | OperationKind::Along { .. }
            | OperationKind::Reshape
            | OperationKind::Permute { .. }
            | OperationKind::Slice { .. }
            | OperationKind::Concatenate { .. }
            | OperationKind::Expand
            | OperationKind::Repeat { .. }
            | OperationKind::Flip { .. }
            | OperationKind::Pad { .. }
            | OperationKind::Select { .. }
            | OperationKind::Create { .. }
            | OperationKind::Other { .. } => 0,
        }
    }
}
