//! One-shot pruning with fine-tuning, gradual pruning on a cubic schedule, and geometric rounds, at
//! high sparsity and with the same training budget; against the dense network that was trained for
//! as long, and against a network whose zeros have no masks and come back.

mod args;
mod results;
mod training;

use std::cell::RefCell;
use std::error::Error;
use std::fs;
use std::io::IsTerminal;
use std::path::Path;

use burn::config::Config;
use burn::tensor::Device;
use burn_prune::plot::{PlotError, ValueFormat};
use burn_prune::{
    Allocation, Magnitude, Prunable, Pruner, Recipe, ScheduleConfig, SensitivityReport, Span,
};
use clap::Parser;
use examples_shared::{Cnn, ImageBatcher, Images};
use kdam::{BarExt, tqdm};

use args::{Args, Budget, Command, RunArgs};
use results::{NO_MASKS, Results, Row};
use training::{Name, Shows, Training};

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    match &args.command {
        Some(Command::Report { out }) => report(out),
        None => run(&args.run),
    }
}

/// Trains everything.
fn run(args: &RunArgs) -> Result<(), Box<dyn Error>> {
    let budget = args.budget();
    let train = Images::train(&args.data)?.first(budget.train_images);
    let test = Images::test(&args.data)?.first(budget.test_images);
    fs::create_dir_all(&args.out)?;

    let batcher = ImageBatcher::new(&train);
    let shown = std::io::stderr().is_terminal();
    let progress = RefCell::new(tqdm!(desc = "steps", disable = !shown));
    let training = Training {
        train: &train,
        test: &test,
        batcher: &batcher,
        progress: &progress,
        shows: if shown { Shows::Bar } else { Shows::Lines },
    };
    let steps_per_epoch = training.length(1).steps_per_epoch;
    let recipes = recipes(&budget, steps_per_epoch);
    let per_seed = budget.dense_epochs + budget.epochs * (2 + recipes.len());
    progress.borrow_mut().total = budget.seeds.len() * training.length(per_seed).steps();
    for (method, sparsity, recipe) in &recipes {
        recipe.save(args.out.join(format!("{method}-{sparsity}.json")))?;
    }

    let device = Device::flex().autodiff();
    let mut results = Results::default();
    for seed in budget.seeds.iter().copied() {
        device.seed(seed);
        let name = |method| Name { seed, method };
        let start = training.plain(name("start"), Cnn::new(&device), budget.dense_epochs);
        if seed == args.seed {
            sensitivity(&start, &training, &args.out)?;
        }
        let dense = training.plain(name("dense"), start.clone(), budget.epochs);
        let dense_accuracy = training.accuracy(&dense);
        let mut add = |method: &str, model: &Cnn| {
            let row = Row {
                method: method.to_string(),
                sparsity: model.sparsity_report().sparsity(),
                seed,
                dense_accuracy,
                accuracy: training.accuracy(model),
            };
            let line = format!(
                "seed {seed}, {method}: sparsity {:.2} %, test accuracy {:.2} %",
                100.0 * row.sparsity,
                100.0 * row.accuracy
            );
            if shown {
                drop(progress.borrow_mut().write(line));
            } else {
                println!("{line}");
            }
            results.rows.push(row);
        };
        add("dense", &dense);
        for (method, _, recipe) in &recipes {
            let model = training.pruning(name(method), start.clone(), recipe, budget.epochs)?;
            add(method, &model);
        }
        // The control: zeros without masks. Adam does not leave them alone.
        let pruner = Pruner::new(Magnitude::l1()).allocation(Allocation::Global);
        let zeroed = start
            .prune(&pruner.to_sparsity(budget.sparsities[0]))?
            .make_permanent()?;
        let zeroed = training.plain(name(NO_MASKS), zeroed, budget.epochs);
        add(NO_MASKS, &zeroed);
    }
    if shown {
        drop(progress.borrow_mut().clear());
    }

    println!("{results}");
    results.save_csv(&args.out)?;
    results.save_plots(&args.out)?;
    println!(
        "results.csv, plots and recipes are in {}",
        args.out.display()
    );
    Ok(())
}

/// Draws the plots of a directory anew; its data stay as they are.
fn report(out: &Path) -> Result<(), Box<dyn Error>> {
    let results = Results::load_csv(out)?;
    println!("{results}");
    results.save_plots(out)?;
    let path = out.join("sensitivity.json");
    if path.exists() {
        let failed = |error| format!("cannot read `{}`: {error}", path.display());
        let report = serde_json::from_slice(&fs::read(&path)?).map_err(failed)?;
        save_sensitivity_plots(&report, out)?;
    }
    Ok(())
}

/// Every method at every sparsity. The schedules end early enough to recover.
fn recipes(budget: &Budget, steps_per_epoch: usize) -> Vec<(&'static str, f64, Recipe)> {
    let rounds = budget.epochs.div_ceil(2);
    let end = rounds * steps_per_epoch;
    let of = |sparsity: &f64| {
        let schedules = [
            ("one-shot", ScheduleConfig::one_shot(*sparsity)),
            // Fine steps: the cubic curve is steep at first.
            (
                "cubic",
                ScheduleConfig::cubic(*sparsity, Span::steps(0, end, end.div_ceil(20))),
            ),
            (
                "geometric-rounds",
                ScheduleConfig::geometric_rounds(*sparsity, Span::epochs(0, rounds - 1, 1)),
            ),
        ];
        schedules.map(|(method, schedule)| {
            let pruner = Pruner::new(Magnitude::l1()).allocation(Allocation::Global);
            (method, *sparsity, Recipe::new(pruner, schedule))
        })
    };
    budget.sparsities.iter().flat_map(of).collect()
}

/// What each layer could lose without any fine-tuning, as a table, JSON and plots.
fn sensitivity(model: &Cnn, training: &Training<'_>, out: &Path) -> Result<(), Box<dyn Error>> {
    let report = SensitivityReport::of(
        model,
        &Pruner::new(Magnitude::l1()),
        &[0.5, 0.8, 0.9, 0.95, 0.98],
        |model| training.accuracy(model),
        |progress| {
            // A bar draws itself when it is refreshed, even where it is turned off.
            if training.shows == Shows::Lines {
                return;
            }
            let left = progress.remaining.as_secs();
            let bar = &mut training.progress.borrow_mut();
            bar.set_description(format!("sensitivity, {left} s left"));
            drop(bar.refresh());
        },
    )?;
    fs::write(
        out.join("sensitivity.json"),
        serde_json::to_string_pretty(&report)?,
    )?;
    save_sensitivity_plots(&report, out)?;
    println!("test accuracy without fine-tuning, one layer pruned at a time:\n{report}");
    Ok(())
}

fn save_sensitivity_plots(report: &SensitivityReport, out: &Path) -> Result<(), PlotError> {
    let mut plot = report.plot("test accuracy");
    plot.y_format = ValueFormat::Percent;
    plot.save(out.join("sensitivity.svg"))?;
    plot.save(out.join("sensitivity.png"))
}
