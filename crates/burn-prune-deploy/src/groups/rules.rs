//! What each operation does to the channels of its tensors.
//!
//! A rule ties the entries of axes that go together. Whatever it says nothing about is frozen: an
//! operation needs all of an axis unless it is known that it does not.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::entries::{Axis, Entries};
use super::reshape;
use crate::graph::{Graph, Operation, OperationKind as Kind, TensorKind};

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
pub(super) const KERNEL: &str = "an axis of a kernel";

/// Parts of an axis: start, end and step.
type Parts = BTreeSet<(usize, usize, isize)>;

/// Ties of a whole graph.
pub(super) struct Rules<'a> {
    pub graph: &'a Graph,
    pub entries: Entries,
    /// Why something is frozen.
    pub reasons: Vec<String>,
    /// The axes that the current rule has spoken about.
    spoken: HashSet<Axis>,
    /// Slices of an axis, from all operations that take some.
    slices: BTreeMap<(usize, usize), Parts>,
}

impl<'a> Rules<'a> {
    pub(super) fn of(graph: &'a Graph) -> Self {
        let mut rules = Self {
            graph,
            entries: Entries::of(graph),
            reasons: Vec::new(),
            spoken: HashSet::new(),
            slices: slices(graph),
        };
        for input in &graph.inputs {
            rules.freeze_tensor(*input, "an input of the model");
        }
        for output in &graph.outputs {
            rules.freeze_tensor(*output, "an output of the model");
        }
        for (tensor, info) in graph.tensors.iter().enumerate() {
            if info.kind == TensorKind::Constant {
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
        for (index, operation) in graph.operations.iter().enumerate() {
            rules.operation(index, operation);
        }
        rules
    }

    fn reason(&mut self, reason: String) -> u32 {
        let known = self.reasons.iter().position(|known| *known == reason);
        let number = known.unwrap_or_else(|| {
            self.reasons.push(reason);
            self.reasons.len() - 1
        });
        number as u32
    }

    fn freeze_tensor(&mut self, tensor: usize, reason: &str) {
        let reason = self.reason(reason.to_string());
        for axis in 0..self.entries.rank(tensor) {
            self.entries.freeze(Axis { tensor, axis }, reason);
        }
    }

    /// Ties two axes entry by entry.
    fn tie(&mut self, a: Axis, b: Axis) {
        let size = self.entries.size(a);
        debug_assert_eq!(size, self.entries.size(b));
        for index in 0..size {
            self.entries.tie((a, index), (b, index));
        }
        self.spoken.extend([a, b]);
    }

    /// Ties two axes that are multiplied and summed over. A masked entry adds nothing when one of the
    /// sides is a parameter, which is 0 there; an activation need not be.
    fn contract(&mut self, a: Axis, b: Axis) {
        self.tie(a, b);
        let mut sides = [a, b].into_iter();
        if !sides.any(|side| self.graph.source(side.tensor).is_some()) {
            self.needs_all(a, "product of two activations");
        }
    }

    /// Nothing can be cut from an axis, whatever else is said about it.
    fn needs_all(&mut self, axis: Axis, what: &str) {
        let reason = self.reason(format!("a {what} needs all of it"));
        self.entries.freeze(axis, reason);
        self.spoken.insert(axis);
    }

    /// Ties all axes of two tensors of the same rank, but for some.
    fn tie_all_but(&mut self, a: usize, b: usize, but: &[usize]) {
        for axis in (0..self.entries.rank(a)).filter(|axis| !but.contains(axis)) {
            self.tie(Axis { tensor: a, axis }, Axis { tensor: b, axis });
        }
    }

    /// Ties axes from the last one on, where sizes of 1 are repeated.
    fn tie_broadcast(&mut self, from: usize, to: usize, from_axes: usize, to_axes: usize) {
        for back in 1..=from_axes.min(to_axes) {
            let a = Axis {
                tensor: from,
                axis: from_axes - back,
            };
            let b = Axis {
                tensor: to,
                axis: to_axes - back,
            };
            match (self.entries.size(a), self.entries.size(b)) {
                (a_size, b_size) if a_size == b_size => self.tie(a, b),
                _ => {
                    self.spoken.insert(a);
                }
            }
        }
    }

    fn operation(&mut self, index: usize, operation: &Operation) {
        self.spoken.clear();
        let inputs = &operation.inputs;
        let Some(&out) = operation.outputs.first() else {
            return;
        };
        let of = |tensor: usize, axis: usize| Axis { tensor, axis };
        match &operation.kind {
            Kind::Convolution {
                transposed, groups, ..
            } => self.convolution(inputs, out, *transposed, *groups),
            Kind::Linear => {
                let (x, weight) = (inputs[0], inputs[1]);
                let last = self.entries.rank(x) - 1;
                self.contract(of(x, last), of(weight, 0));
                self.tie(of(out, last), of(weight, 1));
                if let Some(bias) = inputs.get(2) {
                    self.tie(of(*bias, 0), of(out, last));
                }
                self.tie_all_but(x, out, &[last]);
            }
            Kind::MatMul => {
                let (a, b) = (inputs[0], inputs[1]);
                let rank = self.entries.rank(out);
                let [a_rank, b_rank] = [a, b].map(|tensor| self.entries.rank(tensor));
                self.contract(of(a, a_rank - 1), of(b, b_rank - 2));
                self.tie(of(a, a_rank - 2), of(out, rank - 2));
                self.tie(of(b, b_rank - 1), of(out, rank - 1));
                self.tie_broadcast(a, out, a_rank - 2, rank - 2);
                self.tie_broadcast(b, out, b_rank - 2, rank - 2);
            }
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
            Kind::Attention { .. } => {
                for input in &inputs[..3] {
                    self.tie(of(*input, 0), of(out, 0));
                    self.tie(of(*input, 1), of(out, 1));
                }
                self.tie(of(inputs[2], 3), of(out, 3));
                // Scores are scaled by the size of a head.
                for input in &inputs[..2] {
                    self.needs_all(of(*input, 3), "attention");
                }
                // A mask or bias may be there for each head.
                for input in &inputs[3..] {
                    let rank = self.entries.rank(*input);
                    self.tie_broadcast(*input, out, rank - 2, 2);
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
            Kind::Reshape => self.reshape(inputs[0], out),
            Kind::Permute { axes } => {
                for (to, from) in axes.iter().enumerate() {
                    self.tie(of(inputs[0], *from), of(out, to));
                }
            }
            Kind::Slice { ranges } => self.slice(inputs[0], out, ranges),
            Kind::Concatenate { axis } => {
                let mut offset = 0;
                for input in inputs {
                    self.tie_all_but(*input, out, &[*axis]);
                    let (from, to) = (of(*input, *axis), of(out, *axis));
                    for index in 0..self.entries.size(from) {
                        self.entries.tie((from, index), (to, offset + index));
                    }
                    offset += self.entries.size(from);
                    self.spoken.extend([from, to]);
                }
            }
            Kind::Expand => {
                let [from, to] = [inputs[0], out].map(|tensor| self.entries.rank(tensor));
                self.tie_broadcast(inputs[0], out, from, to);
                // What is repeated can be repeated less often.
                self.spoken.extend((0..to).map(|axis| of(out, axis)));
            }
            Kind::Repeat { axis, .. } => {
                self.tie_all_but(inputs[0], out, &[*axis]);
                let (from, to) = (of(inputs[0], *axis), of(out, *axis));
                let size = self.entries.size(from);
                for index in 0..self.entries.size(to) {
                    self.entries.tie((from, index % size), (to, index));
                }
                self.spoken.extend([from, to]);
            }
            Kind::Flip { axes } => {
                self.tie_all_but(inputs[0], out, axes);
                for axis in axes {
                    let (from, to) = (of(inputs[0], *axis), of(out, *axis));
                    let size = self.entries.size(from);
                    for index in 0..size {
                        self.entries.tie((from, index), (to, size - 1 - index));
                    }
                    self.spoken.extend([from, to]);
                }
            }
            Kind::Pad { padding, .. } => {
                let padded = padding.iter().enumerate();
                let padded = padded.filter(|(_, amount)| **amount != (0, 0));
                let padded: Vec<usize> = padded.map(|(axis, _)| axis).collect();
                self.tie_all_but(inputs[0], out, &padded);
            }
            Kind::Select { axis } => {
                self.tie_all_but(inputs[0], out, &[*axis]);
                if let Some(indices) = inputs.get(1) {
                    self.tie(of(*indices, 0), of(out, *axis));
                }
                let all = of(inputs[0], *axis);
                self.spoken.remove(&all);
            }
            Kind::Create { .. } => {
                let rank = self.entries.rank(out);
                self.spoken.extend((0..rank).map(|axis| of(out, axis)));
            }
            // Refused afterwards, when channels lead to it.
            Kind::Other { .. } => {}
        }
        self.freeze_the_rest(index, operation);
    }

    fn freeze_the_rest(&mut self, index: usize, operation: &Operation) {
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

    fn convolution(&mut self, inputs: &[usize], out: usize, transposed: bool, groups: usize) {
        let (x, weight) = (inputs[0], inputs[1]);
        let of = |tensor: usize, axis: usize| Axis { tensor, axis };
        let (x, y) = (of(x, 1), of(out, 1));
        self.tie(of(inputs[0], 0), of(out, 0));
        if let Some(bias) = inputs.get(2) {
            self.tie(of(*bias, 0), y);
        }
        if self.graph.source(weight).is_none() {
            for axis in [x, y, of(weight, 0), of(weight, 1)] {
                self.needs_all(axis, "convolution with a weight that is computed");
            }
        }
        let kernel = self.reason(KERNEL.to_string());
        for axis in (2..self.entries.rank(weight)).map(|axis| of(weight, axis)) {
            self.entries.freeze(axis, kernel);
            self.spoken.insert(axis);
        }
        // The axis with one entry a channel, and the one that is shared by the groups.
        let (whole, whole_side, shared_side) = match transposed {
            false => (of(weight, 0), y, x),
            true => (of(weight, 0), x, y),
        };
        let shared = of(weight, 1);
        self.tie(whole, whole_side);
        if groups == 1 {
            self.tie(shared, shared_side);
            return;
        }
        let in_group = |axis: Axis, entries: &Entries| entries.size(axis) / groups;
        let (x_each, y_each) = (in_group(x, &self.entries), in_group(y, &self.entries));
        self.spoken.extend([x, y]);
        if x_each == 1 {
            // Depthwise: a group is cut with its channel.
            for group in 0..groups {
                for index in 0..y_each {
                    (self.entries).tie((x, group), (y, group * y_each + index));
                }
            }
            return;
        }
        // The groups stay, and each loses the same places.
        self.spoken.insert(shared);
        for (axis, each) in [(x, x_each), (y, y_each)] {
            for index in each..groups * each {
                self.entries.tie((axis, index % each), (axis, index));
            }
        }
        for index in 0..self.entries.size(shared) {
            self.entries.tie((shared_side, index), (shared, index));
        }
    }

    fn reshape(&mut self, from: usize, to: usize) {
        let (before, after) = (self.graph.shape(from), self.graph.shape(to));
        let one = |shape: &[usize], tensor: usize| -> Vec<Axis> {
            let axes = shape.iter().enumerate().filter(|(_, size)| **size == 1);
            axes.map(|(axis, _)| Axis { tensor, axis }).collect()
        };
        let ones = [one(before, from), one(after, to)].concat();
        self.spoken.extend(ones);
        for block in reshape::blocks(before, after) {
            let a = Axis {
                tensor: from,
                axis: block.before[0],
            };
            let b = Axis {
                tensor: to,
                axis: block.after[0],
            };
            let (fewer, more) = match self.entries.size(a) <= self.entries.size(b) {
                true => (a, b),
                false => (b, a),
            };
            let (few, many) = (self.entries.size(fewer), self.entries.size(more));
            for index in 0..few {
                let Some(entries) = reshape::entries(few, many, index) else {
                    break;
                };
                for entry in entries {
                    self.entries.tie((fewer, index), (more, entry));
                }
                self.spoken.extend([a, b]);
            }
        }
    }

    fn slice(&mut self, from: usize, to: usize, ranges: &[(usize, usize, isize)]) {
        for (axis, &(start, end, step)) in ranges.iter().enumerate() {
            let (a, b) = (Axis { tensor: from, axis }, Axis { tensor: to, axis });
            let size = self.entries.size(a);
            let parts = self.slices.get(&(from, axis));
            let parts = parts.and_then(|parts| equal_parts(parts, size));
            match parts {
                _ if (start, end, step) == (0, size, 1) => self.tie(a, b),
                // Cut into equal parts: each loses the same places, and they stay equal.
                Some(each) => {
                    for index in each..size {
                        self.entries.tie((a, index % each), (a, index));
                    }
                    for index in 0..end - start {
                        self.entries.tie((a, start + index), (b, index));
                    }
                    self.spoken.extend([a, b]);
                }
                // Cut at places that the model's code knows.
                None => {}
            }
        }
    }
}

/// The partial slices of each axis of each tensor.
fn slices(graph: &Graph) -> BTreeMap<(usize, usize), Parts> {
    let mut slices: BTreeMap<_, Parts> = BTreeMap::new();
    for operation in &graph.operations {
        let Kind::Slice { ranges } = &operation.kind else {
            continue;
        };
        let tensor = operation.inputs[0];
        for (axis, range) in ranges.iter().enumerate() {
            if *range != (0, graph.shape(tensor)[axis], 1) {
                slices.entry((tensor, axis)).or_default().insert(*range);
            }
        }
    }
    slices
}

/// The size of the parts, when they are all of an axis and equal.
fn equal_parts(parts: &Parts, size: usize) -> Option<usize> {
    let each = size / parts.len();
    let expected = (0..parts.len()).map(|part| (part * each, (part + 1) * each, 1));
    (each * parts.len() == size && parts.iter().copied().eq(expected)).then_some(each)
}
