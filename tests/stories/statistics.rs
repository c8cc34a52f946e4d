//! Running statistics after a cut, against means and variances that are computed here.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_prune::reestimate_statistics;
use chacha20::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// A net of norms with different momenta, the last of which runs only when it is told to.
#[derive(Module, Debug)]
struct Norms {
    first: BatchNorm,
    second: BatchNorm,
    sometimes: BatchNorm,
}

type Batch = (Tensor<2>, bool);

impl Norms {
    fn new(channels: usize, momenta: [f64; 3], dtype: DType) -> Self {
        let device = Device::flex().autodiff();
        let [first, second, sometimes] = momenta.map(|momentum| {
            let config = BatchNormConfig::new(channels).with_momentum(momentum);
            config.init(&device)
        });
        let norms = Self {
            first,
            second,
            sometimes,
        };
        norms.map(&mut Cast(dtype))
    }

    fn forward(&self, (batch, all): Batch) {
        self.first.forward(batch.clone());
        self.second.forward(batch.clone() * 2.0 + 1.0);
        if all {
            self.sometimes.forward(batch);
        }
    }

    fn statistics(&self) -> Vec<Vec<f64>> {
        let norms = [&self.first, &self.second, &self.sometimes];
        let statistics = norms.map(|norm| {
            [&norm.running_mean, &norm.running_var].map(|statistic| {
                let data = statistic.value_sync().into_data();
                data.iter::<f64>().collect::<Vec<_>>()
            })
        });
        statistics.into_iter().flatten().collect()
    }
}

struct Cast(DType);

impl ModuleMapper for Cast {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| tensor.cast(self.0))
    }
}

/// Rows of channels, as floats of this type hold them.
fn rows(random: &mut ChaCha8Rng, count: usize, channels: usize, scale: f64) -> Vec<Vec<f64>> {
    let mut unit = || random.next_u64() as f64 / u64::MAX as f64;
    let value = |channel: usize| {
        // Exact in all types.
        let value = (unit() * 64.0).floor() / 16.0 + channel as f64 / 4.0;
        scale * value
    };
    let mut value = value;
    (0..count)
        .map(|_| (0..channels).map(&mut value).collect())
        .collect()
}

fn tensor(rows: &[Vec<f64>], dtype: DType) -> Tensor<2> {
    let flat: Vec<f64> = rows.iter().flatten().copied().collect();
    let data = TensorData::new(flat, [rows.len(), rows[0].len()]);
    Tensor::from_data(data, (&Device::flex().autodiff(), dtype))
}

/// Mean and biased variance of each channel, which Burn's training pass takes in.
fn moments(rows: &[Vec<f64>]) -> [Vec<f64>; 2] {
    let count = rows.len() as f64;
    let channels = 0..rows[0].len();
    let mean: Vec<f64> = channels
        .clone()
        .map(|channel| rows.iter().map(|row| row[channel]).sum::<f64>() / count)
        .collect();
    let variance = channels.map(|channel| {
        let squares = rows
            .iter()
            .map(|row| (row[channel] - mean[channel]).powi(2));
        squares.sum::<f64>() / count
    });
    let variance = variance.collect();
    [mean, variance]
}

fn mean_of(of_batches: &[[Vec<f64>; 2]]) -> [Vec<f64>; 2] {
    [0, 1].map(|which| {
        let channels = 0..of_batches[0][which].len();
        let mean = channels.map(|channel| {
            let values = of_batches.iter().map(|batch| batch[which][channel]);
            values.sum::<f64>() / of_batches.len() as f64
        });
        mean.collect()
    })
}

