//! Small models, and the programs that they become. A naive executor computes these; Burn's outputs are
//! what is expected.

mod dead;
mod forms;
mod fusion;

use burn::module::{Module, Param, RunningState};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::{Device, Distribution, Tensor};
use burn_prune_deploy::Capture;

use super::lower;
use crate::error::EngineError;
use crate::plan::program::{NodeKind, Program};
use crate::run::tests::naive;

pub(super) fn device() -> Device {
    Device::flex()
}

pub(super) fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), &device())
}

pub(super) fn conv(channels: [usize; 2], kernel: usize, padding: usize) -> Conv2d {
    let padding = PaddingConfig2d::Explicit(padding, padding, padding, padding);
    let config = Conv2dConfig::new(channels, [kernel; 2]).with_padding(padding);
    config.init(&device())
}

/// A norm with statistics as after training.
pub(super) fn norm(channels: usize) -> BatchNorm {
    let values =
        |low, high| Tensor::<1>::random([channels], Distribution::Uniform(low, high), &device());
    let mut norm = BatchNormConfig::new(channels).init(&device());
    norm.gamma = Param::from_tensor(values(0.5, 1.5));
    norm.beta = Param::from_tensor(values(-0.5, 0.5));
    norm.running_mean = RunningState::new(values(-0.5, 0.5));
    norm.running_var = RunningState::new(values(0.5, 2.0));
    norm
}

pub(super) fn try_lowered<M: Module, const A: usize, const B: usize>(
    model: &M,
    example: Tensor<A>,
    forward: impl Fn(&M, Tensor<A>) -> Tensor<B>,
) -> Result<Program, EngineError> {
    let mut capture = Capture::of(model, example, forward)?;
    lower(&mut capture)
}

/// The program of a model whose nodes are all ours, when it computes what the model does, with one
/// row, as the example has, and with three.
pub(super) fn lowered<M: Module, const A: usize, const B: usize>(
    model: &M,
    shape: [usize; A],
    forward: impl Fn(&M, Tensor<A>) -> Tensor<B>,
) -> Program {
    let program = try_lowered(model, random(shape), &forward).unwrap();
    let mut batches = vec![shape[0]];
    if program.batches.other.is_ok() {
        batches.push(3 * shape[0]);
    }
    for batch in batches {
        let mut shape = shape;
        shape[0] = batch;
        let x = random(shape);
        let expected = floats(forward(&model.valid(), x.clone()));
        let found = naive::run(&program, batch, &[floats(x)]);
        assert_eq!(found[0].len(), expected.len());
        let largest = expected
            .iter()
            .fold(0.0f32, |most, value| most.max(value.abs()));
        for (found, expected) in found[0].iter().zip(&expected) {
            assert!(
                (found - expected).abs() <= 1e-5 * largest,
                "{found} instead of {expected} with a batch of {batch}"
            );
        }
    }
    program
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// What the nodes are, in their order.
pub(super) fn kinds(program: &Program) -> Vec<&'static str> {
    let kind = |kind: &NodeKind| match kind {
        NodeKind::Product(_) => "product",
        NodeKind::Pool(_) => "pool",
        NodeKind::GlobalAverage => "average",
        NodeKind::Upsample { .. } => "upsample",
        NodeKind::Concatenate => "concatenate",
        NodeKind::Channels { .. } => "channels",
        NodeKind::Reshape => "reshape",
        NodeKind::Activation(_) => "activation",
        NodeKind::Sum { .. } => "sum",
        NodeKind::Multiply => "multiply",
        NodeKind::Affine { .. } => "affine",
        NodeKind::Burn { .. } => "burn",
    };
    program.nodes.iter().map(|node| kind(&node.kind)).collect()
}

pub(super) fn product(program: &Program, at: usize) -> &crate::plan::program::Product {
    match &program.nodes[at].kind {
        NodeKind::Product(product) => product,
        other => panic!("{other:?}"),
    }
}
