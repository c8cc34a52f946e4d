//! Fields that have to change with the parameters.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::graph::{Elementwise, Graph, OperationKind, Parameter, TensorId, module};

/// A field of a layer that has to change, because Burn keeps some sizes in fields.
///
/// ```
/// use burn_prune_deploy::FieldEdit;
///
/// let json = r#"{"path":"conv","field":"groups","from":8,"to":4}"#;
/// let edit: FieldEdit = serde_json::from_str(json)?;
/// assert_eq!(edit.to_string(), "`conv.groups` from 8 to 4");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FieldEdit {
    /// Dotted path of the layer.
    pub path: String,
    /// Name of the field.
    pub field: String,
    /// Its value now.
    pub from: usize,
    /// What it must become.
    pub to: usize,
}

impl fmt::Display for FieldEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            field,
            from,
            to,
        } = self;
        write!(f, "`{path}.{field}` from {from} to {to}")
    }
}

/// Layers that take all sizes from their parameters.
const WITHOUT_SIZES: [&str; 1] = ["DepthwiseConv2d"];

/// The fields that differ between two graphs of a model, as far as Burn's layers are known.
pub(super) fn edits(before: &Graph, after: &Graph) -> Vec<FieldEdit> {
    let mut edits: Vec<FieldEdit> = Vec::new();
    let mut add = |parameter: &Parameter, field: &str, from: usize, to: usize| {
        for path in parameter.paths() {
            let edit = FieldEdit {
                path: module(path).to_string(),
                field: field.to_string(),
                from,
                to,
            };
            if from != to && !edits.contains(&edit) {
                edits.push(edit);
            }
        }
    };
    for (old, new) in before.operations.iter().zip(&after.operations) {
        match (&old.kind, &new.kind) {
            (
                OperationKind::Convolution { groups: from, .. },
                OperationKind::Convolution { groups: to, .. },
            ) => {
                let Some(weight) = before.source(old.inputs[1]) else {
                    continue;
                };
                let weight = &before[weight];
                if !WITHOUT_SIZES.contains(&weight.layer()) {
                    add(weight, "groups", *from, *to);
                }
            }
            (
                OperationKind::Elementwise {
                    operation: Elementwise::Mul,
                    ..
                },
                _,
            ) => {
                let Some(scale) = old.inputs.get(1).and_then(|input| before.source(*input)) else {
                    continue;
                };
                let scale = &before[scale];
                let channels = |graph: &Graph| graph[scale.tensor].elements();
                let (from, to) = (channels(before), channels(after));
                match scale.layer() {
                    "GroupNorm" => {
                        if let Some(grouped) = grouped(before, old.inputs[0]) {
                            let groups = |graph: &Graph| graph.shape(grouped)[1];
                            add(scale, "num_groups", groups(before), groups(after));
                        }
                        add(scale, "num_channels", from, to);
                    }
                    "InstanceNorm" => add(scale, "num_channels", from, to),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    edits
}

/// The tensor `[batch, groups, ..]` that a GroupNorm normalises, from what it scales.
fn grouped(graph: &Graph, mut tensor: TensorId) -> Option<TensorId> {
    // Back past the reshape to channels, the division and the centring to the reshape to groups.
    let mut reshapes = 0;
    loop {
        let maker = graph.maker(tensor)?;
        match &maker.kind {
            OperationKind::Reshape if reshapes == 1 => return Some(tensor),
            OperationKind::Reshape => reshapes += 1,
            OperationKind::Elementwise { .. } => {}
            _ => return None,
        }
        tensor = *maker.inputs.first()?;
    }
}
