//! Products by one position of every format against plain sums in `f64`: all tails, uneven and empty
//! rows, inputs with and without zeros, all between protected pages.

use super::tests::Random;
use super::{FormatKind, Packed, Precision, WeightMatrix};
use crate::activation::Activation;
use crate::kernel::guarded::{Guard, Guarded};
use crate::kernel::{Epilogue, Output, Residual, ResidualPlace, Scratch, Simd};
use crate::layout::Planes;

struct Case {
    weight: Vec<f32>,
    rows: usize,
    columns: usize,
    x: Vec<f32>,
    bias: Vec<f32>,
    activation: Activation,
    residual: Option<(Vec<f32>, Planes, ResidualPlace)>,
    planes: Planes,
}

/// One value a plane.
fn planes(plane: usize) -> Planes {
    Planes {
        height: 1,
        width: 1,
        top: 0,
        left: 0,
        row: plane,
        plane,
    }
}

impl Case {
    fn new(random: &mut Random, rows: usize, columns: usize, density: f32) -> Self {
        let mut weight = Vec::new();
        for row in 0..rows {
            let density = if row % 5 == 3 {
                0.0
            } else {
                density * random.pick(&[0.25, 0.5, 1.0, 1.0, 4.0])
            };
            weight.extend((0..columns).map(|_| {
                let is_kept = random.value().abs() < density;
                if is_kept { random.value() } else { 0.0 }
            }));
        }
        let zeros = random.pick(&[0.0, 0.5, 0.9, 1.0]);
        let x = (0..columns)
            .map(|_| {
                let is_zero = random.value().abs() < zeros;
                if is_zero { 0.0 } else { random.value() }
            })
            .collect();
        let residual = random.pick(&[
            None,
            Some((1, ResidualPlace::Inside)),
            Some((1, ResidualPlace::Outside)),
            Some((8, ResidualPlace::Inside)),
        ]);
        Self {
            weight,
            rows,
            columns,
            x,
            bias: (0..rows).map(|_| random.value()).collect(),
            activation: random.pick(&[Activation::None, Activation::Relu, Activation::Silu]),
            residual: residual.map(|(plane, place)| {
                let values = (0..rows * plane).map(|_| random.value()).collect();
                (values, planes(plane), place)
            }),
            planes: planes(random.pick(&[1, 1, 1, 8])),
        }
    }

    /// What each row should be, and how far it may be off.
    fn expected(&self, weight: &Packed) -> Vec<(f32, f32)> {
        let row = |row| {
            let (mut sum, mut size) = (f64::from(self.bias[row]), 1.0);
            weight.each(row, &mut |column, value| {
                sum += f64::from(value) * f64::from(self.x[column]);
                size += f64::from((value * self.x[column]).abs());
            });
            let result = match &self.residual {
                None => self.activation.apply(sum as f32),
                Some((values, planes, place)) => {
                    let added = values[planes.value(row, 0, 0)];
                    match place {
                        ResidualPlace::Inside => {
                            self.activation.apply((sum + f64::from(added)) as f32)
                        }
                        ResidualPlace::Outside => self.activation.apply(sum as f32) + added,
                    }
                }
            };
            (result, size as f32 * 1e-6)
        };
        (0..self.rows).map(row).collect()
    }

    fn run(&self, weight: &Packed, simd: Simd, parts: usize, guard: Guard) -> Vec<f32> {
        let mut scratch = Scratch::new();
        let x = Guarded::new(&self.x, guard);
        let bias = Guarded::new(&self.bias, guard);
        let garbage = vec![f32::NAN; self.rows * self.planes.plane];
        let mut written = Guarded::new(&garbage, guard);
        let output = Output::new(&mut written, self.planes);
        let epilogue = Epilogue {
            bias: &bias,
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
        for rows in weight.divide(parts) {
            weight.vector(simd, rows, &x, &epilogue, &output, &mut scratch);
        }
        written.to_vec()
    }

    fn check(&self, weight: &Packed, random: &mut Random, ran: &mut Vec<Simd>) {
        let expected = self.expected(weight);
        for simd in Simd::available() {
            let guard = random.pick(&Guarded::BOTH);
            let found = self.run(weight, simd, 1, guard);
            for (index, found) in found.iter().enumerate() {
                let (plane, at) = (index / self.planes.plane, index % self.planes.plane);
                let (value, tolerance) = if at == 0 { expected[plane] } else { (0.0, 0.0) };
                assert!(
                    (found - value).abs() <= tolerance,
                    "{:?}, {simd:?}, {} x {}, row {plane}: {found}, not {value}",
                    weight.kind(),
                    self.rows,
                    self.columns,
                );
            }
            let parts = self.run(weight, simd, 2 + random.below(3), guard);
            let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&found), bits(&parts), "in parts, {simd:?}");
            if !ran.contains(&simd) {
                ran.push(simd);
            }
        }
    }
}