#[test]
fn statistics_are_means_over_the_batches_in_every_float_type() {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let types = [
        (DType::F32, 1e-4),
        (DType::F16, 6e-3),
        (DType::BF16, 4e-2),
        (DType::F64, 1e-4),
    ];
    let mut tried = 0;
    for (dtype, tolerance) in types {
        if !Device::flex().supports_dtype(dtype) {
            continue;
        }
        tried += 1;
        for case in 0..12 {
            let channels = [1, 2, 5, 40][case % 4];
            let momenta = [[0.1, 0.01, 0.5], [0.03, 1.0, 0.1], [0.25, 0.1, 0.9]][case % 3];
            // A net whose large activations would overflow.
            let scale = [1.0, 0.25, 16.0][case % 3];
            let batches: Vec<_> = (0..3)
                .map(|_| rows(&mut random, 8, channels, scale))
                .collect();
            let norms = Norms::new(channels, momenta, dtype);
            let calls = std::cell::Cell::new(0);
            let given = batches.iter().enumerate();
            let given = given.map(|(index, batch)| (tensor(batch, dtype), index > 0));
            let norms = reestimate_statistics(norms, given.collect::<Vec<_>>(), |norms, batch| {
                calls.set(calls.get() + 1);
                norms.forward(batch);
            });
            // One more for the batches in which a norm is met for the first time.
            assert_eq!(calls.get(), 3 + 2);

            let of = |change: fn(f64) -> f64, batches: &[Vec<Vec<f64>>]| {
                let changed = batches.iter().map(|rows| {
                    let rows = rows
                        .iter()
                        .map(|row| row.iter().map(|x| change(*x)).collect());
                    moments(&rows.collect::<Vec<Vec<f64>>>())
                });
                mean_of(&changed.collect::<Vec<_>>())
            };
            let expected = [
                of(|x| x, &batches),
                of(|x| 2.0 * x + 1.0, &batches),
                of(|x| x, &batches[1..]),
            ];
            let expected: Vec<Vec<f64>> = expected.into_iter().flatten().collect();
            for (found, expected) in norms.statistics().iter().zip(&expected) {
                for (found, expected) in found.iter().zip(expected) {
                    let error = (found - expected).abs() / (0.1 * scale + expected.abs());
                    assert!(
                        error < tolerance,
                        "{dtype:?}, case {case}, {momenta:?}: {found} for {expected}"
                    );
                }
            }
        }
    }
    assert_eq!(tried, 4);
}

#[test]
fn a_norm_that_no_batch_reaches_and_one_that_takes_nothing_in_stay() {
    let norms = Norms::new(2, [0.1, 0.0, 0.1], DType::F32);
    let batch = tensor(&[vec![1.0, 2.0], vec![3.0, 6.0]], DType::F32);
    let norms = reestimate_statistics(norms, [(batch, false)], Norms::forward);
    let statistics = norms.statistics();
    assert!((statistics[0][0] - 2.0).abs() < 1e-5 && (statistics[1][1] - 4.0).abs() < 1e-5);
    for (statistic, expected) in [(2, 0.0), (3, 1.0), (4, 0.0), (5, 1.0)] {
        assert_eq!(statistics[statistic], [expected; 2]);
    }
}

#[test]
fn a_layer_that_gives_only_zeros_has_statistics_of_zero() {
    let norms = Norms::new(2, [0.1, 0.1, 0.1], DType::F32);
    let zeros = tensor(&[vec![0.0, 0.0], vec![0.0, 0.0]], DType::F32);
    let norms = reestimate_statistics(norms, [(zeros, true)], Norms::forward);
    let statistics = norms.statistics();
    assert!(
        statistics[1].iter().all(|variance| variance.abs() < 1e-20),
        "{statistics:?}"
    );
    assert!(
        statistics[0].iter().all(|mean| mean.abs() < 1e-20),
        "{statistics:?}"
    );
}

