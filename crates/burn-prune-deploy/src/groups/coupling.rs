//! The entries of all axes of all tensors, and which of them stand or fall together.

use std::collections::BTreeSet;

use crate::graph::{Graph, TensorId};

/// An axis of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Axis {
    pub tensor: TensorId,
    pub axis: usize,
}

/// Sets of entries that are cut together, as a forest (union-find by path halving).
///
/// Entry 5 of axis 1 of an activation is channel 5 with all that is in it.
#[derive(Debug, Clone)]
pub(super) struct Entries {
    /// First entry of each axis of each tensor.
    first: Vec<Vec<usize>>,
    sizes: Vec<Vec<usize>>,
    parent: Vec<u32>,
    /// Why the set of a root can never be cut: a number of a reason.
    frozen: Vec<Option<u32>>,
}

impl Entries {
    pub(super) fn of(graph: &Graph) -> Self {
        let mut count = 0;
        let mut first = Vec::new();
        for tensor in &graph.tensors {
            let mut of_tensor = Vec::new();
            for size in &tensor.shape {
                of_tensor.push(count);
                count += size;
            }
            first.push(of_tensor);
        }
        let shapes = graph.tensors.iter().map(|tensor| tensor.shape.clone());
        let last = u32::try_from(count).expect("the axes of a model have fewer than 2^32 entries");
        Self {
            first,
            sizes: shapes.collect(),
            parent: (0..last).collect(),
            frozen: vec![None; count],
        }
    }

    pub(super) fn size(&self, axis: Axis) -> usize {
        self.sizes[axis.tensor.index()][axis.axis]
    }

    pub(super) fn rank(&self, tensor: TensorId) -> usize {
        self.sizes[tensor.index()].len()
    }

    fn entry(&self, axis: Axis, index: usize) -> usize {
        debug_assert!(index < self.size(axis));
        self.first[axis.tensor.index()][axis.axis] + index
    }

    fn find(&mut self, mut entry: usize) -> usize {
        while self.parent[entry] as usize != entry {
            let grandparent = self.parent[self.parent[entry] as usize];
            self.parent[entry] = grandparent;
            entry = grandparent as usize;
        }
        entry
    }

    /// Two entries go together.
    pub(super) fn tie(&mut self, (a, at): (Axis, usize), (b, to): (Axis, usize)) {
        let a = self.entry(a, at);
        let b = self.entry(b, to);
        let (a, b) = (self.find(a), self.find(b));
        if a == b {
            return;
        }
        // The earlier one stays the root, so that nothing depends on the order of ties.
        let (root, other) = (a.min(b), a.max(b));
        self.parent[other] = root as u32;
        self.frozen[root] = match (self.frozen[root], self.frozen[other]) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    /// No entry of the axis can ever be cut.
    pub(super) fn freeze(&mut self, axis: Axis, reason: u32) {
        for index in 0..self.size(axis) {
            let entry = self.entry(axis, index);
            let root = self.find(entry);
            self.frozen[root].get_or_insert(reason);
        }
    }

    /// The set of an entry.
    pub(super) fn set(&mut self, axis: Axis, index: usize) -> usize {
        let entry = self.entry(axis, index);
        self.find(entry)
    }

    /// The sets of all entries of a tensor.
    pub(super) fn sets(&mut self, tensor: TensorId) -> BTreeSet<usize> {
        let mut sets = BTreeSet::new();
        for axis in 0..self.rank(tensor) {
            let at = Axis { tensor, axis };
            sets.extend((0..self.size(at)).map(|index| self.set(at, index)));
        }
        sets
    }

    pub(super) fn frozen(&self, set: usize) -> Option<u32> {
        self.frozen[set]
    }
}
