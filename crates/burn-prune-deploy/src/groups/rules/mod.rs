//! What each operation does to the channels of its tensors.
//!
//! A rule ties the entries of axes that go together. Whatever it says nothing about is frozen: an
//! operation needs all of an axis unless it is known that it does not.

mod convolution;
mod products;
mod ties;
mod views;

use std::collections::{BTreeMap, HashSet};

use super::coupling::{Axis, Entries};
use super::zeros::{self, Hazard};
use crate::graph::{
    Graph, Operation, OperationId, OperationKind as Kind, Reshape, TensorId, TensorKind,
    WithoutBatch,
};
use views::Parts;

/// Burn's layers that fail with fewer heads or units, even when their fields are changed.
const FIXED: [&str; 7] = [
    "MultiHeadAttention",
    "CrossAttention",
    "Rnn",
    "BiRnn",
    "Lstm",
    "BiLstm",
    "GateController",
];

/// Why no entry of a kernel is cut.
pub(in crate::groups) const KERNEL: &str = "an axis of a kernel";

/// Ties of a whole graph.
pub(super) struct Rules<'a> {
    pub graph: &'a Graph,
    /// The sizes of reshapes, as far as they follow the batch.
    reshapes: &'a [Option<Reshape>],
    pub entries: Entries,
    /// Why something is frozen.
    pub reasons: Vec<String>,
    /// The axes that the current rule has spoken about.
    spoken: HashSet<Axis>,
    /// Slices of an axis, from all operations that take some.
    slices: BTreeMap<(TensorId, usize), Parts>,
    /// Where gradients diverge at what masks make 0.
    pub hazards: Vec<Hazard>,
}

impl<'a> Rules<'a> {
    pub(super) fn of(without_batch: &'a WithoutBatch<'_>) -> Self {
        let graph = &*without_batch.graph;
        let mut rules = Self {
            graph,
            reshapes: &without_batch.reshapes,
            entries: Entries::of(graph),
            reasons: Vec::new(),
            spoken: HashSet::new(),
            slices: views::slices(graph),
            hazards: Vec::new(),
        };
        for input in &graph.inputs {
            rules.freeze_tensor(*input, "an input of the model");
        }
        for output in &graph.outputs {
            rules.freeze_tensor(*output, "an output of the model");
        }
        for tensor in graph.tensor_ids() {
            if graph[tensor].kind == TensorKind::Constant {
                rules.freeze_tensor(tensor, "a constant that is no parameter");
            }
        }
        for parameter in &graph.parameters {
            let mut structs = parameter.structs.iter();
            if let Some(fixed) = structs.find(|name| FIXED.contains(&name.as_str())) {
                let reason = format!("`{fixed}` keeps its sizes in fields of its own");
                rules.freeze_tensor(parameter.tensor, &reason);
            }
        }
        for index in graph.operation_ids() {
            rules.operation(index, &graph[index]);
        }
        loop {
            while rules.freeze_after_unknown() {}
            rules.hazards = zeros::freeze_leaks(graph, &mut rules.entries, &mut rules.reasons);
            if !rules.freeze_after_unknown() {
                return rules;
            }
        }
    }

    /// Freezes what unknown operations make of what is frozen; says whether there was something.
    fn freeze_after_unknown(&mut self) -> bool {
        let graph = self.graph;
        let mut found = false;
        for index in graph.operation_ids() {
            let operation = &graph[index];
            let Kind::Other { name } = &operation.kind else {
                continue;
            };
            if !operation.inputs.iter().all(|input| self.is_frozen(*input)) {
                continue;
            }
            for output in &operation.outputs {
                if !self.is_frozen(*output) {
                    self.freeze_tensor(*output, &format!("operation {index}, `{name}`, makes it"));
                    found = true;
                }
            }
        }
        found
    }