#[test]
fn a_panic_leaves_the_statistics_of_all_clones_as_they_were() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    for dtype in [DType::F32, DType::F16] {
        if !Device::flex().supports_dtype(dtype) {
            continue;
        }
        // In the forward pass before or after the norms, in whichever call, and in the iterator.
        for fails_at in 0..8 {
            let norms = Norms::new(3, [0.1, 0.2, 0.3], dtype);
            for _ in 0..3 {
                norms.forward((tensor(&rows(&mut random, 8, 3, 1.0), dtype), true));
            }
            let before = norms.statistics();
            let clone = norms.clone();
            let batches: Vec<Batch> = (0..3)
                .map(|_| (tensor(&rows(&mut random, 8, 3, 1.0), dtype), true))
                .collect();
            let mut calls = 0;
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                let batches = batches.into_iter().enumerate().map(|(index, batch)| {
                    assert!(fails_at != 4 + index, "the iterator");
                    batch
                });
                reestimate_statistics(norms, batches, |norms, batch| {
                    assert!(calls != fails_at, "before the norms");
                    calls += 1;
                    norms.forward(batch);
                    assert!(fails_at != 7 || calls < 3, "after the norms");
                })
            }));
            assert!(panicked.is_err(), "{fails_at}");
            assert_eq!(clone.statistics(), before, "{dtype:?} {fails_at}");
            // Nothing waits to be taken in either.
            drop(clone.valid());
            assert_eq!(clone.statistics(), before, "{dtype:?} {fails_at}");
        }
    }
}

#[test]
fn without_batches_nothing_changes() {
    let norms = Norms::new(3, [0.1; 3], DType::F32);
    norms.forward((tensor(&[vec![1.0; 3], vec![2.0; 3]], DType::F32), true));
    let before = norms.statistics();
    let norms = reestimate_statistics(norms, Vec::<Batch>::new(), Norms::forward);
    assert_eq!(norms.statistics(), before);
}

#[test]
fn a_norm_that_runs_twice_a_batch_has_the_mean_of_what_it_sees() {
    // Twice with a momentum of 0.5 is once with 0.75: a third of it is the first, two thirds the
    // second run.
    let norms = Norms::new(2, [0.5, 0.1, 0.1], DType::F32);
    let batch = |value: f64| tensor(&[vec![value, 0.0], vec![value + 2.0, 1.0]], DType::F32);
    let batches = [(batch(0.0), batch(3.0)), (batch(6.0), batch(12.0))];
    let norms = reestimate_statistics(norms, batches, |norms, (first, second)| {
        norms.first.forward(first);
        norms.first.forward(second);
    });
    let expected = ((1.0 + 2.0 * 4.0) / 3.0 + (7.0 + 2.0 * 13.0) / 3.0) / 2.0;
    let found = norms.statistics()[0][0];
    assert!((found - expected).abs() < 1e-4, "{found} for {expected}");
}

#[test]
fn chance_in_the_forward_pass_hardly_counts() {
    // Other noise in each run, as dropout makes it, and norms that are left out at random.
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let norms = Norms::new(4, [0.1, 0.01, 0.2], DType::F32);
    let batches: Vec<Batch> = (0..20)
        .map(|_| (tensor(&rows(&mut random, 64, 4, 1.0), DType::F32), true))
        .collect();
    let expected = batches.iter().map(|(batch, _)| {
        let flat: Vec<f64> = batch.to_data().iter().collect();
        moments(&flat.chunks(4).map(<[f64]>::to_vec).collect::<Vec<_>>())
    });
    let [means, variances] = mean_of(&expected.collect::<Vec<_>>());
    let noise = std::cell::RefCell::new(ChaCha8Rng::seed_from_u64(8));
    let norms = reestimate_statistics(norms, batches, |norms, (batch, _)| {
        let mut noise = noise.borrow_mut();
        let noisy = batch + tensor(&rows(&mut noise, 64, 4, 0.01), DType::F32) - 0.02;
        let all = noise.next_u64() % 2 == 0;
        norms.forward((noisy, all));
    });
    let statistics = norms.statistics();
    for (which, expected) in [(0, &means), (1, &variances), (4, &means), (5, &variances)] {
        for (found, expected) in statistics[which].iter().zip(expected) {
            assert!(
                (found - expected).abs() < 0.1 * (1.0 + expected.abs()),
                "{which}: {found} {expected}"
            );
        }
    }
}
