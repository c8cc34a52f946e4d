use super::{Image, Random, check};
use crate::activation::Activation;
use crate::kernel::{
    activate, affine, copy_planes, flatten, multiply, multiply_channels, sum, transpose, unflatten,
};
use crate::layout::Planes;

const CASES: usize = 100;

const ACTIVATIONS: [Activation; 10] = [
    Activation::None,
    Activation::Relu,
    Activation::Clamp {
        low: -0.5,
        high: 1.5,
    },
    Activation::LeakyRelu { slope: 0.1 },
    Activation::Silu,
    Activation::HardSwish,
    Activation::HardSigmoid {
        alpha: 0.2,
        beta: 0.5,
    },
    Activation::Sigmoid,
    Activation::Tanh,
    Activation::Gelu,
];

/// A vector, a matrix with room behind its positions, or images.
fn planes(random: &mut Random) -> Planes {
    let line = |width, row| Planes {
        height: 1,
        width,
        top: 0,
        left: 0,
        row,
        plane: row,
    };
    match random.below(4) {
        0 => line(1, 1),
        1 => line(16, 16),
        2 => line(1 + random.below(40), 48),
        _ => {
            let size = [1 + random.below(5), 1 + random.below(60)];
            random.planes(size, [0, 0])
        }
    }
}

/// Planes of the same size.
fn like(random: &mut Random, planes: Planes) -> Planes {
    let others = random.planes([planes.height, planes.width], [0, 0]);
    random.pick(&[planes, others])
}

fn line(count: usize, values: Vec<f32>) -> Image {
    let width = values.len() / count;
    let planes = Planes {
        height: 1,
        width,
        top: 0,
        left: 0,
        row: width,
        plane: width,
    };
    Image { values, planes }
}

#[test]
fn activations_of_vectors_are_their_formulas() {
    let mut random = Random(13);
    let mut inputs: Vec<f32> = (-1000..1000).map(|i| i as f32 * 0.02).collect();
    inputs.extend(
        (0..400)
            .map(|i| 1e-30 * 1.4f32.powi(i))
            .filter(|x| *x < 1e30),
    );
    inputs.extend([0.0, -0.0, 88.7, -88.7, 1e4, -1e4]);
    for activation in ACTIVATIONS {
        for x in &inputs {
            // In one vector with its negative, and at the end of the line.
            let image = line(1, vec![*x, -*x, *x]);
            let largest = x.abs().min(1.0);
            let out = image.planes;
            let guarded = image.guarded();
            let expected =
                |_: usize, _: usize, column: usize| activation.apply(image.at(0, 0, column));
            // Relative to the result even where it is tiny.
            let scale = expected(0, 0, 0)
                .abs()
                .max(expected(0, 0, 1).abs())
                .clamp(f32::MIN_POSITIVE, 1.0);
            let tolerance = 1e-6 * if scale < largest { largest } else { scale };
            check(
                &mut random,
                1,
                out,
                tolerance,
                expected,
                |simd, guard, range, output| {
                    activate(simd, activation, range, guarded.source(guard), output);
                },
            );
        }
    }
}

#[test]
fn activations_let_through_what_is_not_a_number() {
    let mut random = Random(15);
    for activation in ACTIVATIONS {
        let image = line(1, vec![f32::NAN; 21]);
        let guarded = image.guarded();
        let expected = |_: usize, _: usize, _: usize| f32::NAN;
        check(
            &mut random,
            1,
            image.planes,
            0.0,
            expected,
            |simd, guard, range, output| {
                activate(simd, activation, range, guarded.source(guard), output);
            },
        );
    }
}

#[test]
fn sums_and_products_are_value_by_value() {
    let mut random = Random(17);
    for _ in 0..CASES {
        let count = 1 + random.below(4);
        let out = planes(&mut random);
        let [a, b] = [(); 2].map(|()| {
            let planes = like(&mut random, out);
            random.image(count, planes)
        });
        let (first, second) = (a.guarded(), b.guarded());
        for activation in ACTIVATIONS {
            let expected = |plane: usize, y: usize, x: usize| {
                activation.apply(a.at(plane, y, x) + b.at(plane, y, x))
            };
            check(
                &mut random,
                count,
                out,
                1e-6,
                expected,
                |simd, guard, range, output| {
                    sum(
                        simd,
                        activation,
                        range,
                        first.source(guard),
                        second.source(guard),
                        output,
                    );
                },
            );
        }
        let expected = |plane: usize, y: usize, x: usize| a.at(plane, y, x) * b.at(plane, y, x);
        check(
            &mut random,
            count,
            out,
            0.0,
            expected,
            |simd, guard, range, output| {
                multiply(
                    simd,
                    range,
                    first.source(guard),
                    second.source(guard),
                    output,
                );
            },
        );
    }
}

