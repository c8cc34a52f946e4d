//! Operations that put elements elsewhere.

use super::{Constants, Sent};
use crate::graph::{Operation, OperationKind as Kind, Padding, Reshape, TensorId};
use crate::groups::reshape;

impl Constants<'_> {
    pub(super) fn view(&self, operation: &Operation, axis: usize, entry: usize) -> Sent {
        let (inputs, output) = (&operation.inputs, operation.outputs[0]);
        let input = inputs[0];
        let size = self.graph.shape(input).get(axis).copied();
        match &operation.kind {
            Kind::Permute { axes } => self.at(input, axes[axis], entry),
            Kind::Slice { ranges } => match ranges[axis] {
                (start, _, 1) => self.at(input, axis, start + entry),
                _ => None,
            },
            Kind::Concatenate { axis: along } if *along == axis => {
                let mut entry = entry;
                for part in inputs {
                    let size = self.graph.shape(*part)[axis];
                    if entry < size {
                        return self.at(*part, axis, entry);
                    }
                    entry -= size;
                }
                None
            }
            Kind::Concatenate { .. } => {
                let first = self.at(input, axis, entry)?;
                let mut others = inputs.iter().map(|part| self.at(*part, axis, entry));
                others
                    .all(|other| other.as_ref() == Some(&first))
                    .then_some(first)
            }
            Kind::Expand => {
                let axes = self.graph.shape(output).len();
                self.broadcast(input, axes, axis, entry)
            }
            Kind::Repeat { .. } => self.at(input, axis, entry % size?),
            Kind::Flip { axes } if axes.contains(&axis) => self.at(input, axis, size? - 1 - entry),
            Kind::Flip { .. } => self.at(input, axis, entry),
            Kind::Pad { padding, mode } => {
                if padding[axis] != (0, 0) {
                    return None;
                }
                let sent = self.at(input, axis, entry)?;
                let keeps = match mode {
                    Padding::Constant(number) => number.0 == 0.0 && sent.is_zero(),
                    Padding::Reflect | Padding::Edge => true,
                };
                keeps.then_some(sent)
            }
            Kind::Select { axis: along } if *along != axis => self.at(input, axis, entry),
            _ => None,
        }
    }

    /// The entries of an axis behind a reshape: those that hold the same elements.
    pub(super) fn reshape(
        &self,
        from: TensorId,
        to: TensorId,
        axis: usize,
        sizes: &Reshape,
    ) -> Vec<Sent> {
        let size = self.graph.shape(to)[axis];
        let unknown = vec![None; size];
        let blocks = reshape::blocks(&sizes.before, &sizes.after);
        let Some(block) = blocks.iter().find(|block| block.after[0] == axis) else {
            return unknown;
        };
        let own = block.before[0];
        let before = self.graph.shape(from)[own];
        let is_fixed = |sizes: &[crate::graph::AxisSize], axis: usize, size: usize| {
            sizes[axis].times() == size
        };
        if !is_fixed(&sizes.before, own, before) || !is_fixed(&sizes.after, axis, size) {
            return unknown;
        }
        if before >= size {
            // Each is made of several.
            let of = |entry: usize| {
                let mut parts = reshape::entries(size, before, entry)?;
                let first = self.at(from, own, parts.next()?)?;
                parts
                    .all(|part| self.at(from, own, part).as_ref() == Some(&first))
                    .then_some(first)
            };
            return (0..size).map(of).collect();
        }
        let mut found = unknown;
        for entry in 0..before {
            for part in reshape::entries(before, size, entry).unwrap_or_default() {
                found[part] = self.at(from, own, entry);
            }
        }
        found
    }
}
