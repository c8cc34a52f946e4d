//! Channels that are the same number everywhere, in each run.

use std::sync::Arc;

use super::axes::Channels;
use super::channels::{is_depthwise, read_channels, same_channels};
use super::has_own_weight;
use crate::kernel::ResidualPlace;
use crate::plan::program::{Node, NodeKind, Product, Program, ValueId};
use crate::window::{PoolKind, Window};

/// The number of each channel of a value that has one.
type Numbers = Vec<Option<f32>>;

/// Adds constant channels to the biases of their readers, which read them no more, where padding allows it.
pub(super) fn absorb(program: &mut Program, axes: &[Option<Channels>]) {
    let mut numbers: Vec<Numbers> = axes
        .iter()
        .map(|channels| vec![None; channels.map_or(0, |channels| channels.count)])
        .collect();
    for node in &mut program.nodes {
        let input = read_channels(node, axes);
        let absorbs = !is_depthwise(node, axes) && has_own_weight(&node.kind);
        if let (NodeKind::Product(product), Some(input)) = (&mut node.kind, input)
            && absorbs
        {
            absorb_into(product, input, &numbers[node.inputs[0].0]);
        }
        let made = made(node, axes, &numbers);
        if let (Some(output), Some(made)) = (node.outputs.first(), made) {
            numbers[output.0] = made;
        }
    }
}

/// The constant columns of a product go into its bias.
fn absorb_into(product: &mut Product, input: Channels, numbers: &Numbers) {
    let groups = product.window.map_or(1, |window| window.groups);
    let (taps, is_padded) = match &product.window {
        Some(window) => (window.kernel[0] * window.kernel[1], is_padded(window)),
        None => (1, false),
    };
    let (rows, columns) = (product.weight.rows, product.weight.columns);
    let group_channels = input.count / groups.max(1);
    let constant = |channel: usize| numbers[channel].filter(|number| !is_padded || *number == 0.0);
    if !(0..input.count).any(|channel| constant(channel).is_some()) {
        return;
    }
    let weight = Arc::make_mut(&mut product.weight);
    for row in 0..rows {
        let first = row / (rows / groups) * group_channels;
        let mut sum = f64::from(product.bias[row]);
        for channel in 0..group_channels {
            let Some(number) = constant(first + channel) else {
                continue;
            };
            let at = row * columns + channel * taps;
            for value in &mut weight.values[at..at + taps] {
                sum += f64::from(*value) * f64::from(number);
                *value = 0.0;
            }
        }
        product.bias[row] = sum as f32;
    }
}

fn is_padded(window: &Window) -> bool {
    window.padding != [(0, 0); 2]
}

/// The constant channels of what a node makes.
fn made(node: &Node, axes: &[Option<Channels>], numbers: &[Numbers]) -> Option<Numbers> {
    let output = axes[node.outputs.first()?.0]?;
    if let NodeKind::Product(product) = &node.kind {
        return Some(of_product(node, product, axes, numbers, output));
    }
    let mut read: Vec<Vec<Option<f32>>> = vec![Vec::new(); output.count];
    for (place, channel, made) in same_channels(node, axes)? {
        read[made].push(numbers[node.inputs[place].0][channel]);
    }
    let all = |read: &[Option<f32>]| read.iter().copied().collect::<Option<Vec<f32>>>();
    let made = read.iter().enumerate().map(|(channel, read)| {
        let is_zero = |number: &Option<f32>| *number == Some(0.0);
        if matches!(node.kind, NodeKind::Multiply) && read.iter().any(is_zero) {
            return Some(0.0);
        }
        let read = all(read)?;
        Some(match &node.kind {
            NodeKind::Pool(pool) => {
                let counts_zeros = pool.kind == PoolKind::Mean && pool.padding != [(0, 0); 2];
                if counts_zeros && read[0] != 0.0 {
                    return None;
                }
                read[0]
            }
            NodeKind::Activation(activation) => activation.apply(read[0]),
            NodeKind::Affine {
                scale,
                shift,
                activation,
            } => activation.apply(read[0] * scale[channel] + shift[channel]),
            NodeKind::Sum { activation } => activation.apply(read[0] + read[1]),
            NodeKind::Multiply => read[0] * read[1],
            _ => *read.first()?,
        })
    });
    Some(made.collect())
}

fn of_product(
    node: &Node,
    product: &Product,
    axes: &[Option<Channels>],
    numbers: &[Numbers],
    output: Channels,
) -> Numbers {
    let columns = product.weight.columns.max(1);
    let is_like_output = |value: &ValueId| {
        axes[value.0].is_some_and(|it| (it.axis, it.count) == (output.axis, output.count))
    };
    let has_other_residual =
        product.residual.is_some() && !node.inputs.get(1).is_some_and(is_like_output);
    if product.weight.rows != output.count || has_other_residual {
        return vec![None; output.count];
    }
    let is_depthwise = is_depthwise(node, axes);
    let may_skip_border = product.window.is_none_or(|window| !is_padded(&window));
    let rows = product.weight.values.chunks_exact(columns).enumerate();
    rows.map(|(row, values)| {
        let mut sum = product.bias[row];
        if values.iter().any(|value| *value != 0.0) {
            let input = &numbers[node.inputs[0].0];
            let multiplier = output.count / input.len().max(1);
            let number = input.get(row / multiplier.max(1)).copied().flatten()?;
            if !is_depthwise || !(may_skip_border || number == 0.0) {
                return None;
            }
            sum += values.iter().sum::<f32>() * number;
        }
        let residual = match product.residual {
            None => return Some(product.activation.apply(sum)),
            Some(_) => numbers[node.inputs[1].0].get(row).copied().flatten()?,
        };
        Some(match product.residual {
            Some(ResidualPlace::Outside) => product.activation.apply(sum) + residual,
            _ => product.activation.apply(sum + residual),
        })
    })
    .collect()
}
