use std::path::PathBuf;

use clap::{Parser, Subcommand};
use examples_shared::bundled_data;

/// Compares one-shot pruning, gradual pruning and geometric rounds at high sparsity.
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
    /// Draws the plots of finished results anew, and prints their table.
    Report {
        /// Directory of results.csv, and of sensitivity.json if it is there.
        #[arg(long, default_value = "out/gradual-pruning")]
        out: PathBuf,
    },
}

#[derive(clap::Args)]
pub(crate) struct RunArgs {
    /// Sparsities to prune to, between 0 and 1.
    #[arg(long, value_delimiter = ',', default_values_t = [0.9, 0.95, 0.98])]
    pub sparsity: Vec<f64>,
    /// The first seed. A seed decides initial weights and the order of the images.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    pub seeds: u64,
    /// Directory of the four IDX files of MNIST or Fashion-MNIST, plain or `.gz`.
    /// [default: 10,000 training and 10,000 test images of Fashion-MNIST that come with this]
    #[arg(long, default_value_os_t = bundled_data(), hide_default_value = true)]
    pub data: PathBuf,
    /// Directory for results.csv, the recipes and the plots.
    #[arg(long, default_value = "out/gradual-pruning")]
    pub out: PathBuf,
    /// One seed, one sparsity and 1,000 images, to see that it runs.
    #[arg(long)]
    pub quick: bool,
}

/// What is trained, and for how long.
pub(crate) struct Budget {
    pub seeds: Vec<u64>,
    pub sparsities: Vec<f64>,
    /// Epochs before pruning.
    pub dense_epochs: usize,
    /// Epochs with pruning in them, and of the dense control.
    pub epochs: usize,
    pub train_images: usize,
    pub test_images: usize,
}

impl RunArgs {
    pub(crate) fn budget(&self) -> Budget {
        let seeds = if self.quick { 1 } else { self.seeds };
        let mut sparsities = self.sparsity.clone();
        if self.quick {
            sparsities.truncate(1);
        }
        let images = if self.quick { 1_000 } else { usize::MAX };
        Budget {
            seeds: (self.seed..self.seed + seeds).collect(),
            sparsities,
            dense_epochs: if self.quick { 1 } else { 5 },
            epochs: if self.quick { 3 } else { 5 },
            train_images: images,
            test_images: images,
        }
    }
}
