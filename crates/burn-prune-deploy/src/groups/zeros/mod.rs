//! What masks make of the places that they make 0, on the way through the network.
//!
//! A masked channel is 0 where its weights make it, and then a number that depends on what follows:
//! `sqrt(0 + epsilon)` behind a norm, 0.5 behind a sigmoid, minus infinity behind a logarithm. What
//! reads the channel multiplies it with 0 and sums. That hides every finite number, and nothing
//! else: 0 times infinity is not a number. So channels stay where what is read is not finite, may
//! not be, or is so large that sums overflow on the way; and where the weight that reads them is
//! not masked, as one that something is divided by.
//!
//! This is an abstract interpretation (Cousot and Cousot 1977) with intervals: one for each axis of
//! each tensor, of what it can be at the masked entries of that axis.

mod along;
mod elementwise;
mod gradient;
mod layers;
mod precision;
mod sums;
mod value;
mod views;

use std::collections::HashSet;

use super::coupling::{Axis, Entries};
use crate::graph::{Creation, Graph, Operation, OperationId, OperationKind as Kind, TensorId};
use precision::Precision;
use sums::Leak;
use value::Value;

/// Values of all tensors at masked entries.
pub(super) struct Zeros<'a> {
    graph: &'a Graph,
    entries: &'a mut Entries,
    /// By tensor and axis: what it is at the masked entries of the axis, where there are some.
    masked: Vec<Vec<Option<Value>>>,
    /// By tensor: what it is elsewhere.
    kept: Vec<Value>,
}

/// An axis of what an operation reads, at whose masked entries the gradient may be infinite.
pub(super) struct Hazard {
    pub operation: OperationId,
    pub axis: Axis,
}

/// Freezes what would make a difference if it were masked, and finds where gradients diverge.
pub(super) fn freeze_leaks(
    graph: &Graph,
    entries: &mut Entries,
    reasons: &mut Vec<String>,
) -> Vec<Hazard> {
    let mut free = Free::default();
    loop {
        free.update(graph, entries);
        let mut zeros = Zeros::new(graph, entries);
        match zeros.follow(&free) {
            Ok(hazards) => return hazards,
            // What comes after it would be blamed for it too.
            Err(leak) => {
                let known = reasons.iter().position(|known| *known == leak.reason);
                let reason = known.unwrap_or_else(|| {
                    reasons.push(leak.reason);
                    reasons.len() - 1
                });
                entries.freeze(leak.axis, reason as u32);
            }
        }
    }
}

/// By tensor and axis, whether there is something that can be cut.
#[derive(Default)]
struct Free(Vec<Vec<bool>>);

impl Free {
    /// Looks again; what is frozen stays frozen.
    fn update(&mut self, graph: &Graph, entries: &mut Entries) {
        if self.0.is_empty() {
            // The only entry of an axis is no channel among others.
            let axes = |shape: &[usize]| shape.iter().map(|size| *size > 1).collect();
            let tensors = graph.tensors.iter();
            self.0 = tensors.map(|tensor| axes(&tensor.shape)).collect();
        }
        for (tensor, axes) in graph.tensor_ids().zip(&mut self.0) {
            for (axis, free) in axes.iter_mut().enumerate().filter(|(_, free)| **free) {
                let at = Axis { tensor, axis };
                *free = (0..entries.size(at)).any(|index| {
                    let set = entries.set(at, index);
                    entries.frozen(set).is_none()
                });
            }
        }
    }
}

impl<'a> Zeros<'a> {
    fn new(graph: &'a Graph, entries: &'a mut Entries) -> Self {
        let masked = graph
            .tensors
            .iter()
            .map(|tensor| vec![None; tensor.shape.len()]);
        let kept = graph
            .tensors
            .iter()
            .map(|tensor| Value::ordinary(Precision::of(tensor.element_bytes)));
        Self {
            graph,
            entries,
            masked: masked.collect(),
            kept: kept.collect(),
        }
    }

    /// Goes through the network, up to the first leak.
    fn follow(&mut self, free: &Free) -> Result<Vec<Hazard>, Leak> {
        let graph = self.graph;
        for parameter in &graph.parameters {
            let value = if parameter.can_be_masked() {
                Value::exactly(0.0)
            } else {
                self.kept[parameter.tensor.index()]
            };
            self.set(free, parameter.tensor, |_, _| value);
        }
        let mut hazards = Vec::new();
        for index in graph.operation_ids() {
            let operation = &graph[index];
            self.check(index, operation)?;
            self.hazards(index, operation, free, &mut hazards);
            for (place, output) in operation.outputs.iter().enumerate() {
                self.kept[output.index()] = self.kept_after(operation, *output);
                self.set(free, *output, |zeros, axis| {
                    zeros.after(index, operation, place, axis)
                });
            }
        }
        Ok(hazards)
    }

    /// Writes down a tensor at the masked entries of each axis.
    fn set(&mut self, free: &Free, tensor: TensorId, value: impl Fn(&mut Self, usize) -> Value) {
        for axis in 0..self.masked[tensor.index()].len() {
            if free.0[tensor.index()][axis] {
                self.masked[tensor.index()][axis] = Some(value(self, axis));
            }
        }
    }

    fn precision(&self, tensor: TensorId) -> Precision {
        Precision::of(self.graph[tensor].element_bytes)
    }

    /// Either what it is at masked entries or elsewhere.
    fn anywhere(&self, tensor: TensorId) -> Value {
        let masked = self.masked[tensor.index()].iter().flatten();
        masked.fold(self.kept[tensor.index()], |all, masked| all.or(*masked))
    }

