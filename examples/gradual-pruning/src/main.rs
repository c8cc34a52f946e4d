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
use burn_prune::plot::ValueFormat;
use burn_prune::{
    Allocation, Magnitude, Prunable, Pruner, Recipe, ScheduleConfig, SensitivityReport, Span,
};
use clap::Parser;
use examples_shared::{Cnn, ImageBatcher, Images};
use kdam::{BarExt, tqdm};

use args::{Args, Budget};
use results::{Results, Row};
use training::Training;

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
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
    };
    let steps_per_epoch = training.run(1).steps_per_epoch;
    let recipes = recipes(&budget, steps_per_epoch);
    let per_seed = budget.dense_epochs + budget.epochs * (2 + recipes.len());
    progress.borrow_mut().total = budget.seeds.len() * training.run(per_seed).steps();
    for (method, sparsity, recipe) in &recipes {
        recipe.save(args.out.join(format!("{method}-{sparsity}.json")))?;
    }

    let device = Device::flex().autodiff();
    let mut results = Results::default();
    for seed in &budget.seeds {
        device.seed(*seed);
        let start = training.plain(Cnn::new(&device), budget.dense_epochs, *seed);
        if *seed == args.seed {
            sensitivity(&start, &training, &args.out)?;
        }
        let dense = training.plain(start.clone(), budget.epochs, *seed);
        let dense_accuracy = training.accuracy(&dense);
        let mut add = |method: &str, target: f64, model: &Cnn| {
            let row = Row {
                method: method.to_string(),
                sparsity: model.sparsity_report().sparsity(),
                seed: *seed,
                dense_accuracy,
                accuracy: training.accuracy(model),
                target,
            };
            let line = format!(
                "seed {seed}: {method}, {:.2} % zeros, {:.2} %",
                100.0 * row.sparsity,
                100.0 * row.accuracy
            );
            match shown {
                true => drop(progress.borrow_mut().write(line)),
                false => println!("{line}"),
            }
            results.rows.push(row);
        };
        add("dense", 0.0, &dense);
        for (method, sparsity, recipe) in &recipes {
            let model = training.pruning(start.clone(), recipe, budget.epochs, *seed)?;
            add(method, *sparsity, &model);
        }
        // The control: zeros without masks. Adam does not leave them alone.
        let pruner = Pruner::new(Magnitude::l1()).allocation(Allocation::Global);
        let sparsity = budget.sparsities[0];
        let zeroed = start
            .prune(&pruner.to_sparsity(sparsity))?
            .make_permanent()?;
        let zeroed = training.plain(zeroed, budget.epochs, *seed);
        add("no-masks", sparsity, &zeroed);
    }
    drop(progress.borrow_mut().clear());

    println!("{results}");
    results.save_csv(&args.out)?;
    for file in ["results.svg", "results.png"] {
        results.plot().save(args.out.join(file))?;
    }
    println!(
        "results.csv, plots and recipes are in {}",
        args.out.display()
    );
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
    let mut plot = report.plot("test accuracy");
    plot.y_format = ValueFormat::Percent;
    plot.save(out.join("sensitivity.svg"))?;
    plot.save(out.join("sensitivity.png"))?;
    println!("test accuracy without fine-tuning, one layer pruned at a time:\n{report}");
    Ok(())
}
