//! Plans of programs that are made by hand, against what they compute one value at a time.

mod choice;
mod copies;
pub(crate) mod naive;
mod pools;
mod program;
mod random;

use burn::tensor::TensorData;
use burn_flex::FlexTensor;

use self::program::{Build, Random, window};
use crate::activation::Activation;
use crate::format::{FormatKind, Precision};
use crate::kernel::ResidualPlace;
use crate::plan::program::{NodeKind, Program};
use crate::run::sizes::Sizes;
use crate::run::step::Work;
use crate::run::{Plan, States, Threads, WeightSet};
use crate::window::{PoolKind, Window};

/// Runs a program at some batch sizes, on states that are used again, and compares.
fn check(program: &Program, batches: &[usize], kind: FormatKind, threads: &[usize]) {
    let packed = program.clone();
    let weights = WeightSet::pack(&packed, Precision::F32, |_, _| kind);
    let states = States::default();
    let mut random = Random::new(77);
    let runs: Vec<(usize, Plan)> = batches
        .iter()
        .map(|&batch| (batch, Plan::new(&packed, &weights, batch).unwrap()))
        .collect();
    for &count in threads {
        let threads = Threads::new(count);
        for (batch, plan) in runs.iter().chain(&runs) {
            let inputs: Vec<Vec<f32>> = program
                .inputs
                .iter()
                .map(|&input| random.values(naive::count(program, input, *batch), 0.2))
                .collect();
            let expected = naive::run(program, *batch, &inputs);
            let sizes = Sizes::new(program, *batch);
            let tensors = program.inputs.iter().zip(&inputs).map(|(&input, data)| {
                let shape = sizes.shape(input).to_vec();
                FlexTensor::from_data(TensorData::new(data.clone(), shape))
            });
            let outputs = states
                .with(|state| {
                    // What other runs have left must not matter.
                    state.arena.fill(f32::NAN);
                    plan.run(state, tensors, &threads)
                })
                .unwrap();
            for ((output, tensor), expected) in program.outputs.iter().zip(outputs).zip(expected) {
                let found = tensor.as_slice::<f32>().unwrap();
                assert_eq!(tensor.layout().shape().to_vec(), sizes.shape(*output));
                close(found, &expected, &format!("batch {batch}, {count} threads"));
            }
        }
    }
}

fn close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        assert!(
            error <= 1e-5 * largest.max(0.1),
            "{what}: value {at} is {found} in the place of {expected}"
        );
    }
}

fn steps(program: &Program, batch: usize) -> Vec<&'static str> {
    let packed = program.clone();
    let weights = WeightSet::pack(&packed, Precision::F32, |_, _| FormatKind::Blocked);
    let plan = Plan::new(&packed, &weights, batch).unwrap();
    plan.steps().iter().map(|step| step.work.name()).collect()
}

/// `784-100-50-10`.
fn perceptron() -> Program {
    let mut build = Build::new(1, 0.8);
    let x = build.input(&[784]);
    let a = build.linear(x, 100, Activation::Relu, None);
    let b = build.linear(a, 50, Activation::Relu, None);
    let c = build.linear(b, 10, Activation::None, None);
    build.output(c);
    build.program
}

/// A stem, two blocks (one with a stride), and a classifier.
fn residual_network() -> Program {
    let mut build = Build::new(2, 0.7);
    let x = build.input(&[3, 32, 32]);
    let relu = Activation::Relu;
    let stem = build.convolution(x, 8, window(7, 2, 3), relu, None);
    let stem = build.pool(stem, PoolKind::Maximum, window(3, 2, 1));
    let a = build.convolution(stem, 8, window(3, 1, 1), relu, None);
    let residual = Some((ResidualPlace::Inside, stem));
    let b = build.convolution(a, 8, window(3, 1, 1), relu, residual);
    let c = build.convolution(b, 16, window(3, 2, 1), relu, None);
    let short = build.convolution(b, 16, window(1, 2, 0), Activation::None, None);
    let residual = Some((ResidualPlace::Inside, short));
    let d = build.convolution(c, 16, window(3, 1, 1), relu, residual);
    let e = build.node(NodeKind::GlobalAverage, &[d], &[16, 1, 1]);
    let e = build.flatten(e);
    let y = build.linear(e, 10, Activation::None, None);
    build.output(y);
    build.program
}

#[test]
fn a_perceptron_computes_what_its_layers_say() {
    for kind in [
        FormatKind::Dense,
        FormatKind::Blocked,
        FormatKind::Blocks4,
        FormatKind::Bitmask,
        FormatKind::Deltas,
        FormatKind::InputRows,
        FormatKind::InputMajor,
    ] {
        check(&perceptron(), &[1, 2, 7, 33], kind, &[1, 2]);
    }
}

#[test]
fn a_perceptron_at_batch_1_reads_its_input_where_it_lies() {
    assert_eq!(
        steps(&perceptron(), 1),
        ["product", "product", "product", "copy"]
    );
}

