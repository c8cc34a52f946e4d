use std::path::PathBuf;

use burn_prune::lottery::Shard;
use clap::{Parser, Subcommand, ValueEnum};
use examples_shared::bundled_data;

/// Finds lottery tickets, with their controls. A study that was stopped goes on where it was.
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
    /// Runs what is missing of a study (also without this word).
    Run(RunArgs),
    /// Writes the report of what is there, and says what is missing.
    Report {
        /// Directory of the study.
        #[arg(long, default_value = "out/lottery-ticket")]
        out: PathBuf,
    },
    /// Writes a ticket to a file: initial weights, masks, and where it comes from.
    Export(ExportArgs),
}

#[derive(clap::Args)]
pub(crate) struct ExportArgs {
    /// Directory of the study.
    #[arg(long, default_value = "out/lottery-ticket")]
    pub out: PathBuf,
    /// Seed of the ticket.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Method of the ticket.
    #[arg(long, default_value = "ticket")]
    pub method: String,
    /// Round of the ticket.
    #[arg(long)]
    pub round: usize,
    /// The file.
    pub ticket: PathBuf,
}

#[derive(clap::Args, Clone)]
pub(crate) struct RunArgs {
    /// What is studied.
    #[arg(long, value_enum, default_value_t = Preset::LeNet)]
    pub study: Preset,
    /// The first seed. A seed decides initial weights and the order of the images.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// How many seeds. [default: 3]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub seeds: Option<u64>,
    /// How often the masks are cut. [default: by the study]
    #[arg(long)]
    pub rounds: Option<usize>,
    /// Iterations of the dense run and of each ticket. [default: by the study]
    #[arg(long)]
    pub steps: Option<usize>,
    /// The paper's 50,000 iterations, 20 rounds and 5 seeds of LeNet-300-100.
    #[arg(long, conflicts_with_all = ["rounds", "steps", "quick"])]
    pub paper: bool,
    /// Directory of the four IDX files of MNIST or Fashion-MNIST, plain or `.gz`.
    /// [default: 10,000 training and 10,000 test images of Fashion-MNIST that come with this]
    #[arg(long, default_value_os_t = bundled_data(), hide_default_value = true)]
    pub data: PathBuf,
    /// Directory of the study.
    #[arg(long, default_value = "out/lottery-ticket")]
    pub out: PathBuf,
    /// The part `i` of `n` of the study, for one machine of several that share the directory.
    #[arg(long, value_name = "i/n", default_value = "0/1")]
    pub shard: Shard,
    /// One seed, two rounds, a few steps on 2,000 images, to see that it runs.
    #[arg(long)]
    pub quick: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preset {
    /// LeNet-300-100 as in the paper, with three controls.
    #[value(name = "lenet")]
    LeNet,
    /// A convolutional network: rewinding to the start and to an early step, learning-rate
    /// rewinding, and fine-tuning.
    #[value(name = "conv")]
    Conv,
}
