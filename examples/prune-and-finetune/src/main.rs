//! Train a small CNN on images, prune it to 90 %, fine-tune it in Burn's `Learner` with the masks
//! on, make the zeros permanent and save it. Measured at every stage, against two controls: the
//! dense network trained on for as long, and random masks of the same sparsity.

mod args;
mod results;
mod training;

use std::error::Error;
use std::fs;

use burn::module::Module;
use burn::tensor::Device;
use burn_prune::{Allocation, Criterion, Magnitude, Prunable, Pruner, Random};
use clap::Parser;
use examples_shared::{Cnn, ImageBatcher, Images, accuracy};

use args::Args;
use results::Results;
use training::Training;

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let device = device();
    let train = Images::train(&args.data)?.first(args.train_images());
    let test = Images::test(&args.data)?.first(args.test_images());
    fs::create_dir_all(&args.out)?;

    let batcher = ImageBatcher::new(&train);
    let measure = |model: &Cnn| accuracy(&model.valid(), &test, &batcher, &device);
    let training = Training {
        out: &args.out,
        train: &train,
        test: &test,
        batcher: &batcher,
        seed: args.seed,
    };
    let (epochs, finetune_epochs) = args.epochs();

    device.seed(args.seed);
    let dense = Cnn::new(&device.clone().autodiff());
    let parameters = dense.num_params();
    let dense = training.run("dense", dense, epochs);
    let dense_accuracy = measure(&dense);
    let dense_trained_on = training.run("dense-trained-on", dense.clone(), finetune_epochs);

    let masked = dense
        .clone()
        .prune(&globally(Magnitude::l1(), args.sparsity))?;
    let pruned_accuracy = measure(&masked);
    let finetuned = training.run("finetuned", masked, finetune_epochs);
    let finetuned_accuracy = measure(&finetuned);

    let random = dense.prune(&globally(Random::new(args.seed), args.sparsity))?;
    let random = training.run("random-finetuned", random, finetune_epochs);

    finetuned.save_masked(args.out.join("model-masked.bpk"))?;
    let permanent = finetuned.valid().make_permanent()?;
    permanent.clone().save_file(args.out.join("model.bpk"))?;
    // Without burn-prune: an ordinary model with zeros in it.
    let reloaded = Cnn::new(&device).try_load_file(args.out.join("model.bpk"))?;

    let report = permanent.sparsity_report();
    let results = Results {
        dense_accuracy,
        dense_trained_on_accuracy: measure(&dense_trained_on),
        pruned_accuracy,
        finetuned_accuracy,
        random_finetuned_accuracy: measure(&random),
        reloaded_accuracy: measure(&reloaded),
        sparsity: report.sparsity(),
        parameters,
        seed: args.seed,
        epochs,
        finetune_epochs,
        train_images: train.len(),
        report,
    };
    results.save(&args.out)?;
    println!("{}\n\n{results}", results.report);
    println!("\nresults, models and logs are in {}", args.out.display());
    Ok(())
}

/// Prunes single weights, ranked over the whole network, until this fraction is gone.
fn globally(criterion: impl Criterion + 'static, sparsity: f64) -> Pruner {
    Pruner::new(criterion)
        .allocation(Allocation::Global)
        .to_sparsity(sparsity)
}

/// The device of the backend that was chosen by Cargo feature.
fn device() -> Device {
    #[cfg(feature = "wgpu")]
    return Device::wgpu(burn::tensor::DeviceKind::DefaultDevice);
    #[cfg(all(feature = "ndarray", not(feature = "wgpu")))]
    return Device::ndarray();
    #[cfg(not(any(feature = "ndarray", feature = "wgpu")))]
    return Device::flex();
}
