//! Operations that put elements elsewhere: reshapes, slices, concatenation, repetition.

use std::collections::{BTreeMap, BTreeSet};

use super::Rules;
use crate::graph::{Graph, OperationId, OperationKind as Kind, TensorId};
use crate::groups::coupling::Axis;
use crate::groups::reshape;

/// Parts of an axis: start, end and step.
pub(super) type Parts = BTreeSet<(usize, usize, isize)>;

fn of(tensor: TensorId, axis: usize) -> Axis {
    Axis { tensor, axis }
}

impl Rules<'_> {
    pub(super) fn reshape(&mut self, index: OperationId, from: TensorId, to: TensorId) {
        let (before, after) = (self.graph.shape(from), self.graph.shape(to));
        let sizes = self.reshapes[index.index()]
            .as_ref()
            .expect("it is there for every reshape");
        let one = |shape: &[usize], tensor: TensorId| -> Vec<Axis> {
            let axes = shape.iter().enumerate().filter(|(_, size)| **size == 1);
            axes.map(|(axis, _)| Axis { tensor, axis }).collect()
        };
        let ones = [one(before, from), one(after, to)].concat();
        self.spoken.extend(ones);
        for block in reshape::blocks(&sizes.before, &sizes.after) {
            let a = Axis {
                tensor: from,
                axis: block.before[0],
            };
            let b = Axis {
                tensor: to,
                axis: block.after[0],
            };
            let (fewer, more) = if self.entries.size(a) <= self.entries.size(b) {
                (a, b)
            } else {
                (b, a)
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

    pub(super) fn slice(&mut self, from: TensorId, to: TensorId, ranges: &[(usize, usize, isize)]) {
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
    pub(super) fn concatenate(&mut self, inputs: &[TensorId], out: TensorId, axis: usize) {
        let mut offset = 0;
        let mut tensors = inputs.iter().chain([&out]);
        let is_of_batch = tensors.any(|tensor| self.graph.follows_batch(*tensor, axis));
        for input in inputs {
            self.tie_all_but(*input, out, &[axis]);
            // Parts of the batch, which is never cut.
            if is_of_batch {
                continue;
            }
            let (from, to) = (of(*input, axis), of(out, axis));
            for index in 0..self.entries.size(from) {
                self.entries.tie((from, index), (to, offset + index));
            }
            offset += self.entries.size(from);
            self.spoken.extend([from, to]);
        }
    }

    pub(super) fn expand(&mut self, from: TensorId, to: TensorId) {
        let [from_rank, to_rank] = [from, to].map(|tensor| self.entries.rank(tensor));
        self.tie_broadcast(from, to, from_rank, to_rank);
        // What is repeated can be repeated less often.
        self.spoken.extend((0..to_rank).map(|axis| of(to, axis)));
    }

    pub(super) fn repeat(&mut self, from: TensorId, to: TensorId, axis: usize) {
        self.tie_all_but(from, to, &[axis]);
        let (from, to) = (of(from, axis), of(to, axis));
        let size = self.entries.size(from);
        for index in 0..self.entries.size(to) {
            self.entries.tie((from, index % size), (to, index));
        }
        self.spoken.extend([from, to]);
    }

    pub(super) fn flip(&mut self, from: TensorId, to: TensorId, axes: &[usize]) {
        self.tie_all_but(from, to, axes);
        for axis in axes {
            let (from, to) = (of(from, *axis), of(to, *axis));
            let size = self.entries.size(from);
            for index in 0..size {
                self.entries.tie((from, index), (to, size - 1 - index));
            }
            self.spoken.extend([from, to]);
        }
    }

    pub(super) fn select(&mut self, inputs: &[TensorId], out: TensorId, axis: usize) {
        self.tie_all_but(inputs[0], out, &[axis]);
        if let Some(indices) = inputs.get(1) {
            self.tie(of(*indices, 0), of(out, axis));
        }
        let all = of(inputs[0], axis);
        self.spoken.remove(&all);
    }
}

/// The partial slices of each axis of each tensor.
pub(super) fn slices(graph: &Graph) -> BTreeMap<(TensorId, usize), Parts> {
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
