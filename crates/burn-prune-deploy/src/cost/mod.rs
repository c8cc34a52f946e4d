//! What a forward pass costs.

mod display;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::graph::{Graph, Operation, OperationKind, Role, TensorKind};

/// Multiply-adds, parameters and bytes of a forward pass on the example of its graph, batch
/// included.
///
/// Three things are kept apart: what the operations cost as they are (dense), what they would cost
/// if zeros were skipped (effective), and what was measured. A masked model has a smaller effective
/// cost and the same dense one; only shrinking lowers that.
///
/// A multiply-add of a convolution or matrix product counts as one, and a BatchNorm or LayerNorm as
/// two for each element (one to normalise, one to scale and shift); biases, activations, pooling and
/// norms that are composed of other operations count as none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Operations with parameters of their own, and products of two activations, in their order.
    /// Those of one module that follow each other, as a product and its bias, are one layer.
    pub layers: Vec<LayerCost>,
    /// Bytes of all activations that other operations make; views as reshapes left out.
    pub other_activation_bytes: u64,
    /// Parameters that no layer reads.
    pub unused_parameters: u64,
    /// Median time of a forward pass, in seconds, when it was measured.
    pub seconds: Option<f64>,
}

/// The cost of one layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerCost {
    /// Path of the module that its parameters are in, or the name of the operation.
    pub name: String,
    /// Name of its first operation.
    pub operation: String,
    /// Shape of what it makes.
    pub output: Vec<usize>,
    /// Multiply-adds.
    pub multiply_adds: u64,
    /// Multiply-adds with weights that are not 0.
    pub effective_multiply_adds: u64,
    /// Parameters that are trained; a shared one counts where it is read first.
    pub parameters: u64,
    /// Those that are not 0.
    pub nonzero_parameters: u64,
    /// Bytes of the parameters and statistics.
    pub weight_bytes: u64,
    /// Bytes of what its last operation makes.
    pub activation_bytes: u64,
}

impl Cost {
    /// Multiply-adds of all layers.
    pub fn multiply_adds(&self) -> u64 {
        self.layers.iter().map(|layer| layer.multiply_adds).sum()
    }

    /// Multiply-adds with weights that are not 0.
    pub fn effective_multiply_adds(&self) -> u64 {
        let layers = self.layers.iter();
        layers.map(|layer| layer.effective_multiply_adds).sum()
    }

    /// Number of parameters that are trained, unused ones included.
    pub fn parameters(&self) -> u64 {
        let layers: u64 = self.layers.iter().map(|layer| layer.parameters).sum();
        layers + self.unused_parameters
    }

    /// Number of used parameters that are not 0.
    pub fn nonzero_parameters(&self) -> u64 {
        let layers = self.layers.iter();
        layers.map(|layer| layer.nonzero_parameters).sum()
    }

