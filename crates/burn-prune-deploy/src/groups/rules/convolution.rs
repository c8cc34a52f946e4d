//! The channels of convolutions.

use super::{KERNEL, Rules};
use crate::graph::TensorId;
use crate::groups::coupling::{Axis, Entries};

impl Rules<'_> {
    pub(super) fn convolution(
        &mut self,
        inputs: &[TensorId],
        out: TensorId,
        transposed: bool,
        groups: usize,
    ) {
        let (x, weight) = (inputs[0], inputs[1]);
        let of = |tensor: TensorId, axis: usize| Axis { tensor, axis };
        let (x, y) = (of(x, 1), of(out, 1));
        self.tie(of(inputs[0], 0), of(out, 0));
        if let Some(bias) = inputs.get(2) {
            self.tie(of(*bias, 0), y);
        }
        let summed = of(weight, usize::from(!transposed));
        if !self.is_masked(summed) {
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
        let whole = of(weight, 0);
        let (whole_side, shared_side) = if transposed { (x, y) } else { (y, x) };
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
}
