use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use examples_shared::bundled_data;

/// Prunes channels of a small ResNet while it trains, cuts them off, quantizes and exports what is
/// left, and measures it; against channels that are cut at once.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub run: RunArgs,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Draws the plots of a finished comparison anew, and prints its table.
    Report {
        /// Directory of comparison.csv.
        #[arg(long, default_value = "out/shrink")]
        out: PathBuf,
    },
}

#[derive(clap::Args)]
pub(crate) struct RunArgs {
    /// The first seed. A seed decides initial weights and the order of the images.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// How many seeds the comparison has. The small models that are written are of the first one.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub seeds: u64,
    /// Epochs of the dense training. [default: 4, or 1 with --quick]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub epochs: Option<u32>,
    /// Epochs from the dense network to each small one, pruning included.
    /// [default: 3, or 2 with --quick]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub finetune_epochs: Option<u32>,
    /// Directory of the four IDX files of MNIST or Fashion-MNIST, plain or `.gz`.
    /// [default: 10,000 training and 10,000 test images of Fashion-MNIST that come with this]
    #[arg(long, default_value_os_t = bundled_data(), hide_default_value = true)]
    pub data: PathBuf,
    /// Directory for results.csv, comparison.csv and its plots, the plans, the weights, the ONNX
    /// files, and logs and checkpoints of the trainings.
    #[arg(long, default_value = "out/shrink")]
    pub out: PathBuf,
    /// One seed and few epochs on 1,000 images and 1,000 test images, to see that it runs.
    #[arg(long)]
    pub quick: bool,
}

/// How much is trained and measured.
pub(crate) struct Budget {
    pub seeds: Vec<u64>,
    pub epochs: usize,
    pub finetune_epochs: usize,
    pub train_images: usize,
    pub test_images: usize,
    /// Time for the latencies of all models at one batch size.
    pub timing: Duration,
}

impl RunArgs {
    pub(crate) fn budget(&self) -> Budget {
        let or = |given: Option<u32>, quick, full| {
            given.map_or(if self.quick { quick } else { full }, |epochs| {
                epochs as usize
            })
        };
        let seeds = if self.quick { 1 } else { self.seeds };
        Budget {
            seeds: (self.seed..self.seed + seeds).collect(),
            epochs: or(self.epochs, 1, 4),
            finetune_epochs: or(self.finetune_epochs, 2, 3),
            train_images: if self.quick { 1_000 } else { usize::MAX },
            test_images: if self.quick { 1_000 } else { usize::MAX },
            timing: Duration::from_secs(if self.quick { 2 } else { 20 }),
        }
    }
}
