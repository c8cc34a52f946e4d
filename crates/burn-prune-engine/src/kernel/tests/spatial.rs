use super::{Random, check};
use crate::activation::Activation;
use crate::kernel::{
    Epilogue, Part, Residual, ResidualPlace, Scratch, Split, depthwise, global_average, phases,
    pool, upsample,
};
use crate::window::{Pool, PoolKind, Window};

const CASES: usize = 150;

#[test]
fn pools_are_those_of_their_windows() {
    let mut random = Random(3);
    let mut scratch = Scratch::new();
    for case in 0..2 * CASES {
        let kernel = [(); 2].map(|()| 1 + random.below(5));
        let kind = [PoolKind::Maximum, PoolKind::Mean, PoolKind::MeanInside][case % 3];
        let ceil = random.pick(&[false, true]);
        let pooling = Pool {
            kind,
            kernel,
            stride: [(); 2].map(|()| 1 + random.below(3)),
            padding: kernel.map(|taps| (random.below(taps / 2 + 1), random.below(taps / 2 + 1))),
            dilation: [if kind == PoolKind::Maximum {
                1 + random.below(2)
            } else {
                1
            }; 2],
            ceil,
        };
        let size = [5 + random.below(9), 5 + random.below(70)];
        let output: Vec<usize> = (0..2)
            .map(|axis| {
                let (before, after) = pooling.padding[axis];
                let reach = (kernel[axis] - 1) * pooling.dilation[axis];
                let room = (size[axis] + before + after).saturating_sub(reach + 1);
                let stride = pooling.stride[axis];
                let more = ceil
                    && !room.is_multiple_of(stride)
                    && (room / stride + 1) * stride < size[axis] + before;
                room / stride + 1 + usize::from(more)
            })
            .collect();
        let count = 1 + random.below(3);
        let planes = random.planes(size, [0, 0]);
        let mut image = random.image(count, planes);
        if case % 7 == 0 {
            let at = planes.value(0, random.below(size[0]), random.below(size[1]));
            image.values[at] = f32::NAN;
        }
        let planes = random.planes([output[0], output[1]], [0, 0]);
        let expected = |plane: usize, y: usize, x: usize| {
            let (mut values, mut counted) = (Vec::new(), 0);
            for ky in 0..kernel[0] {
                for kx in 0..kernel[1] {
                    // In the padded image.
                    let line = y * pooling.stride[0] + ky * pooling.dilation[0];
                    let column = x * pooling.stride[1] + kx * pooling.dilation[1];
                    let [(top, below), (left, right)] = pooling.padding;
                    let is_padded = line < top + size[0] + below && column < left + size[1] + right;
                    let is_inside = (top..top + size[0]).contains(&line)
                        && (left..left + size[1]).contains(&column);
                    if is_inside {
                        values.push(image.at(plane, line - top, column - left));
                    }
                    counted += usize::from(match kind {
                        PoolKind::Mean => is_padded,
                        _ => is_inside,
                    });
                }
            }
            match kind {
                PoolKind::Maximum => values.into_iter().fold(f32::NEG_INFINITY, |a, b| {
                    if a.is_nan() || b.is_nan() {
                        f32::NAN
                    } else {
                        a.max(b)
                    }
                }),
                _ => values.iter().sum::<f32>() / counted.max(1) as f32,
            }
        };
        let guarded = image.guarded();
        check(
            &mut random,
            count,
            planes,
            1e-6,
            expected,
            |simd, guard, range, output| {
                pool(
                    simd,
                    &pooling,
                    range,
                    guarded.source(guard),
                    output,
                    &mut scratch,
                );
            },
        );
    }
}

#[test]
fn a_global_average_is_the_mean_of_a_plane() {
    let mut random = Random(5);
    for _ in 0..CASES {
        let size = [1 + random.below(9), 1 + random.below(40)];
        let count = 1 + random.below(5);
        let planes = random.planes(size, [0, 0]);
        let image = random.image(count, planes);
        let planes = random.planes([1, 1], [0, 0]);
        let expected = |plane: usize, _: usize, _: usize| {
            let mut sum = 0.0;
            for y in 0..size[0] {
                for x in 0..size[1] {
                    sum += f64::from(image.at(plane, y, x));
                }
            }
            (sum / (size[0] * size[1]) as f64) as f32
        };
        let guarded = image.guarded();
        check(
            &mut random,
            count,
            planes,
            1e-6,
            expected,
            |simd, guard, range, output| {
                global_average(simd, range, guarded.source(guard), output);
            },
        );
    }
}

#[test]
fn phases_have_every_value_of_the_image() {
    let mut random = Random(7);
    for _ in 0..CASES {
        let split = Split {
            stride: [(); 2].map(|()| 1 + random.below(3)),
            padding: [(); 2].map(|()| random.below(4)),
            kept: [1, 1],
        };
        let kept = split.stride.map(|stride| 1 + random.below(stride));
        let split = Split { kept, ..split };
        let size = [1 + random.below(9), 1 + random.below(80)];
        let phase = [0, 1].map(|axis| (size[axis] + 4).div_ceil(split.stride[axis]));
        let count = 1 + random.below(3);
        let planes = random.planes(size, [0, 0]);
        let image = random.image(count, planes);
        let planes = random.planes(phase, [0, 0]);
        let each = kept[0] * kept[1];
        let expected = |plane: usize, y: usize, x: usize| {
            let (i, j) = (plane % each / kept[1], plane % kept[1]);
            let line = (y * split.stride[0] + i) as isize - split.padding[0] as isize;
            let column = (x * split.stride[1] + j) as isize - split.padding[1] as isize;
            image.at_or_zero(plane / each, line, column)
        };
        let guarded = image.guarded();
        check(
            &mut random,
            count * each,
            planes,
            0.0,
            expected,
            |simd, guard, range, output| {
                // Phases of a channel are written together.
                let channels = range.start / each..range.end / each;
                phases(simd, &split, channels, guarded.source(guard), output);
            },
        );
    }
}

