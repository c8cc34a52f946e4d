//! The eight lines everybody knows from PyTorch:
//!
//! ```python
//! import torch.nn as nn, torch.nn.utils.prune as prune
//! layer = nn.Conv2d(3, 32, 3)
//! prune.l1_unstructured(layer, "weight", amount=0.3)
//! sparsity = (layer.weight == 0).float().mean()
//! print(f"Sparsity achieved: {100 * sparsity:.2f}%")
//! ```

use burn::{nn::conv::Conv2dConfig, tensor::Device};
use burn_prune::{Prunable, PruneError};
use clap::Parser;

/// Prunes a Conv2d of 3 input and 32 output channels and prints how sparse it is.
#[derive(Parser)]
struct Args {
    /// The fraction of the weights to prune, between 0 and 1.
    #[arg(default_value_t = 0.3)]
    amount: f64,
}

fn main() -> Result<(), PruneError> {
    let args = Args::parse();
    let layer = Conv2dConfig::new([3, 32], [3, 3]).init(&Device::flex());
    let layer = layer.l1_unstructured(args.amount)?;
    let sparsity = layer.sparsity_report().sparsity();
    println!("Sparsity achieved: {:.2}%", 100.0 * sparsity);
    Ok(())
}