    /// What it is anywhere but at the masked entries of an axis: those are summed over.
    fn anywhere_but(&self, tensor: TensorId, axis: usize) -> Value {
        self.masked[tensor.index()]
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != axis)
            .filter_map(|(_, masked)| *masked)
            .fold(self.kept[tensor.index()], Value::or)
    }

    /// What it is at the masked entries of an axis; anything it is, when there are none.
    fn at(&self, tensor: TensorId, axis: usize) -> Value {
        let masked = self.masked[tensor.index()].get(axis).copied().flatten();
        masked.unwrap_or_else(|| self.anywhere(tensor))
    }

    /// What it is where something else has masked entries in an axis that is so far from its last
    /// one: smaller tensors are repeated.
    fn broadcast(&self, tensor: TensorId, back: usize) -> Value {
        match self.graph.shape(tensor).len().checked_sub(back) {
            Some(axis) => self.at(tensor, axis),
            None => self.anywhere(tensor),
        }
    }

    fn kept_after(&self, operation: &Operation, output: TensorId) -> Value {
        match &operation.kind {
            Kind::Create { operation } => match operation {
                Creation::Zeros => Value::exactly(0.0).untouched(),
                Creation::Ones => Value::exactly(1.0).untouched(),
                Creation::Full(number) => Value::exactly(number.0).untouched(),
                Creation::Empty | Creation::Random | Creation::IntRandom => {
                    self.kept[output.index()]
                }
            },
            Kind::Reshape
            | Kind::Permute { .. }
            | Kind::Slice { .. }
            | Kind::Expand
            | Kind::Repeat { .. }
            | Kind::Flip { .. } => self.kept[operation.inputs[0].index()],
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
            | Kind::Pad { .. }
            | Kind::Select { .. }
            | Kind::Other { .. } => self.kept[output.index()],
        }
    }

    /// What an operation makes of its inputs, at the masked entries of an axis of its output.
    fn after(
        &mut self,
        index: OperationId,
        operation: &Operation,
        place: usize,
        axis: usize,
    ) -> Value {
        let output = operation.outputs[place];
        let precision = self.precision(output);
        let value = match &operation.kind {
            Kind::Create { .. } => self.kept[output.index()],
            Kind::Elementwise {
                operation: which,
                scalars,
            } => {
                let inputs = self.elementwise_inputs(operation, axis);
                let same = operation.inputs.len() > 1 && operation.inputs[0] == operation.inputs[1];
                if inputs.iter().all(|input| input.untouched) {
                    self.kept[output.index()]
                } else {
                    let value = elementwise::elementwise(*which, scalars, &inputs, same, precision);
                    value.touched()
                }
            }
            Kind::Reduce {
                operation: which, ..
            } => self.reduced(*which, operation, place, axis),
            Kind::Along {
                operation: which,
                axis: mixed,
            } => self.along(*which, operation.inputs[0], *mixed, axis),
            Kind::Spatial {
                operation: which, ..
            } => self.spatial(*which, operation.inputs[0], place, axis),
            Kind::Convolution { .. }
            | Kind::MatMul
            | Kind::Linear
            | Kind::BatchNorm { .. }
            | Kind::LayerNorm { .. }
            | Kind::Embedding
            | Kind::Attention { .. } => self.layer(operation, axis),
            Kind::Reshape
            | Kind::Permute { .. }
            | Kind::Slice { .. }
            | Kind::Concatenate { .. }
            | Kind::Expand
            | Kind::Repeat { .. }
            | Kind::Flip { .. }
            | Kind::Pad { .. }
            | Kind::Select { .. } => self.view(operation, axis),
            // Refused, whatever it makes.
            Kind::Other { .. } => self.kept[output.index()].touched(),
        };
        let cause = if value.is_hidden_by_zero(precision) {
            None
        } else {
            value.cause.or(Some(index))
        };
        Value { cause, ..value }
    }

    /// The inputs of an operation on single elements, where its output has masked entries.
    fn elementwise_inputs(&self, operation: &Operation, axis: usize) -> Vec<Value> {
        let back = self.graph.shape(operation.outputs[0]).len() - axis;
        let inputs = operation.inputs.iter();
        inputs.map(|input| self.broadcast(*input, back)).collect()
    }

    /// Where the gradient diverges at masked entries.
    fn hazards(
        &self,
        index: OperationId,
        operation: &Operation,
        free: &Free,
        found: &mut Vec<Hazard>,
    ) {
        let output = operation.outputs.first().copied();
        let Some(output) = output.filter(|output| free.0[output.index()].contains(&true)) else {
            return;
        };
        let precision = self.precision(output);
        for axis in (0..free.0[output.index()].len()).filter(|axis| free.0[output.index()][*axis]) {
            let diverges = match &operation.kind {
                Kind::Elementwise {
                    operation: which,
                    scalars,
                } => {
                    let inputs = self.elementwise_inputs(operation, axis);
                    (0..inputs.len()).any(|place| {
                        !inputs[place].untouched
                            && gradient::diverges(*which, scalars, &inputs, place, precision)
                    })
                }
                // Variances of masked entries are 0.
                Kind::BatchNorm { epsilon } | Kind::LayerNorm { epsilon } => epsilon.0 == 0.0,
                Kind::Convolution { .. }
                | Kind::MatMul
                | Kind::Linear
                | Kind::Embedding
                | Kind::Attention { .. }
                | Kind::Spatial { .. }
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
                | Kind::Other { .. } => false,
            };
            if diverges {
                let axis = Axis {
                    tensor: output,
                    axis,
                };
                found.push(Hazard {
                    operation: index,
                    axis,
                });
            }
        }
    }

    /// The sets of an axis that can be cut.
    fn sets(&mut self, axis: Axis) -> HashSet<usize> {
        (0..self.entries.size(axis))
            .map(|index| self.entries.set(axis, index))
            .collect()
    }
}
