//! Values and weights without the channels that are not kept.

use std::sync::Arc;

use super::axes::Channels;
use super::channels::{is_depthwise, read_channels};
use super::needed::Kept;
use crate::plan::program::{NodeKind, Product, Program, Size};

pub(super) fn cut(program: &mut Program, axes: &[Option<Channels>], kept: &[Kept]) {
    for node in &mut program.nodes {
        let is_depthwise = is_depthwise(node, axes);
        let reads_channels = read_channels(node, axes).is_some();
        let Some(output) = node.outputs.first().map(|output| &kept[output.0]) else {
            continue;
        };
        let input = node.inputs.first().map(|input| &kept[input.0]);
        match (&mut node.kind, input) {
            (NodeKind::Product(product), Some(input)) => {
                let input = Some(input).filter(|input| reads_channels && !input.is_full());
                if input.is_some() || !output.is_full() {
                    cut_product(product, input, output, is_depthwise);
                }
            }
            (NodeKind::Affine { scale, shift, .. }, _) if !output.is_full() => {
                only(scale, &output.0);
                only(shift, &output.0);
            }
            (NodeKind::Channels { first, count }, Some(input)) => {
                let channels = |range: &[bool]| range.iter().filter(|kept| **kept).count();
                if !input.0.is_empty() {
                    *count = channels(&input.0[*first..*first + *count]);
                    *first = channels(&input.0[..*first]);
                }
            }
            _ => {}
        }
    }
    for ((value, channels), kept) in program.values.iter_mut().zip(axes).zip(kept) {
        if let Some(channels) = channels
            && !kept.is_full()
        {
            value.shape[channels.axis] = Size::Fixed(kept.count());
        }
    }
}

/// Takes rows out, and columns where not all channels of the input are kept.
fn cut_product(product: &mut Product, input: Option<&Kept>, output: &Kept, is_depthwise: bool) {
    let weight = Arc::make_mut(&mut product.weight);
    let columns = weight.columns;
    let mut values = Vec::new();
    let rows = weight.values.chunks_exact(columns);
    for (row, _) in rows.zip(&output.0).filter(|(_, kept)| **kept) {
        match input.filter(|_| !is_depthwise) {
            None => values.extend_from_slice(row),
            Some(input) => {
                let channels = row.chunks_exact(columns / input.0.len()).zip(&input.0);
                for (channel, _) in channels.filter(|(_, kept)| **kept) {
                    values.extend_from_slice(channel);
                }
            }
        }
    }
    weight.values = values;
    weight.rows = output.count();
    weight.columns = weight.values.len() / weight.rows.max(1);
    only(&mut product.bias, &output.0);
    if let (Some(window), Some(input)) = (&mut product.window, input)
        && is_depthwise
    {
        window.groups = input.count();
    }
}

fn only(values: &mut Vec<f32>, kept: &[bool]) {
    let mut kept = kept.iter();
    values.retain(|_| kept.next().copied().unwrap_or(true));
}
