//! What lies where it is read at once, and what has to be copied.

use super::program::{Build, window};
use super::{check, steps};
use crate::activation::Activation;
use crate::format::{FormatKind, Precision};
use crate::kernel::ResidualPlace;
use crate::plan::program::NodeKind;
use crate::run::step::Work;
use crate::run::{Plan, WeightSet};
use crate::window::Window;

#[test]
fn parts_of_a_concatenation_are_written_in_place() {
    let mut build = Build::new(3, 0.5);
    let x = build.input(&[4, 9, 11]);
    let relu = Activation::Relu;
    let mut all = build.convolution(x, 6, window(3, 1, 1), relu, None);
    for _ in 0..4 {
        let channels = build.sizes(all)[0];
        let scale = build.random.values(channels, 0.0);
        let shift = build.random.values(channels, 0.0);
        let sizes = build.sizes(all);
        let normed = build.node(
            NodeKind::Affine {
                scale,
                shift,
                activation: relu,
            },
            &[all],
            &sizes,
        );
        let new = build.convolution(normed, 3, window(3, 1, 1), Activation::None, None);
        all = build.concatenate(&[all, new]);
    }
    build.output(all);
    check(&build.program, &[1, 2, 5], FormatKind::Blocked, &[1, 3]);
    let steps = steps(&build.program, 2);
    let copies = steps.iter().filter(|step| **step == "copy").count();
    // The input into planes with a margin, and the output.
    assert_eq!(copies, 2, "{steps:?}");
}

#[test]
fn slices_that_are_concatenated_again_stay_where_they_are() {
    // C2f: halves of a convolution, and what is computed from the second one.
    let mut build = Build::new(4, 0.5);
    let x = build.input(&[4, 8, 8]);
    let silu = Activation::Silu;
    let both = build.convolution(x, 12, window(1, 1, 0), silu, None);
    let first = build.channels(both, 0, 6);
    let second = build.channels(both, 6, 6);
    let a = build.convolution(second, 6, window(3, 1, 1), silu, None);
    let residual = Some((ResidualPlace::Outside, second));
    let a = build.convolution(a, 6, window(3, 1, 1), silu, residual);
    let b = build.convolution(a, 6, window(3, 1, 1), silu, None);
    let b = build.convolution(b, 6, window(3, 1, 1), silu, None);
    let all = build.concatenate(&[first, second, a, b]);
    let y = build.convolution(all, 5, window(1, 1, 0), silu, None);
    build.output(y);
    check(&build.program, &[1, 2], FormatKind::Blocked, &[1, 2]);
    let steps = steps(&build.program, 1);
    let copies = steps.iter().filter(|step| **step == "copy").count();
    assert_eq!(copies, 2, "{steps:?}");
}

#[test]
fn one_value_twice_in_a_concatenation_is_copied() {
    let mut build = Build::new(5, 0.5);
    let x = build.input(&[2, 4, 4]);
    let a = build.convolution(x, 3, window(3, 1, 1), Activation::None, None);
    let b = build.concatenate(&[a, a, x]);
    let c = build.concatenate(&[b, a]);
    let d = build.convolution(c, 3, window(3, 1, 1), Activation::None, None);
    build.output(d);
    build.output(b);
    check(&build.program, &[1, 3], FormatKind::Blocked, &[1, 2]);
}

#[test]
fn images_without_margin_are_flattened_without_a_copy() {
    let mut build = Build::new(6, 0.5);
    let x = build.input(&[3, 9, 9]);
    let a = build.convolution(x, 5, window(3, 1, 0), Activation::Relu, None);
    let b = build.flatten(a);
    let y = build.linear(b, 4, Activation::None, None);
    build.output(y);
    check(&build.program, &[1, 2, 20], FormatKind::Blocked, &[1, 2]);
    assert_eq!(
        steps(&build.program, 1),
        ["copy", "product", "product", "copy"]
    );
    assert!(steps(&build.program, 2).contains(&"flatten"));
}

#[test]
fn strided_readers_of_one_image_with_other_paddings_share_its_phases() {
    let mut build = Build::new(9, 0.5);
    let x = build.input(&[3, 11, 13]);
    let none = Activation::None;
    let outputs = [
        window(3, 2, 1),
        window(1, 2, 0),
        window(5, 2, 2),
        window(2, 2, 0),
        window(3, 3, 1),
    ]
    .map(|window| build.convolution(x, 4, window, none, None));
    for output in outputs {
        build.output(output);
    }
    check(&build.program, &[1, 2], FormatKind::Blocked, &[1]);
    let steps = steps(&build.program, 1);
    let phases = steps.iter().filter(|step| **step == "phases").count();
    assert_eq!(phases, 2, "{steps:?}");
}

#[test]
fn a_tensor_that_is_only_split_is_read_where_it_lies() {
    let mut build = Build::new(10, 0.5);
    let x = build.input(&[3, 16, 16]);
    let y = build.convolution(x, 4, window(7, 2, 3), Activation::None, None);
    build.output(y);
    assert_eq!(steps(&build.program, 4), ["phases", "product", "copy"]);
    check(&build.program, &[1, 4], FormatKind::Dense, &[1, 2]);
}

#[test]
fn what_a_convolution_reads_and_writes_has_lines_of_one_length() {
    let mut build = Build::new(11, 0.5);
    let x = build.input(&[3, 14, 14]);
    let none = Activation::None;
    // Of a mobile network: 1x1, 5x5 a channel, 1x1.
    let a = build.convolution(x, 4, window(1, 1, 0), none, None);
    let b = build.convolution(a, 8, window(1, 1, 0), none, None);
    let depthwise = Window {
        groups: 8,
        ..window(5, 1, 2)
    };
    let c = build.convolution(b, 8, depthwise, none, None);
    let residual = Some((ResidualPlace::Outside, a));
    let d = build.convolution(c, 4, window(1, 1, 0), none, residual);
    build.output(d);
    let weights = WeightSet::pack(&build.program, Precision::F32, |_, _| FormatKind::Blocked);
    let plan = Plan::new(&build.program, &weights, 1).unwrap();
    for step in plan.steps() {
        if let Work::Product(_) = step.work {
            assert_eq!(step.reads[0].planes().row, 16);
            assert_eq!(step.write.planes().row, 16);
        }
    }
    check(&build.program, &[1, 2], FormatKind::Blocked, &[1]);
}

#[test]
fn features_become_planes() {
    let mut build = Build::new(12, 0.5);
    let x = build.input(&[7]);
    let a = build.linear(x, 4 * 15, Activation::Relu, None);
    let a = build.node(NodeKind::Reshape, &[a], &[4, 3, 5]);
    let y = build.convolution(a, 3, window(3, 1, 1), Activation::None, None);
    build.output(y);
    check(&build.program, &[1, 2, 17], FormatKind::Blocked, &[1, 2]);
}
