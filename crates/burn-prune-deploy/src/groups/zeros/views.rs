//! Operations that put elements elsewhere.

use super::Zeros;
use super::value::Value;
use crate::graph::{Operation, OperationKind as Kind, Padding, TensorId};
use crate::groups::coupling::Axis;

impl Zeros<'_> {
    pub(super) fn view(&mut self, operation: &Operation, axis: usize) -> Value {
        let (inputs, output) = (&operation.inputs, operation.outputs[0]);
        let input = inputs[0];
        match &operation.kind {
            Kind::Permute { axes } => self.at(input, axes[axis]),
            Kind::Expand => self.broadcast(input, self.graph.shape(output).len() - axis),
            Kind::Concatenate { axis: along } if *along == axis => {
                // Parts of which nothing is masked have no masked entries there.
                let parts = inputs
                    .iter()
                    .filter_map(|part| self.masked[part.index()][axis]);
                let parts = parts.reduce(Value::or);
                parts.unwrap_or_else(|| self.any_of(inputs))
            }
            Kind::Concatenate { .. } => {
                let parts = inputs.iter().map(|part| self.at(*part, axis));
                parts.reduce(Value::or).expect("it is of something")
            }
            Kind::Select { axis: selected } if *selected == axis => self.anywhere(input),
            Kind::Pad { padding, mode } => {
                let inside = self.at(input, axis);
                let mut others = padding.iter().enumerate();
                let is_padded = others.any(|(other, added)| other != axis && *added != (0, 0));
                match mode {
                    Padding::Constant(number) if is_padded => {
                        inside.or(Value::exactly(number.0).untouched())
                    }
                    _ => inside,
                }
            }
            Kind::Reshape => self.reshape(
                input,
                Axis {
                    tensor: output,
                    axis,
                },
            ),
            Kind::Convolution { .. }
            | Kind::MatMul
            | Kind::Linear
            | Kind::BatchNorm { .. }
            | Kind::LayerNorm { .. }
            | Kind::Embedding
            | Kind::Attention { .. }
            | Kind::Spatial { .. }
            | Kind::Elementwise { .. }
            | Kind::Reduce { .. }
            | Kind::Along { .. }
            | Kind::Slice { .. }
            | Kind::Repeat { .. }
            | Kind::Flip { .. }
            | Kind::Select { .. }
            | Kind::Create { .. }
            | Kind::Other { .. } => self.at(input, axis),
        }
    }

    fn any_of(&self, tensors: &[TensorId]) -> Value {
        let values = tensors.iter().map(|tensor| self.anywhere(*tensor));
        values.reduce(Value::or).expect("there is one")
    }

    /// The axes that it has entries of.
    fn reshape(&mut self, input: TensorId, to: Axis) -> Value {
        let sets = self.sets(to);
        let mut found: Option<Value> = None;
        for axis in 0..self.masked[input.index()].len() {
            let Some(value) = self.masked[input.index()][axis] else {
                continue;
            };
            let from = Axis {
                tensor: input,
                axis,
            };
            if !sets.is_disjoint(&self.sets(from)) {
                found = Some(found.map_or(value, |found| found.or(value)));
            }
        }
        found.unwrap_or_else(|| self.anywhere(input))
    }
}
