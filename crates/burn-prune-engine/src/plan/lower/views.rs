//! Reshaped, sliced and concatenated tensors.

use burn::backend::ir::{BaseOperationIr as Base, OperationIr, TensorId};

use super::pass::Pass;
use super::sketch::{Kind, Sketched};

impl Pass<'_> {
    pub(super) fn view(&self, at: usize) -> Option<Sketched> {
        let OperationIr::BaseFloat(operation) = &self.operations[at] else {
            return None;
        };
        let (kind, inputs) = match operation {
            Base::Reshape(op) => (Kind::Reshape, vec![op.input.id]),
            Base::Slice(op) => {
                let shape = self.shape(op.tensor.id);
                let full = |size: &usize| (0..*size, 1);
                let mut ranges: Vec<_> = shape.iter().map(full).collect();
                for (range, slice) in ranges.iter_mut().zip(&op.ranges) {
                    *range = slice.to_range_and_step(range.0.end);
                }
                let is_part = |axis: usize| ranges[axis] != full(&shape[axis]);
                let mut parts = (0..shape.len()).filter(|axis| is_part(*axis));
                match (parts.next(), parts.next()) {
                    (None, _) => (Kind::Reshape, vec![op.tensor.id]),
                    (Some(1), None) if ranges[1].1 == 1 && self.has_channels(op.tensor.id) => {
                        let channels = &ranges[1].0;
                        let kind = Kind::Channels {
                            first: channels.start,
                            count: channels.len(),
                        };
                        (kind, vec![op.tensor.id])
                    }
                    _ => return None,
                }
            }
            Base::Cat(op) if op.dim == 1 => {
                let inputs: Vec<TensorId> = op.tensors.iter().map(|tensor| tensor.id).collect();
                if !inputs.iter().any(|input| self.has_channels(*input)) {
                    return None;
                }
                (Kind::Concatenate, inputs)
            }
            _ => return None,
        };
        let is_known = inputs.iter().all(|input| self.is_signal(*input));
        is_known.then(|| Sketched::new(self, at, kind, [], inputs))
    }

    fn has_channels(&self, tensor: TensorId) -> bool {
        self.shape(tensor).len() == 2 || self.is_image(tensor)
    }
}
