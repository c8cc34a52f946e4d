use super::axes::{Channels, times};
use crate::plan::program::{Node, NodeKind, ValueId};

/// Channels of the inputs of a node that are, in other words, channels of its output: the place of the
/// input, its channel, and the channel of the output.
///
/// None where a channel that is taken out of an input does not take one out of the output: in a
/// product, and where it is not known.
pub(super) fn same_channels(
    node: &Node,
    axes: &[Option<Channels>],
) -> Option<Vec<(usize, usize, usize)>> {
    let of = |value: ValueId| axes[value.0];
    let output = of(*node.outputs.first()?)?;
    let input = of(*node.inputs.first()?);
    let one_to_one = |place: usize| (0..output.count).map(move |at| (place, at, at));
    let is_like_output =
        |channels: Channels| channels.count == output.count && channels.axis == output.axis;
    match &node.kind {
        NodeKind::Product(product) => {
            let mut same = Vec::new();
            if is_depthwise(node, axes) {
                let multiplier = output.count / input?.count;
                same.extend((0..output.count).map(|row| (0, row / multiplier, row)));
            }
            if product.residual.is_some() {
                let residual = of(node.inputs[1])?;
                if !is_like_output(residual) {
                    return None;
                }
                same.extend(one_to_one(1));
            }
            Some(same)
        }
        NodeKind::Pool(_)
        | NodeKind::GlobalAverage
        | NodeKind::Upsample { .. }
        | NodeKind::Activation(_)
        | NodeKind::Affine { .. }
        | NodeKind::Sum { .. }
        | NodeKind::Multiply => {
            for place in 0..node.inputs.len() {
                if !is_like_output(of(node.inputs[place])?) {
                    return None;
                }
            }
            Some((0..node.inputs.len()).flat_map(one_to_one).collect())
        }
        NodeKind::Concatenate => {
            let mut same = Vec::new();
            for (place, value) in node.inputs.iter().enumerate() {
                let part = of(*value)?;
                if part.axis != output.axis {
                    return None;
                }
                let first = same.len();
                same.extend((0..part.count).map(|at| (place, at, first + at)));
            }
            (same.len() == output.count).then_some(same)
        }
        NodeKind::Channels { first, count } => {
            let fits = input?.axis == output.axis && *count == output.count;
            fits.then(|| (0..*count).map(|at| (0, first + at, at)).collect())
        }
        NodeKind::Reshape => {
            let input = input?;
            let times = times(input, output);
            let same = (0..output.count).map(|at| (0, at / times.max(1), at));
            (times * input.count == output.count).then(|| same.collect())
        }
        NodeKind::Burn { .. } => None,
    }
}

/// The channels that a product reads, when they are those of its input.
pub(super) fn read_channels(node: &Node, axes: &[Option<Channels>]) -> Option<Channels> {
    let NodeKind::Product(product) = &node.kind else {
        return None;
    };
    let input = axes[node.inputs[0].0]?;
    let columns = product.weight.columns;
    let fits = match &product.window {
        None => input.axis + 1 == input.rank && input.count == columns,
        Some(window) => {
            let taps = window.kernel[0] * window.kernel[1];
            input.axis == 1
                && input.count / window.groups * taps == columns
                && product.weight.rows.is_multiple_of(window.groups)
        }
    };
    fits.then_some(input)
}

/// Whether each group of a product reads one channel.
pub(super) fn is_depthwise(node: &Node, axes: &[Option<Channels>]) -> bool {
    let NodeKind::Product(product) = &node.kind else {
        return false;
    };
    let groups = product.window.map_or(1, |window| window.groups);
    let input = read_channels(node, axes);
    groups > 1 && input.is_some_and(|input| input.count == groups)
}
