use std::path::PathBuf;

use clap::Parser;
use examples_shared::pretrained::WEIGHTS;

/// Cuts channels off a pretrained EfficientNet-Lite0.
#[derive(Parser)]
pub(crate) struct Args {
    /// The pretrained weights, a PyTorch state dict.
    #[arg(long, default_value = WEIGHTS)]
    pub weights: PathBuf,
    /// Fraction of the channels of each group to cut off, between 0 and 1.
    #[arg(long, default_value_t = 0.25)]
    pub fraction: f64,
    /// Directory for results.json, the plan and the small model.
    #[arg(long, default_value = "out/efficientnet-lite0")]
    pub out: PathBuf,
}
