//! Operations of whole layers.

use super::Zeros;
use super::precision::Precision;
use super::value::Value;
use crate::graph::{Operation, OperationKind as Kind, TensorId};

impl Zeros<'_> {
    pub(super) fn layer(&self, operation: &Operation, axis: usize) -> Value {
        let inputs = &operation.inputs;
        let output = operation.outputs[0];
        let precision = self.precision(output);
        let rank = self.graph.shape(output).len();
        let bias = |axis: usize| inputs.get(2).map(|bias| self.at(*bias, axis));
        let any_bias = || inputs.get(2).map(|bias| self.anywhere(*bias));
        let value = match &operation.kind {
            Kind::Convolution {
                transposed, groups, ..
            } => {
                let (x, weight) = (inputs[0], inputs[1]);
                let is_depthwise = *groups > 1 && self.graph.shape(x)[1] == *groups;
                let terms = self.graph[weight].elements();
                let makes = usize::from(*transposed);
                match axis {
                    // What makes a depthwise channel also reads it.
                    1 if is_depthwise => {
                        let product = self.at(x, 1).times(self.at(weight, 0));
                        affine(product, terms, bias(0), precision)
                    }
                    1 => {
                        let product = self.anywhere_but(x, 1).times(self.at(weight, makes));
                        affine(product, terms, bias(0), precision)
                    }
                    _ => {
                        let product = self.at(x, axis).times(self.anywhere_but(weight, 1 - makes));
                        affine(product, terms, any_bias(), precision)
                    }
                }
            }
            Kind::Linear => {
                let (x, weight) = (inputs[0], inputs[1]);
                let last = rank - 1;
                let terms = self.graph.shape(weight)[0];
                if axis == last {
                    let product = self.anywhere_but(x, last).times(self.at(weight, 1));
                    affine(product, terms, bias(0), precision)
                } else {
                    let product = self.at(x, axis).times(self.anywhere_but(weight, 0));
                    affine(product, terms, any_bias(), precision)
                }
            }
            Kind::MatMul => self.matmul(inputs[0], inputs[1], rank, axis, precision),
            Kind::BatchNorm { epsilon } => {
                let normalised = self.normalised(self.at(inputs[0], axis), precision);
                let variance = self.anywhere(inputs[4]);
                let vanishes = epsilon.0 == 0.0 && !variance.untouched;
                let normalised = normalised.with_nan(vanishes);
                let parameter = |place: usize| match axis {
                    1 => self.at(inputs[place], 0),
                    _ => self.anywhere(inputs[place]),
                };
                affine(
                    normalised.times(parameter(1)),
                    1,
                    Some(parameter(2)),
                    precision,
                )
            }
            Kind::LayerNorm { epsilon } => {
                let x = self.at(inputs[0], axis);
                let size = self.graph.shape(inputs[0])[rank - 1] as f64;
                let normalised = Value::between(-size.sqrt(), size.sqrt());
                let normalised = Value {
                    untouched: x.untouched,
                    cause: x.cause,
                    ..normalised
                };
                let undefined = !x.untouched && (epsilon.0 == 0.0 || !x.is_finite());
                let scaled = normalised
                    .with_nan(undefined)
                    .times(self.anywhere(inputs[1]));
                affine(scaled, 1, any_bias(), precision)
            }
            Kind::Embedding => {
                if axis + 1 == rank {
                    self.at(inputs[0], 1)
                } else {
                    self.anywhere(inputs[0])
                }
            }
            Kind::Attention { .. } => self.attention(inputs, axis),
            Kind::Spatial { .. }
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
            | Kind::Other { .. } => Value::anything(),
        };
        if value.untouched {
            self.kept[output.index()]
        } else {
            value.rounded(precision)
        }
    }

    fn matmul(
        &self,
        a: TensorId,
        b: TensorId,
        rank: usize,
        axis: usize,
        precision: Precision,
    ) -> Value {
        let [a_rank, b_rank] = [a, b].map(|tensor| self.graph.shape(tensor).len());
        let terms = self.graph.shape(a)[a_rank - 1];
        let (a_summed, b_summed) = (a_rank - 1, b_rank - 2);
        let back = rank - axis;
        let product = match back {
            1 => (self.anywhere_but(a, a_summed)).times(self.at(b, b_rank - 1)),
            2 => self.at(a, a_rank - 2).times(self.anywhere_but(b, b_summed)),
            _ => self.broadcast(a, back).times(self.broadcast(b, back)),
        };
        affine(product, terms, None, precision)
    }

    /// Rows of the values, each a mean of them.
    fn attention(&self, inputs: &[TensorId], axis: usize) -> Value {
        let value = self.at(inputs[2], axis);
        if axis > 1 {
            return value;
        }
        let precision = self.precision(inputs[0]);
        let [query, key] = [0, 1].map(|place| self.at(inputs[place], axis));
        let is_defined = |value: Value| value.is_hidden_by_zero(precision);
        // Masks and biases of the scores may be there for each head.
        let back = 4 - axis;
        let mut others = inputs[3..].iter().map(|other| self.broadcast(*other, back));
        let undefined = !is_defined(query.times(key))
            || others.any(|other| !other.untouched && !other.is_finite());
        Value {
            cause: value.cause.or(query.cause).or(key.cause),
            untouched: value.untouched && query.untouched && key.untouched,
            ..value
        }
        .with_nan(undefined)
    }

    /// Minus the running mean, divided by the running deviation: those are not masked.
    fn normalised(&self, x: Value, precision: Precision) -> Value {
        if x.is_finite() {
            Value {
                untouched: x.untouched,
                ..Value::ordinary(precision)
            }
        } else {
            Value {
                cause: x.cause,
                ..Value::anything()
            }
        }
    }
}

/// The sum of so many terms and a bias.
fn affine(term: Value, terms: usize, bias: Option<Value>, precision: Precision) -> Value {
    let count = Value::exactly(terms.max(1) as f64).untouched();
    let sum = term.times(count);
    match bias {
        Some(bias) => sum.plus(bias, precision),
        None => sum,
    }
}
