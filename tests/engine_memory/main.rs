//! What an engine needs of memory. A binary of its own: its allocator counts.

#![allow(unsafe_code, reason = "a global allocator is unsafe")]

mod counting;
mod models;

use std::sync::{Mutex, PoisonError};

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use burn_prune_engine::SparseEngine;
use examples_shared::nets::convolutional::Mlp;
use examples_shared::nets::efficientnet_lite0::EfficientNetLite0;
use examples_shared::nets::residual::ResNet18;

use counting::{Counting, allocations, live, peak};
use models::{Chain, only, pruned};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test at a time: they all count the same bytes.
static ALONE: Mutex<()> = Mutex::new(());

fn ramp<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    let values = (0..shape.iter().product()).map(|index| ((index % 97) as f32 - 48.0) / 48.0);
    let data = TensorData::new(values.collect::<Vec<f32>>(), shape);
    Tensor::from_data(data, &Device::flex())
}

struct Memory {
    /// Bytes of the dense weights.
    dense: usize,
    /// Bytes that are left when the model is gone.
    resident: usize,
    /// The most that compiling took beside the model.
    peak: usize,
}

/// Compiles a model that `make` makes, and drops it.
fn memory<M: Module>(
    make: impl Fn() -> M,
    example: impl Fn() -> Tensor<4>,
    forward: impl Fn(&M, Tensor<4>) -> Tensor<2>,
) -> Memory {
    // What Burn keeps after its first use is not the engine's.
    drop(compile(&make(), example(), &forward));
    let before = live();
    let model = make();
    let dense = 4 * model.num_params();
    let with_model = live();
    let (engine, peak) = peak(|| compile(&model, example(), &forward));
    drop(model);
    let resident = live() - before;
    drop(engine);
    Memory {
        dense,
        resident,
        peak: peak - with_model,
    }
}

fn compile<M: Module>(
    model: &M,
    example: Tensor<4>,
    forward: impl Fn(&M, Tensor<4>) -> Tensor<2>,
) -> SparseEngine<Tensor<4>, Tensor<2>> {
    let builder = SparseEngine::builder().threads(1);
    builder.compile(model, example, forward).unwrap()
}

/// A few steps more are taken at the first runs.
const WARM: usize = 3;

#[test]
fn an_engine_keeps_a_fraction_of_the_dense_weights() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let image = || ramp([1, 3, 64, 64]);
    let resnet = || {
        let model = ResNet18::new(64, 1000, &Device::flex());
        pruned(model, 0.9, |path, rank| {
            rank == 4 && !path.starts_with("stem")
        })
    };
    let found = memory(resnet, image, ResNet18::forward);
    let share = found.resident as f64 / found.dense as f64;
    println!("ResNet-18: {share:.3} of the dense weights");
    assert!(share <= 0.20, "{share}");
    let most = found.peak as f64 / found.dense as f64;
    println!("ResNet-18: {most:.2} at most while it is compiled");
    assert!(most <= 3.0, "{most}");
    let efficient = || {
        let model = EfficientNetLite0::new(&Device::flex());
        pruned(model, 0.9, only_pointwise)
    };
    let found = memory(efficient, image, EfficientNetLite0::forward);
    let share = found.resident as f64 / found.dense as f64;
    println!("EfficientNet-Lite0: {share:.3} of the dense weights");
    assert!(share <= 0.25, "{share}");
    let most = found.peak as f64 / found.dense as f64;
    println!("EfficientNet-Lite0: {most:.2} at most while it is compiled");
    assert!(most <= 3.0, "{most}");
}

/// The 1x1 convolutions and the classifier.
fn only_pointwise(path: &str, rank: usize) -> bool {
    only(path, &["expand", "project", "head", "fc"]) && rank > 1
}

#[test]
fn a_longer_chain_allocates_no_more_than_a_short_one() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let counts = [2, 12].map(|depth| {
        let model = Chain::new(depth, &Device::flex());
        let model = pruned(model, 0.9, |_, rank| rank > 1);
        let input = ramp([2, 3, 15, 15]);
        let builder = SparseEngine::builder().threads(1);
        let engine = builder
            .compile(&model, input.clone(), Chain::forward)
            .unwrap();
        for _ in 0..WARM {
            engine.run(input.clone()).unwrap();
        }
        let (_, count) = allocations(|| engine.run(input).unwrap());
        count
    });
    assert_eq!(counts[0], counts[1], "the difference is in the chain");
}

#[test]
fn a_thousand_runs_give_the_same_outputs_in_the_same_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let model = Mlp::new(&[784, 300, 100, 10], &Device::flex());
    let model = pruned(model, 0.9, |_, rank| rank > 1);
    let chain = pruned(Chain::new(4, &Device::flex()), 0.9, |_, rank| rank > 1);
    let engine = SparseEngine::compile(&model, ramp([1, 784]), Mlp::forward).unwrap();
    let images = SparseEngine::compile(&chain, ramp([1, 3, 15, 15]), Chain::forward).unwrap();
    let run = |batch| {
        let vectors = engine.run(ramp([batch, 784])).unwrap().into_data();
        (
            vectors,
            images.run(ramp([batch, 3, 15, 15])).unwrap().into_data(),
        )
    };
    let batches = [1, 4];
    let expected = batches.map(run);
    for _ in 0..WARM {
        let _warm = batches.map(run);
    }
    let before = live();
    for _ in 0..500 {
        let found = batches.map(run);
        assert_eq!(found, expected);
    }
    let grown = live().saturating_sub(before);
    assert!(grown < 4096, "{grown} bytes more than before");
}
