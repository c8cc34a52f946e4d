//! The graph of a model without some of its units.

use super::{Groups, Place};
use crate::graph::{Graph, OperationKind};

impl Groups {
    /// The graph when the units that are not kept are gone, by group and unit. Its parameters have
    /// no values.
    pub(crate) fn graph_without(&self, kept: &[Vec<bool>]) -> Graph {
        let before = self.graph();
        let is_kept =
            |place: &Place| place.is_none_or(|(group, unit)| kept[group as usize][unit as usize]);
        let mut after = Graph {
            values: None,
            ..before.clone()
        };
        for (tensor, info) in before.tensor_ids().zip(&mut after.tensors) {
            for (axis, size) in info.shape.iter_mut().enumerate() {
                let units = self.units_of(tensor, axis);
                *size = units.iter().filter(|place| is_kept(place)).count();
            }
        }
        for operation in &mut after.operations {
            let signal = operation.inputs.first();
            match &mut operation.kind {
                OperationKind::Convolution { groups, .. } => {
                    let signal = *signal.expect("a convolution has a signal");
                    // With one channel each, groups go with their channels.
                    if *groups == before.shape(signal)[1] {
                        *groups = after.tensors.as_slice()[signal].shape[1];
                    }
                }
                OperationKind::Slice { ranges } => {
                    let signal = *signal.expect("a slice is of something");
                    for (axis, (start, end, _)) in ranges.iter_mut().enumerate() {
                        let units = self.units_of(signal, axis);
                        let left =
                            |upto: usize| units[..upto].iter().filter(|p| is_kept(p)).count();
                        (*start, *end) = (left(*start), left(*end));
                    }
                }
                OperationKind::MatMul
                | OperationKind::Linear
                | OperationKind::BatchNorm { .. }
                | OperationKind::LayerNorm { .. }
                | OperationKind::Embedding
                | OperationKind::Attention { .. }
                | OperationKind::Spatial { .. }
                | OperationKind::Elementwise { .. }
                | OperationKind::Reduce { .. }
                | OperationKind::Along { .. }
                | OperationKind::Reshape
                | OperationKind::Permute { .. }
                | OperationKind::Concatenate { .. }
                | OperationKind::Expand
                | OperationKind::Repeat { .. }
                | OperationKind::Flip { .. }
                | OperationKind::Pad { .. }
                | OperationKind::Select { .. }
                | OperationKind::Create { .. }
                | OperationKind::Other { .. } => {}
            }
        }
        after
    }
}
