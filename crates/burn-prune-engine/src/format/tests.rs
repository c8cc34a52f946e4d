//! Products of every format against plain sums in `f64`, over random shapes.

use super::{FormatKind, Packed, Precision, WeightMatrix};
use crate::activation::Activation;
use crate::kernel::guarded::Guarded;
use crate::kernel::{Epilogue, Input, Output, Part, Residual, ResidualPlace, SLACK, Scratch, Simd};
use crate::layout::Planes;

/// Xorshift.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() >> 20) as usize % end
    }

    /// In [-1, 1).
    pub(super) fn value(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// A product with everything that belongs to it.
#[derive(Debug)]
struct Case {
    weight: Vec<f32>,
    rows: usize,
    columns: usize,
    kernel: [usize; 2],
    x: Vec<f32>,
    offsets: Vec<u32>,
    input_row: usize,
    bias: Vec<f32>,
    activation: Activation,
    residual: Option<(Vec<f32>, Planes, ResidualPlace)>,
    planes: Planes,
}

impl Case {
    fn linear(random: &mut Random) -> Self {
        let positions = match random.below(6) {
            0 => 128,
            1 => 256,
            _ => 1 + random.below(70),
        };
        let columns = 1 + random.below(600);
        let row = positions.next_multiple_of(random.pick(&[1, 8, 16]));
        let offsets = (0..columns).map(|column| (column * row) as u32).collect();
        Self::with_input(random, offsets, [1, 1], columns * row, row, [1, positions])
    }

    fn convolution(random: &mut Random) -> Self {
        let [channels, height, width] = [24, 12, 40].map(|end| 1 + random.below(end));
        let kernel = random.pick(&[[1, 1], [3, 3], [5, 5], [1, 3]]);
        let dilation = random.pick(&[1, 1, 2]);
        let reach = kernel.map(|taps| (taps - 1) * dilation);
        // Margins that are needed for outputs as large as inputs, or more.
        let extra = random.pick(&[0, 0, 1, 3]);
        let [top, left] = reach.map(|reach| reach / 2 + extra);
        let row = left + width + random.pick(&[0, 0, 1, 5]);
        // What is to the right of a line is the margin of the next one.
        // All positions of a line are before those of the next one.
        let row = row.max(width + reach[1]);
        let plane = (top + height + reach[0]) * row + random.below(20);
        let mut offsets = Vec::new();
        for channel in 0..channels {
            for y in 0..kernel[0] {
                for x in 0..kernel[1] {
                    let line = top - reach[0] / 2 + y * dilation;
                    let column = left - reach[1] / 2 + x * dilation;
                    offsets.push((channel * plane + line * row + column) as u32);
                }
            }
        }
        let values = channels * plane + reach[0] * row;
        Self::with_input(random, offsets, kernel, values, row, [height, width])
    }

    fn with_input(
        random: &mut Random,
        offsets: Vec<u32>,
        kernel: [usize; 2],
        values: usize,
        input_row: usize,
        size: [usize; 2],
    ) -> Self {
        let (rows, columns) = (4 * (1 + random.below(12)), offsets.len());
        let rows = rows - random.pick(&[0, 0, 1, 2, 3]);
        let density = random.pick(&[0.0, 0.02, 0.1, 0.3, 1.0]);
        let mut weight = Vec::new();
        for _ in 0..rows {
            let density = density * random.pick(&[0.0, 0.5, 1.0, 1.0, 4.0]);
            weight.extend((0..columns).map(|_| {
                let is_kept = random.value().abs() < density;
                if is_kept { random.value() } else { 0.0 }
            }));
        }
        let planes = Self::planes(random, size, input_row);
        let residual = random.pick(&[
            None,
            Some(ResidualPlace::Inside),
            Some(ResidualPlace::Outside),
        ]);
        let residual = residual.map(|place| {
            let other = Self::planes(random, size, input_row);
            let like = random.pick(&[planes, other]);
            let values = (0..rows * like.plane).map(|_| random.value()).collect();
            (values, like, place)
        });
        let activation = random.pick(&[
            Activation::None,
            Activation::Relu,
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
        ]);
        Self {
            weight,
            rows,
            columns,
            kernel,
            x: (0..values + SLACK).map(|_| random.value()).collect(),
            offsets,
            input_row,
            bias: (0..rows).map(|_| random.value()).collect(),
            activation,
            residual,
            planes,
        }
    }

    fn planes(random: &mut Random, [height, width]: [usize; 2], input_row: usize) -> Planes {
        let [top, left] = [(); 2].map(|()| random.below(3));
        let row = if random.below(2) == 0 {
            input_row.max(left + width)
        } else {
            left + width + random.below(4)
        };
        Planes {
            height,
            width,
            top,
            left,
            row,
            plane: (top + height) * row + random.pick(&[0, 1, row]),
        }
    }

    /// Row by row and value by value, in `f64`, with the margin as zeros.
    fn expected(&self, weight: &Packed) -> (Vec<f32>, Vec<f32>) {
        let planes = self.planes;
        let mut expected = vec![0.0; self.rows * planes.plane];
        let mut tolerance = vec![0.0; self.rows * planes.plane];
        for row in 0..self.rows {
            for line in 0..planes.height {
                for at in 0..planes.width {
                    let position = line * self.input_row + at;
                    let (mut sum, mut size) = (f64::from(self.bias[row]), 1.0);
                    weight.each(row, &mut |column, value| {
                        let x = self.x[self.offsets[column] as usize + position];
                        sum += f64::from(value) * f64::from(x);
                        size += f64::from((value * x).abs());
                    });
                    let residual = self.residual.as_ref().map(|(values, planes, place)| {
                        (values[planes.value(row, line, at)], *place)
                    });
                    let result = match residual {
                        None => self.activation.apply(sum as f32),
                        Some((added, ResidualPlace::Inside)) => {
                            self.activation.apply((sum + f64::from(added)) as f32)
                        }
                        Some((added, ResidualPlace::Outside)) => {
                            self.activation.apply(sum as f32) + added
                        }
                    };
                    let index = planes.value(row, line, at);
                    expected[index] = result;
                    tolerance[index] = size as f32 * 1e-6;
                }
            }
        }
        (expected, tolerance)
    }

    /// In parts of rows and lines, between protected pages.
    fn run(
        &self,
        weight: &Packed,
        simd: Simd,
        random: &mut Random,
        scratch: &mut Scratch,
    ) -> Guarded {
        let guard = random.pick(&Guarded::BOTH);
        let x = Guarded::new(&self.x, guard);
        let garbage = vec![f32::NAN; self.rows * self.planes.plane];
        let mut written = Guarded::new(&garbage, guard);
        let output = Output::new(&mut written, self.planes);
        let input = Input {
            values: &x,
            offsets: &self.offsets,
            row: self.input_row,
        };
        let epilogue = Epilogue {
            bias: &self.bias,
            activation: self.activation,
            residual: self
                .residual
                .as_ref()
                .map(|(values, planes, place)| Residual {
                    values,
                    planes: *planes,
                    place: *place,
                }),
        };
        let height = self.planes.height;
        let cut = random.below(height + 1);
        for rows in weight.divide(1 + random.below(4)) {
            for lines in [0..cut, cut..height] {
                if !lines.is_empty() {
                    let rows = rows.clone();
                    let part = Part { rows, lines };
                    let product = random.pick(&[Packed::product, Packed::product_expanded]);
                    product(weight, simd, &part, &input, &epilogue, &output, scratch);
                }
            }
        }
        written
    }
}

/// How many cases a test tries.
const CASES: usize = 300;

fn check(kind: FormatKind, precision: Precision, make: fn(&mut Random) -> Case) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ kind as u64);
    let mut scratch = Scratch::new();
    let mut packed = 0;
    for case in 0..CASES {
        let mut it = make(&mut random);
        let matrix = WeightMatrix {
            values: &it.weight,
            rows: it.rows,
            columns: it.columns,
        };
        let Some(weight) = Packed::pack(kind, matrix, it.kernel, precision) else {
            continue;
        };
        packed += 1;
        it.offsets = weight.offsets(&it.offsets);
        let (expected, tolerance) = it.expected(&weight);
        for simd in Simd::available() {
            let found = it.run(&weight, simd, &mut random, &mut scratch);
            for (index, found) in found.iter().enumerate() {
                let difference = (found - expected[index]).abs();
                assert!(
                    difference <= tolerance[index],
                    "case {case}, {simd:?}, value {index}: {found}, not {}; {} rows, {} columns, \
                     kernel {:?}, rows of {}, {:?}, {:?}",
                    expected[index],
                    it.rows,
                    it.columns,
                    it.kernel,
                    it.input_row,
                    it.planes,
                    it.activation,
                );
            }
        }
    }
    assert!(packed > 0, "nothing was packed");
}

