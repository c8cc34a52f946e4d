//! Which formats are chosen, and what a plan says about itself.

use super::program::Build;
use super::{Random, close, naive, perceptron, residual_network};
use crate::activation::Activation;
use crate::error::EngineError;
use crate::format::{FormatKind, Precision};
use crate::plan::choice::{self, Choosing, FormatChoice};
use crate::plan::program::{NodeKind, Program};
use crate::plan::report::{PlanReport, Runner};
use crate::run::sizes::Sizes;
use crate::run::{Plan, States, Threads, WeightSet};
use burn::tensor::TensorData;
use burn_flex::FlexTensor;

fn inputs(program: &Program, batch: usize) -> (Vec<Vec<f32>>, Vec<FlexTensor>) {
    let mut random = Random::new(5);
    let sizes = Sizes::new(program, batch);
    let values: Vec<Vec<f32>> = program
        .inputs
        .iter()
        .map(|&input| random.values(naive::count(program, input, batch), 0.0))
        .collect();
    let tensors = program.inputs.iter().zip(&values).map(|(&input, values)| {
        let data = TensorData::new(values.clone(), sizes.shape(input).to_vec());
        FlexTensor::from_data(data)
    });
    let tensors = tensors.collect();
    (values, tensors)
}

fn pack(program: &mut Program, choosing: &Choosing) -> Result<WeightSet, EngineError> {
    let (_, tensors) = inputs(program, program.batches.example);
    let threads = Threads::new(1);
    choice::pack(program, choosing, Precision::F32, tensors, &threads)
}

fn table() -> Choosing {
    Choosing {
        choice: FormatChoice::Table,
        formats: Vec::new(),
    }
}

fn formats(program: &Program, weights: &WeightSet) -> Vec<Option<FormatKind>> {
    let nodes = (0..program.nodes.len()).filter_map(|node| weights.node(node));
    nodes.map(|weights| weights.format()).collect()
}

#[test]
fn a_measured_plan_computes_the_same_and_keeps_no_dense_weights() {
    for program in [perceptron(), residual_network()] {
        let mut packed = program.clone();
        let weights = pack(&mut packed, &Choosing::default()).unwrap();
        for node in &packed.nodes {
            if let NodeKind::Product(product) = &node.kind {
                assert!(product.weight.values.is_empty());
            }
        }
        for batch in [1, 4] {
            let (values, tensors) = inputs(&program, batch);
            let plan = Plan::new(&packed, &weights, batch).unwrap();
            let threads = Threads::new(2);
            let found = States::default().with(|state| plan.run(state, tensors, &threads));
            let expected = naive::run(&program, batch, &values);
            close(
                found.unwrap()[0].as_slice::<f32>().unwrap(),
                &expected[0],
                "measured",
            );
        }
    }
}

#[test]
fn the_table_looks_at_zeros_and_blocks_only() {
    let mut build = Build::new(1, 0.0);
    let x = build.input(&[64]);
    let mut y = x;
    for zeros in [0.0, 0.2, 0.5, 0.9, 1.0] {
        build.zeros = zeros;
        y = build.linear(y, 64, Activation::Relu, None);
    }
    build.output(y);
    let mut program = build.program;
    let weights = pack(&mut program, &table()).unwrap();
    let (dense, blocked) = (Some(FormatKind::Dense), Some(FormatKind::Blocked));
    assert_eq!(
        formats(&program, &weights),
        [dense, dense, blocked, blocked, blocked]
    );
}

#[test]
fn whole_blocks_of_four_rows_share_their_indices() {
    let mut build = Build::new(2, 0.0);
    let x = build.input(&[32]);
    let y = build.linear(x, 32, Activation::None, None);
    build.output(y);
    let mut program = build.program;
    if let NodeKind::Product(product) = &mut program.nodes[0].kind {
        let weight = std::sync::Arc::get_mut(&mut product.weight).unwrap();
        for (at, value) in weight.values.iter_mut().enumerate() {
            if (at / 32 / 4 + at % 32) % 5 != 0 {
                *value = 0.0;
            }
        }
    }
    let weights = pack(&mut program, &table()).unwrap();
    assert_eq!(formats(&program, &weights), [Some(FormatKind::Blocks4)]);
}

#[test]
fn the_caller_chooses_formats_by_path() {
    for choice in [FormatChoice::Table, FormatChoice::Measured] {
        let mut program = perceptron();
        let choosing = Choosing {
            choice,
            formats: vec![
                ("weight 0".to_string(), FormatKind::Blocked),
                ("weight 1".to_string(), FormatKind::Dense),
                ("weight 0".to_string(), FormatKind::Dense),
                ("weight 1".to_string(), FormatKind::Blocked),
            ],
        };
        let weights = pack(&mut program, &choosing).unwrap();
        let (dense, blocked) = (Some(FormatKind::Dense), Some(FormatKind::Blocked));
        assert_eq!(formats(&program, &weights)[..2], [dense, blocked]);
    }
}

#[test]
fn a_path_that_is_no_weight_is_an_error() {
    let choosing = Choosing {
        choice: FormatChoice::Table,
        formats: vec![("weight 9".to_string(), FormatKind::Dense)],
    };
    let error = pack(&mut perceptron(), &choosing).unwrap_err();
    assert!(error.to_string().contains("`weight 9`"), "{error}");
}

#[test]
fn a_plan_says_what_it_does() {
    let mut program = residual_network();
    let weights = pack(&mut program, &table()).unwrap();
    let plan = Plan::new(&program, &weights, 2).unwrap();
    let report = PlanReport::new(&program, &plan, &weights, 2);
    // 8 x 16² of 7x7x3; 2 x 8 x 8² of 3x3x8; 16 x 4² of 3x3x8, 1x1x8 and 3x3x16; 10 x 16.
    let each = 8 * 256 * 147 + 2 * 8 * 64 * 72 + 16 * 16 * (72 + 8 + 144) + 160;
    assert_eq!(report.multiply_adds(), 2 * each);
    assert_eq!((report.engine_share(), report.border_crossings), (1.0, 2));
    assert!(
        report
            .steps
            .iter()
            .all(|step| step.runner == Runner::Engine)
    );
    let first = report.steps.iter().find_map(|step| step.weight).unwrap();
    assert_eq!(first.dense_bytes, 8 * 147 * 4);
    assert!((first.sparsity - 0.7).abs() < 0.05 && first.gain.is_none());
    let text = report.to_string();
    for part in [
        "convolution 7x7/2",
        "max pool 3x3/2",
        "2x8x16x16",
        "100.00%",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_convolution_of_one_position_reads_its_window() {
    let mut build = Build::new(3, 0.6);
    let x = build.input(&[8, 1, 1]);
    let relu = Activation::Relu;
    let y = build.convolution(x, 16, super::window(3, 1, 1), relu, None);
    let y = build.convolution(y, 8, super::window(3, 1, 1), relu, None);
    build.output(y);
    let mut packed = build.program.clone();
    let weights = pack(&mut packed, &Choosing::default()).unwrap();
    let (values, tensors) = inputs(&build.program, 1);
    let plan = Plan::new(&packed, &weights, 1).unwrap();
    let found = States::default().with(|state| plan.run(state, tensors, &Threads::new(1)));
    let expected = naive::run(&build.program, 1, &values);
    close(
        found.unwrap()[0].as_slice::<f32>().unwrap(),
        &expected[0],
        "one position",
    );
}