    /// Bytes of parameters and statistics.
    pub fn weight_bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.weight_bytes).sum()
    }

    /// Bytes of all that the operations make.
    pub fn activation_bytes(&self) -> u64 {
        let layers: u64 = self.layers.iter().map(|layer| layer.activation_bytes).sum();
        layers + self.other_activation_bytes
    }

    /// The layer of a name.
    pub fn layer(&self, name: &str) -> Option<&LayerCost> {
        self.layers.iter().find(|layer| layer.name == name)
    }

    /// Measures a forward pass: once to warm up, then until it ran for half a second and at least
    /// five times; the median is taken. The closure has to wait for the device.
    #[must_use]
    pub fn measure(mut self, mut forward: impl FnMut()) -> Self {
        forward();
        let begin = Instant::now();
        let mut times = Vec::new();
        while times.len() < 5 || begin.elapsed() < Duration::from_millis(500) {
            let start = Instant::now();
            forward();
            times.push(start.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        self.seconds = Some(times[times.len() / 2]);
        self
    }
}

impl LayerCost {
    /// Takes in an operation of the same module that follows.
    fn extend(&mut self, next: Self) {
        self.output = next.output;
        self.activation_bytes = next.activation_bytes;
        self.multiply_adds += next.multiply_adds;
        self.effective_multiply_adds += next.effective_multiply_adds;
        self.parameters += next.parameters;
        self.nonzero_parameters += next.nonzero_parameters;
        self.weight_bytes += next.weight_bytes;
    }
}

impl Graph {
    /// Counts what the forward pass costs on its example.
    pub fn cost(&self) -> Cost {
        let mut cost = Cost {
            layers: Vec::new(),
            other_activation_bytes: 0,
            unused_parameters: 0,
            seconds: None,
        };
        let mut counted = HashSet::new();
        for operation in &self.operations {
            let outputs = operation.outputs.iter();
            let activation_bytes = match operation.kind {
                OperationKind::Reshape
                | OperationKind::Permute { .. }
                | OperationKind::Slice { .. }
                | OperationKind::Expand => 0,
                _ => outputs.map(|output| self.bytes(*output)).sum(),
            };
            let parameters: Vec<usize> = operation
                .inputs
                .iter()
                .filter_map(|input| self.source(*input))
                .collect();
            let is_view = activation_bytes == 0;
            let multiply_adds = self.multiply_adds(operation);
            if is_view || (parameters.is_empty() && multiply_adds == 0) {
                cost.other_activation_bytes += activation_bytes;
                continue;
            }
            let has_module = !parameters.is_empty();
            let mut layer = LayerCost {
                name: parameters.first().map_or_else(
                    || operation.kind.name().to_string(),
                    |first| self.parameters[*first].module().to_string(),
                ),
                operation: operation.kind.name().to_string(),
                output: self.shape(operation.outputs[0]).to_vec(),
                multiply_adds,
                effective_multiply_adds: multiply_adds,
                parameters: 0,
                nonzero_parameters: 0,
                weight_bytes: 0,
                activation_bytes,
            };
            // Each weight takes part equally often.
            let weight = operation.inputs.get(1);
            let weight = weight.filter(|_| operation.kind.role(1) == Role::Weight);
            if let Some(weight) = weight.and_then(|input| self.source(*input)) {
                let (all, nonzero) = self.counts(weight);
                let effective = u128::from(multiply_adds) * u128::from(nonzero);
                layer.effective_multiply_adds = (effective / u128::from(all.max(1))) as u64;
            }
            for parameter in parameters {
                if !counted.insert(parameter) {
                    continue;
                }
                layer.weight_bytes += self.bytes(self.parameters[parameter].tensor);
                if !self.parameters[parameter].is_statistic {
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
        let unused = (0..self.parameters.len()).filter(|parameter| !counted.contains(parameter));
        let unused = unused.filter(|parameter| !self.parameters[*parameter].is_statistic);
        cost.unused_parameters = unused.map(|parameter| self.counts(parameter).0).sum();
        cost
    }

    /// The parameter that a tensor is, perhaps in another shape.
    pub(crate) fn source(&self, mut tensor: usize) -> Option<usize> {
        loop {
            match self.tensors[tensor].kind {
                TensorKind::Parameter(parameter) => return Some(parameter),
                TensorKind::Input | TensorKind::Constant => return None,
                TensorKind::Computed => {}
            }
            let mut operations = self.operations.iter();
            let maker = operations.find(|operation| operation.outputs.contains(&tensor))?;
            match maker.kind {
                OperationKind::Reshape | OperationKind::Permute { .. } | OperationKind::Expand => {
                    tensor = maker.inputs[0];
                }
                _ => return None,
            }
        }
    }

    /// Number of entries of a parameter, and of those that are not 0.
    fn counts(&self, parameter: usize) -> (u64, u64) {
        let parameter = &self.parameters[parameter];
        let all = self.tensors[parameter.tensor].elements() as u64;
        match parameter.values.is_empty() {
            true => (all, all),
            false => {
                let nonzero = parameter.values.iter().filter(|value| **value != 0.0);
                (all, nonzero.count() as u64)
            }
        }
    }

    fn bytes(&self, tensor: usize) -> u64 {
        let tensor = &self.tensors[tensor];
        (tensor.elements() * tensor.element_bytes) as u64
    }

    fn multiply_adds(&self, operation: &Operation) -> u64 {
        let elements = |tensor: usize| self.tensors[tensor].elements() as u64;
        let size = |tensor: usize, axis: usize| self.shape(tensor)[axis] as u64;
        let inputs = &operation.inputs;
        match &operation.kind {
            OperationKind::Convolution { transposed, .. } => {
                let each = elements(inputs[1]) / size(inputs[1], 0).max(1);
                match transposed {
                    false => elements(operation.outputs[0]) * each,
                    true => elements(inputs[0]) * each,
                }
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
            _ => 0,
        }
    }
}
