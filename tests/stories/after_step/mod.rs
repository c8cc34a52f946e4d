//! Masks that are kept after the step.
//!
//! `optimizers` trains in both modes and compares; `mode` is about the mode itself and about passes
//! that were forgotten.

mod mode;
mod optimizers;

use burn::optim::{ModuleOptimizer, SgdConfig, decay::WeightDecayConfig, momentum::MomentumConfig};

use crate::nets::{Net, values};

fn weights(net: &Net) -> Vec<u32> {
    let weights = [
        values(net.conv.weight.val().inner()),
        values(net.fc1.weight.val().inner()),
        values(net.fc2.weight.val().inner()),
        values(net.fc2.bias.as_ref().unwrap().val().inner()),
    ];
    weights.concat().into_iter().map(f32::to_bits).collect()
}

fn sgd() -> ModuleOptimizer {
    let config = SgdConfig::new()
        .with_momentum(Some(MomentumConfig::new().with_momentum(0.9)))
        .with_weight_decay(Some(WeightDecayConfig::new(1e-2)));
    config.init()
}
