//! Sums over masked entries, which must not change with them.

use super::Zeros;
use super::value::Value;
use crate::graph::{Operation, OperationId, OperationKind as Kind};
use crate::groups::coupling::Axis;

/// An axis that is summed over although its masked entries add something.
pub(super) struct Leak {
    pub axis: Axis,
    pub reason: String,
}

impl Zeros<'_> {
    /// The axes of the inputs that an operation sums over, in pairs.
    fn contracted(&self, operation: &Operation) -> Option<(Axis, Axis)> {
        let inputs = &operation.inputs;
        let of = |place: usize, axis: usize| Axis {
            tensor: inputs[place],
            axis,
        };
        let rank = |place: usize| self.graph.shape(inputs[place]).len();
        match &operation.kind {
            Kind::Convolution { groups, .. }
                if *groups > 1 && self.graph.shape(inputs[0])[1] == *groups =>
            {
                None
            }
            Kind::Convolution {
                transposed: true, ..
            } => Some((of(0, 1), of(1, 0))),
            Kind::Convolution { .. } => Some((of(0, 1), of(1, 1))),
            Kind::Linear => Some((of(0, rank(0) - 1), of(1, 0))),
            Kind::MatMul => Some((of(0, rank(0) - 1), of(1, rank(1) - 2))),
            Kind::BatchNorm { .. }
            | Kind::LayerNorm { .. }
            | Kind::Embedding
            | Kind::Attention { .. }
            | Kind::Spatial { .. }
            | Kind::Elementwise { .. }
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
            | Kind::Other { .. } => None,
        }
    }

    /// Sums over masked entries must not change with them.
    pub(super) fn check(&self, index: OperationId, operation: &Operation) -> Result<(), Leak> {
        let Some((a, b)) = self.contracted(operation) else {
            return Ok(());
        };
        let masked = |axis: Axis| self.masked[axis.tensor.index()][axis.axis];
        if masked(a).is_none() && masked(b).is_none() {
            return Ok(());
        }
        let [x, y] = [a, b].map(|axis| self.at(axis.tensor, axis.axis));
        let precision = self.precision(operation.outputs[0]);
        let hides =
            |zero: Value, other: Value| zero.is_zero() && other.is_hidden_by_zero(precision);
        if hides(x, y) || hides(y, x) {
            return Ok(());
        }
        let axis = if masked(a).is_some() { a } else { b };
        let name = operation.kind.name();
        let reason = match x.cause.or(y.cause) {
            Some(cause) => format!(
                "operation {cause}, `{}`, need not be a finite number where it is masked, and \
                 operation {index}, `{name}`, sums over it",
                self.graph[cause].kind.name()
            ),
            None => format!(
                "operation {index}, `{name}`, sums over it with weights that cannot be masked"
            ),
        };
        Err(Leak { axis, reason })
    }
}
