//! Programs of random nodes.

use super::check;
use super::program::{Build, output_size};
use crate::activation::Activation;
use crate::format::FormatKind;
use crate::kernel::ResidualPlace;
use crate::plan::program::{NodeKind, Program, ValueId};
use crate::window::{PoolKind, Window};

/// Images, and matrices made of them, by nodes that read any of what is there.
fn random_program(seed: u64) -> Program {
    let zeros = [0.0, 0.5, 0.9, 1.0][seed as usize % 4];
    let mut build = Build::new(seed, zeros);
    let size = [1 + build.random.below(12), 1 + build.random.below(12)];
    let channels = 1 + build.random.below(6);
    let mut images = vec![build.input(&[channels, size[0], size[1]])];
    let mut matrices = Vec::new();
    for _ in 0..4 + build.random.below(12) {
        let x = images[build.random.below(images.len())];
        let sizes = build.sizes(x);
        let activation = activation(&mut build);
        match build.random.below(10) {
            0..=3 => {
                let window = random_window(&mut build, sizes[0]);
                if output_size(&window, 0, sizes[1]) == 0 || output_size(&window, 1, sizes[2]) == 0
                {
                    continue;
                }
                let rows = window.groups * (1 + build.random.below(5));
                let shape = [
                    rows,
                    output_size(&window, 0, sizes[1]),
                    output_size(&window, 1, sizes[2]),
                ];
                let residual = alike(&build, &images, &shape).map(|r| (ResidualPlace::Inside, r));
                images.push(build.convolution(x, rows, window, activation, residual));
            }
            4 => {
                let window = Window {
                    padding: [(1, 1); 2],
                    dilation: [1, 1],
                    kernel: [3, 3],
                    groups: 1,
                    ..random_window(&mut build, 1)
                };
                let kinds = [PoolKind::Maximum, PoolKind::Mean, PoolKind::MeanInside];
                let kind = kinds[build.random.below(3)];
                images.push(build.pool(x, kind, window));
            }
            5 => {
                let all: Vec<ValueId> = images
                    .iter()
                    .copied()
                    .filter(|&y| build.sizes(y)[1..] == sizes[1..])
                    .take(3)
                    .collect();
                images.push(build.concatenate(&all));
            }
            6 if sizes[0] > 1 => {
                let first = build.random.below(sizes[0]);
                let count = 1 + build.random.below(sizes[0] - first);
                images.push(build.channels(x, first, count));
            }
            7 => {
                let b = alike(&build, &images, &sizes).unwrap();
                let kind = if build.random.one_in(2) {
                    NodeKind::Multiply
                } else {
                    NodeKind::Sum { activation }
                };
                images.push(build.node(kind, &[x, b], &sizes));
            }
            8 => {
                let factors = [1 + build.random.below(2), 1 + build.random.below(3)];
                let shape = [sizes[0], sizes[1] * factors[0], sizes[2] * factors[1]];
                images.push(build.node(NodeKind::Upsample { factors }, &[x], &shape));
                let average = build.node(NodeKind::GlobalAverage, &[x], &[sizes[0], 1, 1]);
                images.push(build.node(NodeKind::Multiply, &[x, average], &sizes));
            }
            _ => {
                let flat = build.flatten(x);
                let rows = 1 + build.random.below(9);
                let a = build.linear(flat, rows, activation, None);
                matrices.push(build.linear(a, 3, Activation::None, None));
            }
        }
    }
    let last = *images.last().unwrap();
    build.output(last);
    for matrix in matrices {
        build.output(matrix);
    }
    build.program
}

fn alike(build: &Build, images: &[ValueId], sizes: &[usize]) -> Option<ValueId> {
    let found = images.iter().find(|&&image| build.sizes(image) == sizes);
    found.copied()
}

fn activation(build: &mut Build) -> Activation {
    [
        Activation::None,
        Activation::Relu,
        Activation::Tanh,
        Activation::HardSigmoid {
            alpha: 0.2,
            beta: 0.5,
        },
    ][build.random.below(4)]
}

fn random_window(build: &mut Build, channels: usize) -> Window {
    let random = &mut build.random;
    let divisors: Vec<usize> = (1..=channels)
        .filter(|d| channels.is_multiple_of(*d))
        .collect();
    Window {
        kernel: [1 + random.below(4), 1 + random.below(4)],
        stride: [1 + random.below(3), 1 + random.below(3)],
        padding: [
            (random.below(3), random.below(3)),
            (random.below(3), random.below(3)),
        ],
        dilation: [1 + random.below(2), 1 + random.below(2)],
        groups: divisors[random.below(divisors.len())],
    }
}

#[test]
fn random_programs_compute_what_their_nodes_say() {
    for seed in 0..300 {
        let program = random_program(seed);
        let kinds = [FormatKind::Blocked, FormatKind::Dense, FormatKind::Blocks4];
        let kind = kinds[seed as usize % 3];
        check(&program, &[1, 3], kind, &[1 + seed as usize % 3]);
    }
}
