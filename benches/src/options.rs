use std::path::PathBuf;

use clap::Parser;

/// Options of every bench.
#[derive(Debug, Parser)]
pub struct Options {
    /// Small sizes and few rounds: shows that it runs, the figures mean nothing.
    #[arg(long)]
    pub quick: bool,
    /// A Python with PyTorch and ONNX Runtime, to run the peers beside; see `peers/README.md`.
    #[arg(long)]
    pub python: Option<PathBuf>,
    /// Show how long each step of a compiled model takes, in the benches of the engine.
    #[arg(long)]
    pub profiles: bool,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// From the command line.
    pub fn get() -> Self {
        Self::parse()
    }
}
