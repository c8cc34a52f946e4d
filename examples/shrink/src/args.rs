use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use examples_shared::bundled_data;

/// Prunes channels of a small ResNet, cuts them off, quantizes and exports what is left, and
/// measures it.
#[derive(Parser)]
pub(crate) struct Args {
    /// Decides initial weights and the order of the images.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Epochs of the dense training. [default: 4, or 1 with --quick]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub epochs: Option<u32>,
    /// Epochs of fine-tuning at each fraction. [default: 3, or 1 with --quick]
    #[arg(long)]
    pub finetune_epochs: Option<u32>,
    /// Directory of the four IDX files of MNIST or Fashion-MNIST, plain or `.gz`.
    /// [default: 10,000 training and 10,000 test images of Fashion-MNIST that come with this]
    #[arg(long, default_value_os_t = bundled_data(), hide_default_value = true)]
    pub data: PathBuf,
    /// Directory for results.csv, the plans, the weights and the ONNX files.
    #[arg(long, default_value = "out/shrink")]
    pub out: PathBuf,
    /// One epoch on 2,000 images and 1,000 test images, to see that it runs.
    #[arg(long)]
    pub quick: bool,
}

/// How much is trained and measured.
pub(crate) struct Budget {
    pub epochs: usize,
    pub finetune_epochs: usize,
    pub train_images: usize,
    pub test_images: usize,
    /// Time for the latencies of all models at one batch size.
    pub timing: Duration,
}

impl Args {
    pub(crate) fn budget(&self) -> Budget {
        let or = |given: Option<u32>, quick, full| {
            given.map_or(if self.quick { quick } else { full }, |epochs| {
                epochs as usize
            })
        };
        Budget {
            epochs: or(self.epochs, 1, 4),
            finetune_epochs: or(self.finetune_epochs, 1, 3),
            train_images: if self.quick { 2_000 } else { usize::MAX },
            test_images: if self.quick { 1_000 } else { usize::MAX },
            timing: Duration::from_secs(if self.quick { 2 } else { 20 }),
        }
    }
}
