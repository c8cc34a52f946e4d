//! Operations along axes: sums, means, softmax, pooling. What they mix is never cut; these are the
//! masked entries of the other axes.

use super::Zeros;
use super::value::Value;
use crate::graph::{Along, Operation, OperationKind as Kind, Reduction, Spatial, TensorId};

impl Zeros<'_> {
    pub(super) fn reduced(
        &self,
        which: Reduction,
        operation: &Operation,
        place: usize,
        axis: usize,
    ) -> Value {
        let input = operation.inputs[0];
        let value = self.at(input, axis);
        let shape = self.graph.shape(input);
        let count: usize = match &operation.kind {
            Kind::Reduce { axes, .. } if !axes.is_empty() => {
                axes.iter().map(|axis| shape[*axis]).product()
            }
            _ => shape.iter().product(),
        };
        let count = count.max(1) as f64;
        let output = operation.outputs[place];
        if value.untouched {
            return self.kept[output.index()];
        }
        let value = match which {
            Reduction::ArgMax | Reduction::ArgMin => Value::between(0.0, count),
            Reduction::MaxDimWithIndices | Reduction::MinDimWithIndices if place == 1 => {
                Value::between(0.0, count)
            }
            Reduction::AllDim | Reduction::AnyDim => Value::between(0.0, 1.0),
            Reduction::Mean | Reduction::MeanDim => value.unfilled(),
            Reduction::Sum | Reduction::SumDim | Reduction::SumDims => {
                value.unfilled().times(Value::exactly(count))
            }
            Reduction::Prod | Reduction::ProdDim => product(value, count),
            // A row of which everything is filled is so without masks, too.
            Reduction::Max | Reduction::MaxDim | Reduction::MaxDimWithIndices => Value {
                filled: false,
                ..value
            },
            Reduction::Min | Reduction::MinDim | Reduction::MinDimWithIndices => value.unfilled(),
            Reduction::MaxAbs | Reduction::MaxAbsDim => value.magnitude(),
        };
        value.touched().rounded(self.precision(output))
    }

    pub(super) fn along(&self, which: Along, input: TensorId, mixed: usize, axis: usize) -> Value {
        let value = self.at(input, axis);
        if value.untouched {
            return value;
        }
        let count = self.graph.shape(input)[mixed].max(1) as f64;
        let finite = value.low.is_finite() && value.high.is_finite() && !value.nan;
        let value = match which {
            Along::Softmax => shares(value, finite),
            Along::Softmin => shares(value, finite && !value.filled),
            Along::LogSoftmax => Value {
                low: value.low - value.high - count.ln(),
                high: 0.0,
                ..value
            }
            .with_nan(!finite),
            Along::CumSum => {
                let value = value.unfilled();
                value.or(value.times(Value::exactly(count)))
            }
            Along::CumProd => {
                let value = value.unfilled();
                value.or(product(value, count))
            }
            Along::CumMin => value.unfilled(),
            Along::CumMax => value.unfilled(),
        };
        value.touched().rounded(self.precision(input))
    }

    pub(super) fn spatial(
        &self,
        which: Spatial,
        input: TensorId,
        place: usize,
        axis: usize,
    ) -> Value {
        let value = self.at(input, axis);
        let value = match which {
            Spatial::MaxPool1dWithIndices | Spatial::MaxPool2dWithIndices if place == 1 => {
                let count: usize = self.graph.shape(input).iter().product();
                return Value::between(0.0, count as f64);
            }
            // Zeros around may count.
            Spatial::AvgPool1d | Spatial::AvgPool2d => value.or(Value::exactly(0.0).untouched()),
            Spatial::MaxPool1d
            | Spatial::MaxPool2d
            | Spatial::MaxPool1dWithIndices
            | Spatial::MaxPool2dWithIndices
            | Spatial::AdaptiveAvgPool1d
            | Spatial::AdaptiveAvgPool2d
            | Spatial::AdaptiveAvgPool3d => value,
            // Cubic curves go beyond what they lead through.
            Spatial::Interpolate => {
                let beyond = value.high - value.low;
                let beyond = if beyond.is_nan() {
                    f64::INFINITY
                } else {
                    beyond
                };
                Value {
                    low: value.low - beyond,
                    high: value.high + beyond,
                    ..value
                }
            }
        };
        value.rounded(self.precision(input))
    }
}

/// Between 0 and 1.
fn shares(value: Value, is_defined: bool) -> Value {
    Value {
        cause: value.cause,
        ..Value::between(0.0, 1.0)
    }
    .with_nan(!is_defined)
}

/// The product of so many.
fn product(value: Value, count: f64) -> Value {
    let value = value.unfilled();
    let high = value.high.max(0.0).powf(count);
    let largest = value.magnitude().high.powf(count);
    let (low, high) = if value.low >= 0.0 {
        (value.low.powf(count), high)
    } else {
        (-largest, largest)
    };
    Value { low, high, ..value }
}
