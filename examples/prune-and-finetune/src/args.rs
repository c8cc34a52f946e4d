use std::path::PathBuf;

use clap::Parser;
use examples_shared::bundled_data;

/// Trains a small CNN, prunes it, fine-tunes it with the masks on, and saves it.
#[derive(Parser)]
pub(crate) struct Args {
    /// Fraction of the Linear and Conv weights to prune, between 0 and 1.
    #[arg(long, default_value_t = 0.9)]
    pub sparsity: f64,
    /// Decides initial weights, the order of the images and the random masks.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Directory of the four IDX files of MNIST or Fashion-MNIST, plain or `.gz`.
    /// [default: 10,000 training and 10,000 test images of Fashion-MNIST that come with this]
    #[arg(long, default_value_os_t = bundled_data(), hide_default_value = true)]
    pub data: PathBuf,
    /// Directory for results.json, the models and the training logs.
    #[arg(long, default_value = "out/prune-and-finetune")]
    pub out: PathBuf,
    /// One epoch on 2,000 images, to see that it runs.
    #[arg(long)]
    pub quick: bool,
}

impl Args {
    /// Epochs of training and of fine-tuning.
    pub(crate) fn epochs(&self) -> (usize, usize) {
        if self.quick { (1, 1) } else { (10, 5) }
    }

    pub(crate) fn train_images(&self) -> usize {
        if self.quick { 2_000 } else { usize::MAX }
    }

    pub(crate) fn test_images(&self) -> usize {
        if self.quick { 2_000 } else { usize::MAX }
    }
}
