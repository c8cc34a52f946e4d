//! Train a small ResNet, prune a fraction of its channels, fine-tune it under the masks, cut the
//! channels off, quantize and export what is left; and measure what each fraction costs and gives.

mod args;
mod latency;
mod net;
mod quantize;
mod results;
mod small;
mod training;

use std::cell::RefCell;
use std::error::Error;
use std::fs;
use std::io::{IsTerminal, stderr};
use std::process::ExitCode;
use std::time::Duration;

use burn::module::Module;
use burn::tensor::Device;
use burn_prune_deploy::Graph;
use clap::Parser;
use examples_shared::{ImageBatcher, Images};
use kdam::{BarExt, tqdm};

use args::Args;
use net::Net;
use results::{Results, Row};
use small::Small;
use training::Training;

/// Of the channels of each group that go.
const FRACTIONS: [f64; 4] = [0.0, 0.25, 0.5, 0.75];
const LEARNING_RATE: f64 = 1e-3;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let budget = args.budget();
    let train = Images::train(&args.data)?.first(budget.train_images);
    let test = Images::test(&args.data)?.first(budget.test_images);
    let failed = |error| format!("cannot make `{}`: {error}", args.out.display());
    fs::create_dir_all(&args.out).map_err(failed)?;

    let shown = stderr().is_terminal();
    let progress = RefCell::new(tqdm!(desc = "steps", disable = !shown));
    let line = |line: String| match shown {
        true => drop(progress.borrow_mut().write(line)),
        false => println!("{line}"),
    };
    let training = Training {
        train: &train,
        test: &test,
        batcher: &ImageBatcher::new(&train),
        seed: args.seed,
        progress: &progress,
    };
    let epochs = budget.epochs + FRACTIONS.len() * budget.finetune_epochs;
    progress.borrow_mut().total = training.steps(epochs);

    let device = Device::flex().autodiff();
    device.seed(args.seed);
    let dense = training.run(Net::new(&device), budget.epochs, LEARNING_RATE);
    let accuracy = training.accuracy(&dense.valid());
    line(format!("dense: {:.2} %", 100.0 * accuracy));

    let graph = Graph::capture(&dense, training.examples(1), Net::forward)?;
    let groups = graph.groups()?;
    for group in groups.groups() {
        line(format!("{} channels: {}", group.units.len(), group.name));
    }
    let mut smalls = Vec::new();
    for fraction in FRACTIONS {
        let epochs = budget.finetune_epochs;
        let small = Small::of(&dense, &groups, fraction, epochs, &training, &args.out)?;
        line(format!(
            "{:.0} % of the channels gone: {:.2} %, fine-tuned {:.2} %, with 8 bits {:.2} %; {} \
             quantized weights under the masks are 0",
            100.0 * fraction,
            100.0 * small.accuracy_before,
            100.0 * small.float_row.accuracy,
            100.0 * small.quantized_row.accuracy,
            small.quantized_zeros,
        ));
        smalls.push(small);
    }
    drop(progress.borrow_mut().clear());

    let results = measured(&smalls, &training, budget.timing);
    println!("{results}");
    results.save(&args.out)?;
    println!(
        "results.csv, plans, weights and ONNX files are in {}",
        args.out.display()
    );
    Ok(())
}

/// Latencies of all models, in turns, and the rows with them.
fn measured(smalls: &[Small], training: &Training<'_>, time: Duration) -> Results {
    let models: Vec<&Net> = smalls
        .iter()
        .flat_map(|small| [&small.float, &small.quantized])
        .collect();
    let at = |batch| latency::in_turns(&models, &training.examples(batch), time);
    let (one, many) = (at(1), at(32));
    let with = |row: &Row, model: usize| Row {
        latency_ms_batch1: one[model],
        latency_ms_batch32: many[model],
        ..row.clone()
    };
    let mut results = Results::default();
    for (number, small) in smalls.iter().enumerate() {
        results.floats.push(with(&small.float_row, 2 * number));
        let quantized = with(&small.quantized_row, 2 * number + 1);
        results.quantized.push(quantized);
    }
    results
}
