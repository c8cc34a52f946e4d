use crate::plan::program::{Node, NodeKind, Program, Size, ValueId};

/// Where the channels of a value are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Channels {
    pub axis: usize,
    pub count: usize,
    /// Of the value.
    pub rank: usize,
}

/// The channels of each value; none where it is not known which axis they are.
pub(super) fn channel_axes(program: &Program) -> Vec<Option<Channels>> {
    let mut axes = vec![None; program.values.len()];
    for (at, value) in program.values.iter().enumerate() {
        let rank = value.shape.len();
        axes[at] = on_axis(program, ValueId(at), 1).filter(|_| rank == 2 || rank == 4);
    }
    // Of three axes the first reader tells.
    for node in &program.nodes {
        if let NodeKind::Product(product) = &node.kind {
            let input = node.inputs[0];
            let rank = program.values[input.0].shape.len();
            let axis = if product.window.is_some() {
                1
            } else {
                rank - 1
            };
            axes[input.0] = axes[input.0].or_else(|| on_axis(program, input, axis));
        }
    }
    for node in &program.nodes {
        let axis = match &node.kind {
            NodeKind::Product(product) if product.window.is_none() => {
                let rank = program.values[node.outputs[0].0].shape.len();
                rank.checked_sub(1)
            }
            NodeKind::Product(_)
            | NodeKind::Pool(_)
            | NodeKind::GlobalAverage
            | NodeKind::Upsample { .. }
            | NodeKind::Concatenate
            | NodeKind::Channels { .. }
            | NodeKind::Affine { .. } => Some(1),
            NodeKind::Activation(_) | NodeKind::Sum { .. } | NodeKind::Multiply => {
                axes[node.inputs[0].0].map(|channels| channels.axis)
            }
            NodeKind::Reshape => reshaped_axis(program, node, &axes),
            NodeKind::Burn { .. } => continue,
        };
        let output = node.outputs[0];
        axes[output.0] = axis.and_then(|axis| on_axis(program, output, axis));
    }
    axes
}

fn on_axis(program: &Program, value: ValueId, axis: usize) -> Option<Channels> {
    let shape = &program.values[value.0].shape;
    match shape.get(axis)? {
        Size::Fixed(count) => Some(Channels {
            axis,
            count: *count,
            rank: shape.len(),
        }),
        Size::Batch(_) => None,
    }
}

/// Features stay features; channels of images stay them, or become runs of features.
fn reshaped_axis(program: &Program, node: &Node, axes: &[Option<Channels>]) -> Option<usize> {
    let from = &program.values[node.inputs[0].0].shape;
    let to = &program.values[node.outputs[0].0].shape;
    let channels = axes[node.inputs[0].0]?;
    let is_last = channels.axis + 1 == from.len();
    if is_last && from.last() == to.last() {
        return Some(to.len() - 1);
    }
    let keeps_images = channels.axis == 1 && from[0] == to[0];
    (keeps_images && run(from, to, channels.count).is_some()).then_some(1)
}

/// How many channels of the output follow from each one of the input.
fn run(from: &[Size], to: &[Size], channels: usize) -> Option<usize> {
    let plane = |shape: &[Size]| -> Option<usize> {
        let sizes = shape.iter().skip(2).map(|size| match size {
            Size::Fixed(size) => Some(*size),
            Size::Batch(_) => None,
        });
        sizes.product()
    };
    let Size::Fixed(made) = *to.get(1)? else {
        return None;
    };
    let times = made / channels.max(1);
    (times > 0 && times * channels == made && Some(times * plane(to)?) == plane(from))
        .then_some(times)
}

/// How many channels of the output of a reshape follow from each one of its input.
pub(super) fn times(from: Channels, to: Channels) -> usize {
    to.count / from.count.max(1)
}