    fn operation(&mut self, index: OperationId, operation: &Operation) {
        self.spoken.clear();
        let inputs = &operation.inputs;
        let Some(&out) = operation.outputs.first() else {
            return;
        };
        let of = |tensor: TensorId, axis: usize| Axis { tensor, axis };
        match &operation.kind {
            Kind::Convolution {
                transposed, groups, ..
            } => self.convolution(inputs, out, *transposed, *groups),
            Kind::Linear => self.linear(inputs, out),
            Kind::MatMul => self.matmul(inputs[0], inputs[1], out),
            Kind::Attention { .. } => self.attention(inputs, out),
            Kind::BatchNorm { .. } => {
                self.tie_all_but(inputs[0], out, &[]);
                for parameter in &inputs[1..] {
                    self.tie(of(*parameter, 0), of(out, 1));
                }
            }
            Kind::LayerNorm { .. } => {
                let last = self.entries.rank(out) - 1;
                self.tie_all_but(inputs[0], out, &[last]);
            }
            Kind::Embedding => {
                let (weights, indices) = (inputs[0], inputs[1]);
                let rank = self.entries.rank(out);
                self.tie(of(weights, 1), of(out, rank - 1));
                for axis in 0..rank - 1 {
                    self.tie(of(indices, axis), of(out, axis));
                }
            }
            Kind::Spatial { .. } => {
                for output in &operation.outputs {
                    self.tie(of(inputs[0], 0), of(*output, 0));
                    self.tie(of(inputs[0], 1), of(*output, 1));
                }
            }
            Kind::Elementwise { .. } => {
                let rank = self.entries.rank(out);
                for input in inputs {
                    let input_rank = self.entries.rank(*input);
                    self.tie_broadcast(*input, out, input_rank, rank);
                }
            }
            Kind::Reduce { axes, .. } => {
                let all: Vec<usize> = (0..self.entries.rank(inputs[0])).collect();
                let axes = if axes.is_empty() { &all } else { axes };
                if self.entries.rank(out) == all.len() {
                    for output in &operation.outputs {
                        self.tie_all_but(inputs[0], *output, axes);
                    }
                }
            }
            Kind::Along { axis, .. } => self.tie_all_but(inputs[0], out, &[*axis]),
            Kind::Reshape => self.reshape(index, inputs[0], out),
            Kind::Permute { axes } => {
                for (to, from) in axes.iter().enumerate() {
                    self.tie(of(inputs[0], *from), of(out, to));
                }
            }
            Kind::Slice { ranges } => self.slice(inputs[0], out, ranges),
            Kind::Concatenate { axis } => self.concatenate(inputs, out, *axis),
            Kind::Expand => self.expand(inputs[0], out),
            Kind::Repeat { axis, .. } => self.repeat(inputs[0], out, *axis),
            Kind::Flip { axes } => self.flip(inputs[0], out, axes),
            Kind::Pad { padding, .. } => {
                let padded: Vec<usize> = padding
                    .iter()
                    .enumerate()
                    .filter(|(_, amount)| **amount != (0, 0))
                    .map(|(axis, _)| axis)
                    .collect();
                self.tie_all_but(inputs[0], out, &padded);
            }
            Kind::Select { axis } => self.select(inputs, out, *axis),
            Kind::Create { .. } => {
                let rank = self.entries.rank(out);
                self.spoken.extend((0..rank).map(|axis| of(out, axis)));
            }
            // Refused afterwards, when something that can be cut leads to it.
            Kind::Other { .. } => return,
        }
        self.freeze_the_rest(index, operation);
    }

    fn freeze_the_rest(&mut self, index: OperationId, operation: &Operation) {
        let tensors = operation.inputs.iter().chain(&operation.outputs);
        let axes = tensors.flat_map(|tensor| {
            (0..self.entries.rank(*tensor)).map(|axis| Axis {
                tensor: *tensor,
                axis,
            })
        });
        let silent: Vec<Axis> = axes.filter(|axis| !self.spoken.contains(axis)).collect();
        if silent.is_empty() {
            return;
        }
        let name = operation.kind.name();
        let reason = self.reason(format!("operation {index}, `{name}`, needs all of it"));
        for axis in silent {
            self.entries.freeze(axis, reason);
        }
    }
}
