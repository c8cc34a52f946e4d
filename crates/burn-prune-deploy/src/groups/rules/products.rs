//! Linear layers, matrix products and attention.

use super::Rules;
use crate::graph::TensorId;
use crate::groups::coupling::Axis;

fn of(tensor: TensorId, axis: usize) -> Axis {
    Axis { tensor, axis }
}

impl Rules<'_> {
    pub(super) fn linear(&mut self, inputs: &[TensorId], out: TensorId) {
        let (x, weight) = (inputs[0], inputs[1]);
        let last = self.entries.rank(x) - 1;
        self.contract(of(x, last), of(weight, 0));
        self.tie(of(out, last), of(weight, 1));
        if let Some(bias) = inputs.get(2) {
            self.tie(of(*bias, 0), of(out, last));
        }
        self.tie_all_but(x, out, &[last]);
    }

    pub(super) fn matmul(&mut self, a: TensorId, b: TensorId, out: TensorId) {
        let rank = self.entries.rank(out);
        let [a_rank, b_rank] = [a, b].map(|tensor| self.entries.rank(tensor));
        self.contract(of(a, a_rank - 1), of(b, b_rank - 2));
        self.tie(of(a, a_rank - 2), of(out, rank - 2));
        self.tie(of(b, b_rank - 1), of(out, rank - 1));
        self.tie_broadcast(a, out, a_rank - 2, rank - 2);
        self.tie_broadcast(b, out, b_rank - 2, rank - 2);
    }

    pub(super) fn attention(&mut self, inputs: &[TensorId], out: TensorId) {
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
}
