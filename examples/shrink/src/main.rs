//! Train a small ResNet, prune a fraction of its channels while it trains on in Burn's `Learner`, cut
//! them off and train the small network on; quantize and export what is left, and measure what each
//! fraction costs and gives. Against channels that are cut at once, with as many epochs.

mod args;
mod comparison;
mod cutting;
mod latency;
mod net;
mod quantize;
mod results;
mod same;
mod small;
mod training;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_prune_deploy::{Graph, Groups};
use clap::Parser;
use examples_shared::{ImageBatcher, Images};

use args::{Args, Command, RunArgs};
use comparison::{Compared, Comparison, DENSE};
use cutting::Cut;
use net::Net;
use results::{Results, Row};
use small::Small;
use training::{Training, examples};

/// Of the channels of each group that go.
const FRACTIONS: [f64; 3] = [0.25, 0.5, 0.75];
const LEARNING_RATE: f64 = 1e-3;

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.command {
        Some(Command::Report { out }) => report(out),
        None => run(&args.run),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn report(out: &Path) -> Result<(), Box<dyn Error>> {
    println!("{}", Comparison::redraw(out)?);
    Ok(())
}

fn run(args: &RunArgs) -> Result<(), Box<dyn Error>> {
    let budget = args.budget();
    let train = Images::train(&args.data)?.first(budget.train_images);
    let test = Images::test(&args.data)?.first(budget.test_images);
    let failed = |error| format!("cannot make `{}`: {error}", args.out.display());
    fs::create_dir_all(&args.out).map_err(failed)?;

    let batcher = ImageBatcher::new(&train);
    let shown = test.first(1_000);
    let device = Device::flex().autodiff();
    let mut comparison = Comparison::default();
    let mut smalls = Vec::new();
    for seed in budget.seeds {
        let training = Training {
            train: &train,
            test: &test,
            shown: &shown,
            batcher: &batcher,
            seed,
            folder: args.out.join("trainings"),
        };
        device.seed(seed);
        let dense = training.run("dense", Net::new(&device), budget.epochs, LEARNING_RATE);
        let groups = groups(&dense, &training)?;
        let epochs = budget.finetune_epochs;
        let mut add = |method: &str, fraction, cut: &Cut| {
            let row = Compared {
                method: method.to_string(),
                fraction,
                seed,
                multiply_adds: cut.plan.graph.cost().multiply_adds(),
                accuracy_before: cut.accuracy_before,
                accuracy: training.accuracy(&cut.model),
            };
            println!(
                "seed {seed}, {method}, {:.0} % of the channels gone: test accuracy {:.2} % right \
                 after the cut, {:.2} % in the end",
                100.0 * fraction,
                100.0 * row.accuracy_before,
                100.0 * row.accuracy,
            );
            comparison.rows.push(row);
        };
        let is_first = seed == args.seed;
        let whole = cutting::not_at_all(&dense, &groups, epochs, &training);
        add(DENSE, 0.0, &whole);
        if is_first {
            smalls.push(Small::of(whole, 0.0, &training, &args.out)?);
        }
        for fraction in FRACTIONS {
            let cut = cutting::at_once(&dense, &groups, fraction, epochs, &training)?;
            add("one-shot", fraction, &cut);
            let (cut, zeros) = cutting::gradually(&dense, &groups, fraction, epochs, &training)?;
            add("gradual", fraction, &cut);
            println!("{zeros} quantized weights under the masks are 0");
            if is_first {
                smalls.push(Small::of(cut, fraction, &training, &args.out)?);
            }
        }
    }

    let examples = |count| examples(&test, &batcher, count);
    let results = measured(&smalls, [examples(1), examples(32)], budget.timing);
    println!("{results}\n{comparison}");
    results.save(&args.out)?;
    comparison.save(&args.out)?;
    println!(
        "results.csv, comparison.csv, plots, plans, weights and ONNX files are in {}",
        args.out.display()
    );
    Ok(())
}

/// The channels that must go together.
fn groups(dense: &Net, training: &Training<'_>) -> Result<Groups, Box<dyn Error>> {
    let graph = Graph::capture(&dense.valid(), training.examples(1), Net::forward)?;
    let groups = graph.groups()?;
    for group in groups.groups() {
        println!("{} channels: {}", group.units.len(), group.name);
    }
    Ok(groups)
}

/// Latencies of all models, in turns, and the rows with them.
fn measured(smalls: &[Small], batches: [Tensor<4>; 2], time: Duration) -> Results {
    let models: Vec<&Net> = smalls
        .iter()
        .flat_map(|small| [&small.float, &small.quantized])
        .collect();
    let [one, many] = batches.map(|batch| latency::in_turns(&models, &batch, time));
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