#[test]
fn dense_products_are_plain_sums() {
    check(FormatKind::Dense, Precision::F32, Case::linear);
    check(FormatKind::Dense, Precision::Bf16, Case::convolution);
}

#[test]
fn blocked_linears_are_plain_sums() {
    check(FormatKind::Blocked, Precision::F32, Case::linear);
    check(FormatKind::Blocked, Precision::Bf16, Case::linear);
}

#[test]
fn blocked_convolutions_are_plain_sums() {
    check(FormatKind::Blocked, Precision::F32, Case::convolution);
    check(FormatKind::Blocked, Precision::F16, Case::convolution);
}

#[test]
fn blocks_of_four_rows_are_plain_sums() {
    check(FormatKind::Blocks4, Precision::F32, Case::linear);
    check(FormatKind::Blocks4, Precision::F32, Case::convolution);
    check(FormatKind::Blocks4, Precision::F16, Case::linear);
}

#[test]
fn formats_for_one_position_can_have_many() {
    check(FormatKind::Bitmask, Precision::F32, Case::linear);
    check(FormatKind::Bitmask, Precision::Bf16, Case::convolution);
    check(FormatKind::Deltas, Precision::F32, Case::linear);
    check(FormatKind::InputRows, Precision::F16, Case::linear);
    check(FormatKind::InputMajor, Precision::F32, Case::linear);
}

