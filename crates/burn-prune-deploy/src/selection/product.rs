//! Layers that multiply channels with weights and sum over them.

use std::ops::Range;

use super::masked::Masked;
use crate::graph::{Graph, OperationId, OperationKind as Kind, ParameterId, TensorId, TensorKind};

/// A convolution, a linear layer or a matrix product: what goes in along one axis is summed over, with
/// weights.
pub(super) struct Product {
    pub operation: OperationId,
    pub signal: Along,
    /// The weight as the operation reads it, along the axis that is summed over.
    pub weight: Along,
    pub out: Along,
    pub bias: Option<TensorId>,
    /// Whether each output reads all of a kernel, wherever it is: then what a constant channel adds
    /// is the same everywhere.
    pub is_uniform: bool,
    pub inputs: usize,
    pub outputs: usize,
    pub groups: usize,
    pub matrix: Option<Matrix>,
}

/// An axis of a tensor.
#[derive(Clone, Copy)]
pub(super) struct Along {
    pub tensor: TensorId,
    pub axis: usize,
}

/// A weight that is a parameter, with inputs along one of its first two axes and outputs along the
/// other.
pub(super) struct Matrix {
    pub parameter: ParameterId,
    pub input_axis: usize,
    /// How many entries the first two axes have.
    pub sizes: [usize; 2],
    /// For each pair of entries of them, whether masks make all of it 0; `None` where nothing is
    /// masked.
    zero: Option<Vec<bool>>,
}

impl Product {
    /// The product that an operation is, if it is one.
    pub(super) fn of(graph: &Graph, masked: &Masked, operation: OperationId) -> Option<Self> {
        let kind = &graph[operation].kind;
        let (inputs, outputs) = (&graph[operation].inputs, &graph[operation].outputs);
        let out = *outputs.first()?;
        let rank = |tensor: TensorId| graph.shape(tensor).len();
        let along = |tensor: TensorId, axis: usize| Along { tensor, axis };
        let product = match kind {
            Kind::Convolution {
                transposed,
                padding,
                groups,
                ..
            } => {
                let input_axis = usize::from(!transposed);
                Self {
                    operation,
                    signal: along(inputs[0], 1),
                    weight: along(inputs[1], input_axis),
                    out: along(out, 1),
                    bias: inputs.get(2).copied(),
                    is_uniform: !transposed && padding.iter().all(|sides| *sides == (0, 0)),
                    inputs: graph.shape(inputs[0])[1],
                    outputs: graph.shape(out)[1],
                    groups: *groups,
                    matrix: Matrix::of(graph, masked, inputs[1], input_axis),
                }
            }
            Kind::Linear | Kind::MatMul => {
                let (last, wide) = (rank(inputs[0]) - 1, rank(inputs[1]) - 2);
                let matrix_of = |tensor: TensorId, input_axis: usize| {
                    let matrix = Matrix::of(graph, masked, tensor, input_axis)?;
                    // A bank of matrices has other axes in front.
                    let is_one = rank(graph[matrix.parameter].tensor) == 2;
                    is_one.then_some(matrix)
                };
                let right = Self {
                    operation,
                    signal: along(inputs[0], last),
                    weight: along(inputs[1], wide),
                    out: along(out, rank(out) - 1),
                    bias: inputs.get(2).copied(),
                    is_uniform: true,
                    inputs: graph.shape(inputs[0])[last],
                    outputs: graph.shape(inputs[1])[wide + 1],
                    groups: 1,
                    matrix: matrix_of(inputs[1], 0),
                };
                let left = matrix_of(inputs[0], 1);
                if right.matrix.is_some() || left.is_none() {
                    return Some(right);
                }
                Self {
                    signal: right.weight,
                    weight: right.signal,
                    out: along(out, rank(out) - 2),
                    outputs: graph.shape(inputs[0])[last - 1],
                    matrix: left,
                    ..right
                }
            }
            _ => return None,
        };
        Some(product)
    }

    /// The outputs that read an input.
    pub(super) fn reads(&self, input: usize) -> Range<usize> {
        let each = self.outputs / self.groups;
        let group = input / (self.inputs / self.groups);
        group * each..(group + 1) * each
    }

    /// The inputs that an output reads.
    pub(super) fn read_by(&self, output: usize) -> Range<usize> {
        let each = self.inputs / self.groups;
        let group = output / (self.outputs / self.groups);
        group * each..(group + 1) * each
    }

    /// The entry of an input along the axis of the weight that is summed over.
    pub(super) fn weight_entry(&self, input: usize) -> usize {
        if self.weight.axis == 0 {
            input
        } else {
            // The groups of a convolution share it.
            input % (self.inputs / self.groups)
        }
    }

    /// Whether masks make all weights between an input and an output 0.
    pub(super) fn is_masked(&self, input: usize, output: usize) -> bool {
        let Some(matrix) = &self.matrix else {
            return false;
        };
        let entries = if matrix.input_axis == 0 {
            [input, output % (self.outputs / self.groups)]
        } else {
            [output, input % (self.inputs / self.groups)]
        };
        let zero = matrix.zero.as_ref();
        zero.is_some_and(|zero| zero[entries[0] * matrix.sizes[1] + entries[1]])
    }
}

impl Matrix {
    /// The parameter that a tensor is, perhaps with further axes of one entry in front.
    fn of(graph: &Graph, masked: &Masked, tensor: TensorId, input_axis: usize) -> Option<Self> {
        let parameter = match graph[tensor].kind {
            TensorKind::Parameter(parameter) => parameter,
            TensorKind::Computed => {
                let maker = graph.maker(tensor)?;
                let TensorKind::Parameter(parameter) = graph[*maker.inputs.first()?].kind else {
                    return None;
                };
                let (shape, whole) = (graph.shape(graph[parameter].tensor), graph.shape(tensor));
                let (front, back) = whole.split_at(whole.len().checked_sub(shape.len())?);
                let is_same = front.iter().all(|size| *size == 1) && back == shape;
                if maker.kind != Kind::Reshape || !is_same || shape.len() != 2 {
                    return None;
                }
                parameter
            }
            TensorKind::Input | TensorKind::Constant => return None,
        };
        let shape = graph.shape(graph[parameter].tensor);
        let sizes = [*shape.first()?, *shape.get(1)?];
        let kernel: usize = shape[2..].iter().product();
        let zero = masked.removed(parameter).map(|removed| {
            let kernels = removed.chunks_exact(kernel.max(1));
            kernels
                .map(|kernel| kernel.iter().all(|gone| *gone))
                .collect()
        });
        Some(Self {
            parameter,
            input_axis,
            sizes,
            zero,
        })
    }
}
