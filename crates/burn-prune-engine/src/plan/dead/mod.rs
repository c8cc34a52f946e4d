//! Channels that need not be computed are taken out of a program.
//!
//! A row of zeros makes a constant channel, whatever the input: `activation(bias)`. Its readers add it
//! to their biases, where no padding interrupts it, and then do not read it any more. What nobody reads
//! goes: the row that makes it, and the column of each reader. Inputs, outputs and what Burn reads or
//! makes stay as they are.

mod axes;
mod channels;
mod constants;
mod cut;
mod needed;

use std::sync::Arc;

use super::program::{NodeKind, Program};

/// Takes dead channels out. The program computes the same, up to the order of sums.
pub(crate) fn remove_dead_channels(program: &mut Program) {
    let axes = axes::channel_axes(program);
    constants::absorb(program, &axes);
    let kept = needed::needed(program, &axes);
    if kept.iter().all(|kept| kept.is_full()) {
        return;
    }
    cut::cut(program, &axes, &kept);
}

/// Whether the weight of a node is read by no other one.
fn has_own_weight(kind: &NodeKind) -> bool {
    match kind {
        NodeKind::Product(product) => Arc::strong_count(&product.weight) == 1,
        _ => true,
    }
}