#[test]
fn a_residual_network_computes_what_its_layers_say() {
    for kind in [FormatKind::Dense, FormatKind::Blocked] {
        check(&residual_network(), &[1, 3, 2], kind, &[1, 2, 4]);
    }
}

#[test]
fn a_residual_network_splits_each_image_into_phases_once_and_copies_nothing() {
    let steps = steps(&residual_network(), 1);
    let count = |name: &str| steps.iter().filter(|step| **step == name).count();
    assert_eq!((count("phases"), count("copy")), (2, 1), "{steps:?}");
}

#[test]
fn grouped_and_depthwise_convolutions_read_their_channels() {
    let mut build = Build::new(7, 0.4);
    let x = build.input(&[8, 10, 9]);
    let grouped = Window {
        groups: 2,
        ..window(3, 2, 1)
    };
    let depthwise = Window {
        groups: 12,
        ..window(5, 1, 2)
    };
    let twice = Window {
        groups: 12,
        dilation: [2, 1],
        ..window(3, 2, 1)
    };
    let a = build.convolution(x, 12, grouped, Activation::Relu, None);
    let b = build.convolution(a, 12, depthwise, Activation::HardSwish, None);
    let c = build.convolution(b, 24, twice, Activation::None, None);
    build.output(c);
    check(&build.program, &[1, 2], FormatKind::Blocked, &[1, 2]);
}

#[test]
fn positions_of_several_axes_are_one_axis() {
    let mut build = Build::new(8, 0.5);
    let x = build.input(&[5, 12]);
    let a = build.linear(x, 20, Activation::Gelu, None);
    let b = build.linear(a, 12, Activation::None, Some((ResidualPlace::Outside, x)));
    let c = build.node(
        NodeKind::Sum {
            activation: Activation::None,
        },
        &[b, x],
        &[5, 12],
    );
    build.output(c);
    build.output(a);
    check(&build.program, &[1, 2, 9], FormatKind::Blocked, &[1, 2]);
}

#[test]
fn the_same_input_gives_the_same_bits_in_each_run_on_any_number_of_threads() {
    let program = residual_network();
    let weights = WeightSet::pack(&program, Precision::F32, |_, _| FormatKind::Blocked);
    let plan = Plan::new(&program, &weights, 5).unwrap();
    let input = Random::new(3).values(5 * 3 * 32 * 32, 0.0);
    let states = States::default();
    let run = |threads: usize| -> Vec<u32> {
        let data = TensorData::new(input.clone(), vec![5, 3, 32, 32]);
        let tensor = FlexTensor::from_data(data);
        let threads = Threads::new(threads);
        let found = states.with(|state| plan.run(state, [tensor], &threads));
        let found = found.unwrap();
        let values = found[0].as_slice::<f32>().unwrap().iter();
        values.map(|value| value.to_bits()).collect()
    };
    let first = run(1);
    for threads in [1, 2, 3, 4, 4, 2] {
        assert_eq!(run(threads), first, "{threads} threads");
    }
}

#[test]
fn more_values_than_offsets_reach_are_an_error() {
    let mut build = Build::new(4, 0.5);
    let x = build.input(&[4096]);
    let y = build.linear(x, 1, Activation::None, None);
    build.output(y);
    let program = build.program;
    let weights = WeightSet::pack(&program, Precision::F32, |_, _| FormatKind::Blocked);
    let most = (1 << 20) - 16;
    assert!(Plan::new(&program, &weights, most).is_ok());
    let error = Plan::new(&program, &weights, most + 1).unwrap_err();
    assert!(error.to_string().contains("4294967296"), "{error}");
}

#[test]
fn several_threads_run_one_plan_at_once() {
    let program = residual_network();
    let packed = program.clone();
    let weights = WeightSet::pack(&packed, Precision::F32, |_, _| FormatKind::Blocked);
    let plan = Plan::new(&packed, &weights, 1).unwrap();
    let states = States::default();
    let threads = Threads::default();
    std::thread::scope(|scope| {
        for seed in 0..8 {
            let (plan, program, states, threads) = (&plan, &program, &states, &threads);
            scope.spawn(move || {
                let mut random = Random::new(seed);
                for _ in 0..20 {
                    let input = random.values(3 * 32 * 32, 0.0);
                    let expected = naive::run(program, 1, std::slice::from_ref(&input));
                    let data = TensorData::new(input, vec![1, 3, 32, 32]);
                    let tensor = FlexTensor::from_data(data);
                    let found = states
                        .with(|state| plan.run(state, [tensor], threads))
                        .unwrap();
                    close(found[0].as_slice::<f32>().unwrap(), &expected[0], "at once");
                }
            });
        }
    });
}

impl Work {
    fn name(&self) -> &'static str {
        match self {
            Self::Product(_) => "product",
            Self::Depthwise(_) => "depthwise",
            Self::Phases(_) => "phases",
            Self::Copy => "copy",
            Self::Transpose => "transpose",
            Self::Flatten { .. } => "flatten",
            _ => "other",
        }
    }
}
