//! Lottery tickets in LeNet-300-100, as in the paper and with its controls, and rewinding against
//! fine-tuning in a convolutional network; each a study that can be stopped, resumed and shared by
//! machines.

mod args;
mod claims;
mod data;
mod nets;
mod progress;
mod studies;
mod training;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use burn::tensor::Device;
use burn_prune::lottery::{CellId, Shard, StudyReport, Ticket};
use clap::Parser;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use args::{Args, Command, ExportArgs, Preset, RunArgs};
use data::Data;
use nets::{ConvNet, LeNet};
use progress::Progress;
use studies::Study;

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.command {
        None => run(&args.run),
        Some(Command::Run(args)) => run(&args),
        Some(Command::Report { out }) => report_on(&out),
        Some(Command::Export(args)) => export(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &RunArgs) -> Result<(), Box<dyn Error>> {
    let study = Study::of(args);
    let data = Data::read(&args.data, study.images)?;
    let progress = Progress::new();
    let stop = on_ctrl_c()?;
    let search = study.search(args, &data).stop_when(Arc::clone(&stop));
    let search = search.on_event(|event| progress.on_event(event));
    let device = Device::flex().autodiff();
    let training = &study.training;
    let found = match args.study {
        Preset::LeNet => search.run(
            |seed| {
                device.seed(seed);
                LeNet::new(&device)
            },
            |cell, model| training.run(&data, cell, model),
        ),
        Preset::Conv => search.run(
            |seed| {
                device.seed(seed);
                ConvNet::new(&device)
            },
            |cell, model| training.run(&data, cell, model),
        ),
    };
    progress.clear();
    let found = found?;
    // No shard knows when the others are done.
    if args.shard == Shard::whole() {
        report(&found, &args.out)?;
    } else {
        println!("{found}\nwhen all shards are done, `report` writes the results");
    }
    if stop.load(Ordering::Relaxed) && !found.missing.is_empty() {
        return Err("stopped; run the same command again to continue".into());
    }
    Ok(())
}

/// A flag that Ctrl-C and SIGTERM set: the cell that is being trained is finished and saved. A
/// second Ctrl-C ends the program at once, and loses that cell.
fn on_ctrl_c() -> std::io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first one only sets the flag.
        flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))?;
        flag::register(signal, Arc::clone(&stop))?;
    }
    let asked = Arc::clone(&stop);
    thread::spawn(move || {
        while !asked.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(100));
        }
        eprintln!("\nfinishing this training; press Ctrl-C again to drop it");
    });
    Ok(stop)
}

/// Reports on a study, or on the results of one that is elsewhere.
fn report_on(out: &Path) -> Result<(), Box<dyn Error>> {
    let has = |file: &str| out.join(file).exists();
    let found = if has("results.json") && !has("study.json") {
        StudyReport::load(out)?
    } else {
        StudyReport::read(out)?
    };
    report(&found, out)
}

fn report(report: &StudyReport, out: &Path) -> Result<(), Box<dyn Error>> {
    println!("{report}");
    if report.rows.is_empty() {
        return Ok(());
    }
    let network = &report.settings["training"]["training"]["network"];
    let title = format!("Lottery tickets: {}", network.as_str().unwrap_or("a study"));
    // The claims are about one network on one data set.
    let claims = if report.settings["training"]["data"] == "MNIST" {
        claims::claims(report)
    } else {
        Vec::new()
    };
    let mut sections = Vec::new();
    if !claims.is_empty() {
        claims.iter().for_each(|claim| println!("- {claim}"));
        sections.push(("What the paper claims".to_string(), claims));
    }
    report.save_with(out, &title, &sections)?;
    println!(
        "results.csv, results.json, plots and index.html are in {}",
        out.display()
    );
    Ok(())
}

/// Writes the ticket of a round to a file.
fn export(args: &ExportArgs) -> Result<(), Box<dyn Error>> {
    let cell = CellId::new(args.seed, &args.method, args.round);
    let ticket = Ticket::from_study(&args.out, &cell)?;
    println!("{cell}:\n{}", ticket.masks());
    ticket.save(&args.ticket)?;
    println!("written to {}", args.ticket.display());
    Ok(())
}
