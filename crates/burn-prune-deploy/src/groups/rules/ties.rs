//! What rules say: these entries go together, these stay.

use super::Rules;
use crate::graph::TensorId;
use crate::groups::coupling::Axis;

impl Rules<'_> {
    pub(super) fn reason(&mut self, reason: String) -> u32 {
        let known = self.reasons.iter().position(|known| *known == reason);
        let number = known.unwrap_or_else(|| {
            self.reasons.push(reason);
            self.reasons.len() - 1
        });
        number as u32
    }

    pub(super) fn freeze_tensor(&mut self, tensor: TensorId, reason: &str) {
        let reason = self.reason(reason.to_string());
        for axis in 0..self.entries.rank(tensor) {
            self.entries.freeze(Axis { tensor, axis }, reason);
        }
    }

    /// Whether nothing can be cut from a tensor.
    pub(super) fn is_frozen(&mut self, tensor: TensorId) -> bool {
        let mut sets = self.entries.sets(tensor).into_iter();
        sets.all(|set| self.entries.frozen(set).is_some())
    }

    /// Ties two axes entry by entry.
    pub(super) fn tie(&mut self, a: Axis, b: Axis) {
        let size = self.entries.size(a);
        if size != self.entries.size(b) {
            return [a, b]
                .into_iter()
                .for_each(|axis| self.needs_all(axis, "pair of unequal axes"));
        }
        for index in 0..size {
            self.entries.tie((a, index), (b, index));
        }
        self.spoken.extend([a, b]);
    }

    /// Ties two axes that are multiplied and summed over. A masked entry adds nothing when one of the
    /// sides is a parameter, which is 0 there; an activation need not be.
    pub(super) fn contract(&mut self, a: Axis, b: Axis) {
        let is_masked = self.is_masked(a) || self.is_masked(b);
        self.tie(a, b);
        let mut sides = [a, b].into_iter();
        if !sides.any(|side| self.graph.source(side.tensor).is_some()) {
            self.needs_all(a, "product of two activations");
        } else if !is_masked {
            self.needs_all(a, "product with a repeated weight");
        }
    }

    /// Whether a tensor is a parameter, and masked with the entries of an axis. It is not where a
    /// single entry of the parameter is repeated.
    pub(super) fn is_masked(&mut self, axis: Axis) -> bool {
        let Some(parameter) = self.graph.source(axis.tensor) else {
            return false;
        };
        if self.entries.size(axis) <= 1 {
            return true;
        }
        let set = self.entries.set(axis, 0);
        let tensor = self.graph[parameter].tensor;
        self.entries.sets(tensor).contains(&set)
    }

    /// Nothing can be cut from an axis, whatever else is said about it.
    pub(super) fn needs_all(&mut self, axis: Axis, what: &str) {
        let reason = self.reason(format!("a {what} needs all of it"));
        self.entries.freeze(axis, reason);
        self.spoken.insert(axis);
    }

    /// Ties all axes of two tensors of the same rank, but for some.
    pub(super) fn tie_all_but(&mut self, a: TensorId, b: TensorId, but: &[usize]) {
        for axis in (0..self.entries.rank(a)).filter(|axis| !but.contains(axis)) {
            self.tie(Axis { tensor: a, axis }, Axis { tensor: b, axis });
        }
    }

    /// Ties axes from the last one on, where sizes of 1 are repeated.
    pub(super) fn tie_broadcast(
        &mut self,
        from: TensorId,
        to: TensorId,
        from_axes: usize,
        to_axes: usize,
    ) {
        for back in 1..=from_axes.min(to_axes) {
            let a = Axis {
                tensor: from,
                axis: from_axes - back,
            };
            let b = Axis {
                tensor: to,
                axis: to_axes - back,
            };
            // A single entry is repeated for each of the batch.
            let is_of_batch = |axis: Axis| self.graph.follows_batch(axis.tensor, axis.axis);
            let is_repeated = is_of_batch(a) != is_of_batch(b);
            if self.entries.size(a) == self.entries.size(b) && !is_repeated {
                self.tie(a, b);
            } else {
                self.spoken.insert(a);
            }
        }
    }
}