/// Fails if the processor has a path that was not taken, and says which ones were.
fn assert_all_ran(ran: &[Simd]) {
    println!("paths: {ran:?}");
    assert!(ran.contains(&Simd::Portable));
    #[cfg(target_arch = "x86_64")]
    {
        assert_eq!(
            is_x86_feature_detected!("avx2"),
            ran.contains(&Simd::Avx2),
            "AVX2"
        );
        assert_eq!(
            is_x86_feature_detected!("avx512bw"),
            ran.contains(&Simd::Avx512),
            "AVX-512"
        );
    }
}

fn check(kind: FormatKind) {
    let mut random = Random(0x2545_f491_4f6c_dd1d ^ kind as u64);
    let mut ran = Vec::new();
    let mut shapes = vec![(2100, 70), (7, 9000)];
    for tail in 0..=40 {
        shapes.push((random.below(30), tail));
        shapes.push((tail, 1 + random.below(90)));
        shapes.push((1 + random.below(400), 1 + random.below(900)));
    }
    for (rows, columns) in shapes {
        for density in [0.0, 0.05, 0.3, 0.6, 1.0] {
            let precision = random.pick(&[
                Precision::F32,
                Precision::F32,
                Precision::Bf16,
                Precision::F16,
            ]);
            let case = Case::new(&mut random, rows, columns, density);
            let matrix = WeightMatrix {
                values: &case.weight,
                rows,
                columns,
            };
            let Some(weight) = Packed::pack(kind, matrix, [1, 1], precision) else {
                assert_eq!(kind, FormatKind::Blocks4, "{rows} x {columns}");
                continue;
            };
            case.check(&weight, &mut random, &mut ran);
        }
    }
    assert_all_ran(&ran);
}

#[test]
fn dense_vectors_are_plain_sums() {
    check(FormatKind::Dense);
}

#[test]
fn blocked_vectors_are_plain_sums() {
    check(FormatKind::Blocked);
}

#[test]
fn vectors_of_blocks_of_four_rows_are_plain_sums() {
    check(FormatKind::Blocks4);
}

#[test]
fn bit_mask_vectors_are_plain_sums() {
    check(FormatKind::Bitmask);
}

#[test]
fn delta_vectors_are_plain_sums() {
    check(FormatKind::Deltas);
}

#[test]
fn dense_vectors_by_input_are_plain_sums() {
    check(FormatKind::InputRows);
}

#[test]
fn sparse_vectors_by_input_are_plain_sums() {
    check(FormatKind::InputMajor);
}

#[test]
fn formats_for_one_position_keep_exactly_the_nonzeros() {
    let mut values = vec![0.0; 3 * 600];
    // In the second row, columns that one byte cannot name together.
    for (column, value) in [(0, 1.5), (255, -2.0), (256, 3.0), (599, 0.25)] {
        values[600 + column] = value;
    }
    let matrix = WeightMatrix {
        values: &values,
        rows: 3,
        columns: 600,
    };
    for kind in [
        FormatKind::Bitmask,
        FormatKind::Deltas,
        FormatKind::InputMajor,
    ] {
        let packed = Packed::pack(kind, matrix, [1, 1], Precision::F32).unwrap();
        let mut kept = Vec::new();
        packed.each(1, &mut |column, value| kept.push((column, value)));
        assert_eq!(kept, [(0, 1.5), (255, -2.0), (256, 3.0), (599, 0.25)]);
        packed.each(0, &mut |_, _| panic!("nothing is in the first row"));
        packed.each(2, &mut |_, _| panic!("nothing is in the last row"));
        assert_eq!(packed.nonzeros(), 4);
    }
}

/// A zero weight is an absent weight, whatever it would be multiplied with.
#[test]
fn infinite_inputs_of_absent_weights_do_not_count() {
    let values: Vec<f32> = (0..2 * 77)
        .map(|i| if i % 3 == 0 { 1.0 } else { 0.0 })
        .collect();
    let matrix = WeightMatrix {
        values: &values,
        rows: 2,
        columns: 77,
    };
    let x: Vec<f32> = (0..77)
        .map(|i| if i % 3 == 1 { f32::INFINITY } else { 1.0 })
        .collect();
    for kind in [
        FormatKind::Bitmask,
        FormatKind::Deltas,
        FormatKind::InputMajor,
        FormatKind::Blocked,
    ] {
        let packed = Packed::pack(kind, matrix, [1, 1], Precision::F32).unwrap();
        for simd in Simd::available() {
            let mut written = [0.0; 2];
            let output = Output::new(&mut written, planes(1));
            let epilogue = Epilogue {
                bias: &[0.0; 2],
                activation: Activation::None,
                residual: None,
            };
            packed.vector(simd, 0..2, &x, &epilogue, &output, &mut Scratch::new());
            assert_eq!(written, [26.0, f32::INFINITY], "{kind:?}, {simd:?}");
        }
    }
}
