//! Load a pretrained EfficientNet-Lite0 from its PyTorch file, make sure that it computes what it
//! does there, cut channels off, and measure what that took and gave.

mod args;
mod cutting;
mod latency;
mod reference;
mod results;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use clap::Parser;
use examples_shared::pretrained;

use args::Args;
use cutting::{Cut, cut};
use results::Results;

/// How far the outputs of the masked and the small network may be apart, which compute the same in
/// another order, as a fraction of the largest.
const TOLERANCE: f64 = 1e-4;

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
    let device = Device::flex();
    let model = pretrained::load(&args.weights, &device)?;
    let failed = |error| format!("cannot make `{}`: {error}", args.out.display());
    fs::create_dir_all(&args.out).map_err(failed)?;
    let reference_difference = reference::check(&model, &device)?;
    println!(
        "outputs as in PyTorch: they differ by {reference_difference:.1e} of the largest logit"
    );

    let images = reference::images(&device);
    let example = images.clone().narrow(0, 0, 1);
    let cut = cut(&model, example.clone(), args.fraction)?;
    let [before, after] = &cut.costs;
    println!(
        "{} parameters, {:.3} G multiply-adds, {} groups of channels",
        before.parameters(),
        before.multiply_adds() as f64 / 1e9,
        cut.groups
    );
    let mut total = 0.0;
    for (what, time) in &cut.times {
        let seconds = time.as_secs_f64();
        total += seconds;
        println!("{what:>10}: {seconds:.3} s");
    }
    println!("{:>10}: {total:.3} s", "total");

    let masked_difference = difference(&cut, images);
    // Also for a NaN.
    if !matches!(masked_difference, 0.0..=TOLERANCE) {
        return Err(format!(
            "the masked and the small network differ by {masked_difference:.1e} of the largest logit"
        )
        .into());
    }
    println!(
        "masked and small network: they differ by {masked_difference:.1e} of the largest logit"
    );

    let seconds = cut.times.iter();
    let seconds = seconds.map(|(what, time)| (what.to_string(), time.as_secs_f64()));
    let results = Results {
        fraction: args.fraction,
        groups: cut.groups,
        channels: cut.channels,
        parameters: [before.parameters(), after.parameters()],
        multiply_adds: [before.multiply_adds(), after.multiply_adds()],
        latency_ms_batch1: latency::in_turns([&model, &cut.small], &example),
        reference_difference,
        masked_difference,
        seconds: seconds.collect(),
    };
    print!("{results}");
    save(&cut, &results, &args.out)?;
    println!(
        "results.json, the plan and the small network are in {}",
        args.out.display()
    );
    Ok(())
}

/// The largest difference between the logits of the masked and the small network, as a fraction of
/// the largest logit.
fn difference(cut: &Cut, images: Tensor<4>) -> f64 {
    let masked = cut.masked.forward(images.clone());
    let largest = masked.clone().abs().max().into_scalar::<f32>();
    let difference = (cut.small.forward(images) - masked).abs().max();
    f64::from(difference.into_scalar::<f32>() / largest)
}

/// Writes what a program needs that has the type of the network: plan and weights.
fn save(cut: &Cut, results: &Results, out: &Path) -> Result<(), Box<dyn Error>> {
    let part = out.join("plan.json.part");
    fs::write(&part, serde_json::to_vec(&cut.plan)?)?;
    fs::rename(part, out.join("plan.json"))?;
    // Only read: no need of statistics of its own.
    cut.small.clone().save_file(out.join("small.bpk"))?;
    results.save(out)?;
    Ok(())
}