#[test]
fn channels_have_their_own_scale_and_shift() {
    let mut random = Random(19);
    for _ in 0..CASES {
        let count = 1 + random.below(4);
        let out = planes(&mut random);
        let source = like(&mut random, out);
        let image = random.image(count, source);
        let scale: Vec<f32> = (0..count).map(|_| random.value()).collect();
        let shift: Vec<f32> = (0..count).map(|_| random.value()).collect();
        let activation = random.pick(&ACTIVATIONS);
        let guarded = image.guarded();
        let expected = |plane: usize, y: usize, x: usize| {
            activation.apply(image.at(plane, y, x) * scale[plane] + shift[plane])
        };
        check(
            &mut random,
            count,
            out,
            1e-6,
            expected,
            |simd, guard, range, output| {
                affine(
                    simd,
                    &scale,
                    &shift,
                    activation,
                    range,
                    guarded.source(guard),
                    output,
                );
            },
        );
        let single = random.planes([1, 1], [0, 0]);
        let factors = random.image(count, single);
        let factor = factors.guarded();
        let expected =
            |plane: usize, y: usize, x: usize| image.at(plane, y, x) * factors.at(plane, 0, 0);
        check(
            &mut random,
            count,
            out,
            0.0,
            expected,
            |simd, guard, range, output| {
                multiply_channels(
                    simd,
                    range,
                    guarded.source(guard),
                    factor.source(guard),
                    output,
                );
            },
        );
    }
}

#[test]
fn copies_have_the_same_values_within_other_margins() {
    let mut random = Random(21);
    for _ in 0..CASES {
        let count = 1 + random.below(4);
        let out = planes(&mut random);
        let source = like(&mut random, out);
        let image = random.image(count, source);
        let guarded = image.guarded();
        let expected = |plane: usize, y: usize, x: usize| image.at(plane, y, x);
        check(
            &mut random,
            count,
            out,
            0.0,
            expected,
            |_, guard, range, output| {
                copy_planes(range, guarded.source(guard), output);
            },
        );
    }
}

#[test]
fn transposed_lines_are_planes() {
    let mut random = Random(23);
    for _ in 0..CASES {
        let (lines, width) = (1 + random.below(40), 1 + random.below(50));
        let image = line(lines, (0..lines * width).map(|_| random.value()).collect());
        let row = lines.next_multiple_of(random.pick(&[1, 8, 16]));
        let out = Planes {
            height: 1,
            width: lines,
            top: 0,
            left: 0,
            row,
            plane: row,
        };
        let guarded = image.guarded();
        let expected = |plane: usize, _: usize, x: usize| image.at(x, 0, plane);
        check(
            &mut random,
            width,
            out,
            0.0,
            expected,
            |simd, guard, range, output| {
                transpose(simd, range, guarded.source(guard), output);
            },
        );
    }
}

#[test]
fn images_become_matrices_and_back() {
    let mut random = Random(25);
    for _ in 0..CASES {
        let (images, channels) = (1 + random.below(4), 1 + random.below(4));
        let size = [1 + random.below(4), 1 + random.below(6)];
        let each = size[0] * size[1];
        let within = random.planes(size, [0, 0]);
        // A part of a concatenation has planes of others between its images.
        let image = (channels + random.below(2)) * within.plane;
        let mut all = random.image(images * image / within.plane, within);
        all.values
            .truncate((images - 1) * image + channels * within.plane);
        let row = images.next_multiple_of(random.pick(&[1, 8]));
        let out = Planes {
            height: 1,
            width: images,
            top: 0,
            left: 0,
            row,
            plane: row,
        };
        let guarded = all.guarded();
        let expected = |feature: usize, _: usize, position: usize| {
            let (channel, place) = (feature / each, feature % each);
            let at = within.value(channel, place / size[1], place % size[1]);
            all.values[position * image + at]
        };
        check(
            &mut random,
            channels * each,
            out,
            0.0,
            expected,
            |_, guard, range, output| {
                let channels = range.start / each..range.end / each;
                flatten(channels, images, image, guarded.source(guard), output);
            },
        );
        let matrix = random.image(channels * each, out);
        let wanted = random.below(images);
        let guarded = matrix.guarded();
        let expected = |channel: usize, y: usize, x: usize| {
            matrix.at(channel * each + y * size[1] + x, 0, wanted)
        };
        check(
            &mut random,
            channels,
            within,
            0.0,
            expected,
            |_, guard, range, output| {
                unflatten(range, wanted, guarded.source(guard), output);
            },
        );
    }
}
