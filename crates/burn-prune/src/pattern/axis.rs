use serde::{Deserialize, Serialize};

use crate::error::PruneError;
use crate::model::Parameter;

/// An axis of a weight, by its meaning.
///
/// Layers store their weights differently: the outputs of a `Linear` are its columns
/// (`[d_input, d_output]`), those of a `Conv2d` its first dimension. `Output` and `Input` are
/// resolved for each layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Axis {
    /// Output channels, filters, neurons.
    Output,
    /// Input channels or features. Of a grouped convolution, the inputs within a group.
    Input,
    /// This dimension of the tensor, counted from 0.
    Dim(usize),
}

impl Axis {
    /// The dimension that this axis is in a weight of this shape.
    pub(crate) fn resolve(
        self,
        path: &str,
        shape: &[usize],
        axes: Option<WeightAxes>,
    ) -> Result<usize, PruneError> {
        let unknown = |axis| PruneError::UnknownAxis {
            path: path.to_string(),
            shape: shape.to_vec(),
            axis,
        };
        let dim = match self {
            Self::Output => axes.ok_or_else(|| unknown("output"))?.output,
            Self::Input => axes.ok_or_else(|| unknown("input"))?.input,
            Self::Dim(dim) => dim,
        };
        if dim >= shape.len() {
            return Err(PruneError::NoSuchDimension {
                path: path.to_string(),
                shape: shape.to_vec(),
                dim,
            });
        }
        Ok(dim)
    }
}

/// Which dimension of a weight is its output and which its input.
///
/// Known for Burn's Linear, convolution, deformable and transposed convolution layers; for a layer
/// of your own, set them with [`Pruner::weight_axes`](crate::Pruner::weight_axes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightAxes {
    /// Dimension of the output channels.
    pub output: usize,
    /// Dimension of the input channels.
    pub input: usize,
}

impl WeightAxes {
    /// The axes of a parameter that is the `weight` of a Burn layer; `None` for any other.
    pub(crate) fn of(parameter: &Parameter) -> Option<Self> {
        parameter.weight_of().and_then(Self::of_layer)
    }

    /// The axes of the `weight` of a Burn layer, by its type name.
    fn of_layer(layer: &str) -> Option<Self> {
        match layer {
            // [channels_out, channels_in / groups, kernel ..]
            "Conv1d" | "Conv2d" | "Conv3d" | "DeformConv2d" => Some(Self {
                output: 0,
                input: 1,
            }),
            // [d_input, d_output] and [channels_in, channels_out / groups, kernel ..]
            "Linear" | "ConvTranspose1d" | "ConvTranspose2d" | "ConvTranspose3d" => Some(Self {
                output: 1,
                input: 0,
            }),
            _ => None,
        }
    }
}