#[test]
fn packing_keeps_exactly_the_nonzeros() {
    let values = [0.0, 1.5, 0.0, -2.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0, -0.0];
    let matrix = WeightMatrix {
        values: &values,
        rows: 4,
        columns: 3,
    };
    let kept = |kind, row| {
        let packed = Packed::pack(kind, matrix, [1, 1], Precision::F32).unwrap();
        let mut kept = Vec::new();
        packed.each(row, &mut |column, value| kept.push((column, value)));
        (packed.nonzeros(), kept)
    };
    assert_eq!(kept(FormatKind::Blocked, 0), (3, vec![(1, 1.5)]));
    assert_eq!(kept(FormatKind::Blocked, 1), (3, vec![(0, -2.0)]));
    assert_eq!(kept(FormatKind::Blocked, 3), (3, vec![]));
    // Columns 0, 1 and 2 each have a nonzero in these four rows.
    assert_eq!(
        kept(FormatKind::Blocks4, 3),
        (12, vec![(0, 0.0), (1, 0.0), (2, 0.0)])
    );
}

#[test]
fn a_weight_that_a_short_type_cannot_hold_stays_f32() {
    for (values, precision, is_short) in [
        ([1.0, -65504.0], Precision::F16, true),
        ([1.0, -65520.0], Precision::F16, false),
        ([1e-7, 1e-6], Precision::F16, false),
        ([1e-7, 1e-4], Precision::F16, true),
        ([0.0, 0.0], Precision::F16, true),
        ([1.0, f32::MAX], Precision::Bf16, false),
        ([1e-6, 1e9], Precision::Bf16, true),
    ] {
        let matrix = WeightMatrix {
            values: &values,
            rows: 1,
            columns: 2,
        };
        let packed = Packed::pack(FormatKind::Dense, matrix, [1, 1], precision).unwrap();
        let size = if is_short { 2 } else { 4 };
        assert_eq!(packed.bytes(), 12 * size, "{values:?} as {precision:?}");
        packed.each(0, &mut |column, value| {
            let error = (value - values[column]).abs();
            assert!(error <= values[1].abs() / 200.0, "{value} of {values:?}");
        });
    }
}