#[test]
fn upsampling_repeats_the_nearest_value() {
    let mut random = Random(9);
    for _ in 0..CASES {
        let factors = [(); 2].map(|()| 1 + random.below(4));
        let size = [1 + random.below(6), 1 + random.below(20)];
        let count = 1 + random.below(3);
        let planes = random.planes(size, [0, 0]);
        let image = random.image(count, planes);
        let planes = random.planes([size[0] * factors[0], size[1] * factors[1]], [0, 0]);
        let expected =
            |plane: usize, y: usize, x: usize| image.at(plane, y / factors[0], x / factors[1]);
        let guarded = image.guarded();
        check(
            &mut random,
            count,
            planes,
            0.0,
            expected,
            |_, guard, range, output| {
                upsample(factors, range, guarded.source(guard), output);
            },
        );
    }
}

#[test]
fn depthwise_convolutions_are_plain_sums() {
    let mut random = Random(11);
    for case in 0..2 * CASES {
        let kernel = match case % 4 {
            0 => [3, 3],
            1 => [5, 5],
            2 => [7, 7],
            _ => [(); 2].map(|()| 1 + random.below(5)),
        };
        let dilation = [random.pick(&[1, 1, 1, 2]); 2];
        let stride = match case % 3 {
            0 => [1, 1],
            1 => [2, 2],
            _ => [(); 2].map(|()| 1 + random.below(3)),
        };
        let padding = kernel.map(|taps| random.below(taps / 2 + 1).max(taps / 2 * (case % 2)));
        let reach = [0, 1].map(|axis| (kernel[axis] - 1) * dilation[axis]);
        let size = [
            reach[0].max(1) + random.below(12),
            reach[1].max(1) + random.below(60),
        ];
        let out = [0, 1].map(|axis| {
            (size[axis] + 2 * padding[axis]).saturating_sub(reach[axis] + 1) / stride[axis] + 1
        });
        let size =
            [0, 1].map(|axis| size[axis].max((reach[axis] + 1).saturating_sub(2 * padding[axis])));
        let multiplier = random.pick(&[1, 1, 1, 2]);
        let channels = 1 + random.below(3);
        let rows = channels * multiplier;
        let planes = random.planes(size, padding);
        let image = random.image(channels, planes);
        let planes = random.planes(out, [0, 0]);
        let weights: Vec<f32> = (0..rows * kernel[0] * kernel[1])
            .map(|_| {
                if random.below(4) == 0 {
                    0.0
                } else {
                    random.value()
                }
            })
            .collect();
        let bias: Vec<f32> = (0..rows).map(|_| random.value()).collect();
        let like = random.planes(out, [0, 0]);
        let added = random.image(rows, like);
        let place = random.pick(&[
            None,
            Some(ResidualPlace::Inside),
            Some(ResidualPlace::Outside),
        ]);
        let activation = random.pick(&[
            Activation::None,
            Activation::Clamp {
                low: 0.0,
                high: 6.0,
            },
            Activation::Silu,
        ]);
        let expected = |plane: usize, y: usize, x: usize| {
            let mut sum = f64::from(bias[plane]);
            for ky in 0..kernel[0] {
                for kx in 0..kernel[1] {
                    let line = (y * stride[0] + ky * dilation[0]) as isize - padding[0] as isize;
                    let column = (x * stride[1] + kx * dilation[1]) as isize - padding[1] as isize;
                    let weight = weights[(plane * kernel[0] + ky) * kernel[1] + kx];
                    let value = image.at_or_zero(plane / multiplier, line, column);
                    sum += f64::from(weight) * f64::from(value);
                }
            }
            let residual = f64::from(added.at(plane, y, x));
            match place {
                None => activation.apply(sum as f32),
                Some(ResidualPlace::Inside) => activation.apply((sum + residual) as f32),
                Some(ResidualPlace::Outside) => activation.apply(sum as f32) + residual as f32,
            }
        };
        let epilogue = Epilogue {
            bias: &bias,
            activation,
            residual: place.map(|place| Residual {
                values: &added.values,
                planes: like,
                place,
            }),
        };
        let window = Window {
            kernel,
            stride,
            padding: padding.map(|padding| (padding, padding)),
            dilation,
            groups: channels,
        };
        let guarded = image.guarded();
        let cut = random.below(out[0] + 1);
        check(
            &mut random,
            rows,
            planes,
            1e-6,
            expected,
            |simd, guard, rows, output| {
                for lines in [0..cut, cut..out[0]] {
                    let part = Part {
                        rows: rows.clone(),
                        lines,
                    };
                    let source = guarded.source(guard);
                    depthwise(
                        simd, &window, &weights, multiplier, &part, source, &epilogue, output,
                    );
                }
            },
        );
    }
}
