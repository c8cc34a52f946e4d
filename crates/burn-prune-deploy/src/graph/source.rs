//! Which parameter a tensor comes from.

use super::{Graph, OperationKind, ParameterId, TensorId, TensorKind};

impl OperationKind {
    /// Whether it only looks at its input in another way.
    pub(crate) fn is_view(&self) -> bool {
        match self {
            Self::Reshape | Self::Permute { .. } | Self::Slice { .. } | Self::Expand => true,
            Self::Convolution { .. }
            | Self::MatMul
            | Self::Linear
            | Self::BatchNorm { .. }
            | Self::LayerNorm { .. }
            | Self::Embedding
            | Self::Attention { .. }
            | Self::Spatial { .. }
            | Self::Elementwise { .. }
            | Self::Reduce { .. }
            | Self::Along { .. }
            | Self::Concatenate { .. }
            | Self::Repeat { .. }
            | Self::Flip { .. }
            | Self::Pad { .. }
            | Self::Select { .. }
            | Self::Create { .. }
            | Self::Other { .. } => false,
        }
    }
}

impl Graph {
    /// The parameter that a tensor is, perhaps a part of it or in another shape.
    pub(crate) fn source(&self, mut tensor: TensorId) -> Option<ParameterId> {
        loop {
            match self[tensor].kind {
                TensorKind::Parameter(parameter) => return Some(parameter),
                TensorKind::Input | TensorKind::Constant => return None,
                TensorKind::Computed => {}
            }
            let maker = self.maker(tensor)?;
            if !maker.kind.is_view() {
                return None;
            }
            tensor = maker.inputs[0];
        }
    }
}
