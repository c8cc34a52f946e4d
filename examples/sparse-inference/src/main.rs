//! Train networks on images, prune them, compile them for sparse inference, and measure what that
//! costs in accuracy and saves in time and memory; against the dense networks in Burn, ONNX Runtime
//! and PyTorch.

mod args;
mod latency;
mod nets;
mod results;
mod runtimes;
mod training;

use std::error::Error;
use std::fs;
use std::process::ExitCode;

use burn::tensor::Device;
use burn_prune::Prunable;
use burn_prune_engine::SparseEngine;
use clap::Parser;
use examples_shared::nets::convolutional::Mlp;
use examples_shared::{Cnn, ImageBatcher, Images};

use args::Args;
use nets::{Classifier, ResNet};
use results::{ENGINE, Results, Row, Timed};
use runtimes::{Others, dense_bytes};
use training::Training;

/// Of the weights of Linear and Conv2d.
const SPARSITIES: [f64; 2] = [0.9, 0.95];
const BATCHES: [usize; 2] = [1, 32];

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
    let batcher = ImageBatcher::new(&train);
    let training = Training {
        train: &train,
        test: &test,
        batcher: &batcher,
        seed: args.seed,
    };
    if args.python.is_none() {
        println!("without --python there is no ONNX Runtime and no PyTorch to compare with");
    }
    let mut others = Others::new(args.python.as_deref())?;
    let mut results = Results::default();
    one_network::<Cnn>(args, &training, &mut others, &mut results)?;
    one_network::<Mlp>(args, &training, &mut others, &mut results)?;
    one_network::<ResNet>(args, &training, &mut others, &mut results)?;
    println!("{results}");
    results.save(&args.out)?;
    println!(
        "results.json, results.csv and plots are in {}",
        args.out.display()
    );
    Ok(())
}

/// Trains a network, prunes it further and further, and measures each stage.
fn one_network<M: Classifier>(
    args: &Args,
    training: &Training<'_>,
    others: &mut Others,
    results: &mut Results,
) -> Result<(), Box<dyn Error>> {
    let budget = args.budget();
    let device = Device::flex().autodiff();
    device.seed(args.seed);
    let mut model = training.run("dense", M::fresh(&device), budget.epochs);
    measure(&model, 0.0, training, others, budget.rounds, results)?;
    for sparsity in SPARSITIES {
        model = training.prune(model, sparsity, budget.finetune_epochs)?;
        measure(&model, sparsity, training, others, budget.rounds, results)?;
    }
    Ok(())
}

/// Compiles a network and adds its accuracies and latencies to the results.
fn measure<M: Classifier>(
    model: &M,
    sparsity: f64,
    training: &Training<'_>,
    others: &mut Others,
    rounds: usize,
    results: &mut Results,
) -> Result<(), Box<dyn Error>> {
    let model = model.valid();
    let model = if model.is_pruned() {
        model.make_permanent()?
    } else {
        model
    };
    let engine = SparseEngine::compile(&model, training.examples(1), M::classify)?;
    println!("{}", engine.plan());
    let mut all = Vec::new();
    for batch in BATCHES {
        let measured = others.measure(&model, &engine, &training.examples(batch), rounds)?;
        // Each batch size may add a weight in another format.
        all.push((batch, measured, engine.weight_bytes()));
    }
    let accuracy = training.accuracy(|images| model.classify(images));
    let classify = |images| engine.run(images).expect("it takes any batch");
    let engine_accuracy = training.accuracy(classify);
    println!(
        "{}, {:.0} % zeros: test accuracy {:.2} %, in the engine {:.2} %",
        M::NAME,
        100.0 * sparsity,
        100.0 * accuracy,
        100.0 * engine_accuracy
    );
    for (batch, measured, engine_bytes) in all {
        let row = Row {
            model: M::NAME.to_string(),
            sparsity,
            batch,
            dense_ms_p50: measured.dense.p50,
            engine_ms_p50: measured.engine.p50,
            onnxruntime_ms_p50: measured.onnxruntime.map(|latency| latency.p50),
            speedup: measured.dense.p50 / measured.engine.p50,
            max_relative_error: measured.max_relative_error,
            engine_bytes,
            dense_bytes: dense_bytes(&model),
        };
        results.timed.push(Timed {
            bytes: Some(row.dense_bytes),
            accuracy: Some(accuracy),
            ..Timed::of(&row, "flex", measured.dense)
        });
        results.timed.push(Timed {
            bytes: Some(row.engine_bytes),
            accuracy: Some(engine_accuracy),
            ..Timed::of(&row, ENGINE, measured.engine)
        });
        let others = [
            ("ONNX Runtime", measured.onnxruntime),
            ("PyTorch", measured.pytorch),
        ];
        for (runtime, latency) in others {
            let timed = latency.map(|latency| Timed::of(&row, runtime, latency));
            results.timed.extend(timed);
        }
        results.rows.push(row);
    }
    Ok(())
}
