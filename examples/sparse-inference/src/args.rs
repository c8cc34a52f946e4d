use std::path::PathBuf;

use clap::Parser;
use examples_shared::bundled_data;

/// Trains three networks, prunes them, compiles them, and times them against dense ones.
#[derive(Parser)]
pub(crate) struct Args {
    /// Decides initial weights and the order of the images.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Directory of the four IDX files of MNIST or Fashion-MNIST, plain or `.gz`.
    /// [default: 10,000 training and 10,000 test images of Fashion-MNIST that come with this]
    #[arg(long, default_value_os_t = bundled_data(), hide_default_value = true)]
    pub data: PathBuf,
    /// Directory for results.json, results.csv and the plots.
    #[arg(long, default_value = "out/sparse-inference")]
    pub out: PathBuf,
    /// A Python with PyTorch and ONNX Runtime, to time them beside; see `benches/peers/README.md`.
    #[arg(long)]
    pub python: Option<PathBuf>,
    /// One epoch on 500 images and few runs, to see that it works.
    #[arg(long)]
    pub quick: bool,
}

/// How much is trained and timed.
pub(crate) struct Budget {
    /// Of the dense training.
    pub epochs: usize,
    /// After each pruning.
    pub finetune_epochs: usize,
    pub train_images: usize,
    pub test_images: usize,
    /// In which the runtimes take turns.
    pub rounds: usize,
}

impl Args {
    pub(crate) fn budget(&self) -> Budget {
        if self.quick {
            return Budget {
                epochs: 1,
                finetune_epochs: 1,
                train_images: 500,
                test_images: 500,
                rounds: 2,
            };
        }
        Budget {
            epochs: 4,
            finetune_epochs: 2,
            train_images: usize::MAX,
            test_images: usize::MAX,
            rounds: 30,
        }
    }
}
