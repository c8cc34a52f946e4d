//! What models take and return.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use burn_prune_engine::EngineTensors;
use chacha20::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// Random values between -1 and 1.
pub(crate) fn noise<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut value = || (2.0 * f64::from(random.next_u32()) / f64::from(u32::MAX) - 1.0) as f32;
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| value()).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// Random numbers below a limit.
pub(crate) fn words<const D: usize>(shape: [usize; D], limit: u32, seed: u64) -> Tensor<D, Int> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let words = (0..shape.iter().product()).map(|_| (random.next_u32() % limit).cast_signed());
    let words = TensorData::new(words.collect::<Vec<i32>>(), shape);
    Tensor::from_data(words, &Device::flex())
}

/// What a model is given.
pub(crate) trait Inputs: EngineTensors {
    /// Its floats, times a factor.
    fn scaled(self, factor: f64) -> Self;

    /// Its floats in double precision.
    fn doubled(self) -> Self;
}

impl<const D: usize> Inputs for Tensor<D> {
    fn scaled(self, factor: f64) -> Self {
        self * factor
    }

    fn doubled(self) -> Self {
        self.cast(DType::F64)
    }
}

impl<const D: usize> Inputs for Tensor<D, Int> {
    fn scaled(self, _factor: f64) -> Self {
        self
    }

    fn doubled(self) -> Self {
        self
    }
}

impl<A: Inputs, B: Inputs> Inputs for (A, B) {
    fn scaled(self, factor: f64) -> Self {
        (self.0.scaled(factor), self.1.scaled(factor))
    }

    fn doubled(self) -> Self {
        (self.0.doubled(), self.1.doubled())
    }
}

/// What a model returns.
pub(crate) trait Outputs: EngineTensors {
    /// The values of each tensor.
    fn values(&self) -> Vec<Vec<f64>>;
}

impl<const D: usize> Outputs for Tensor<D> {
    fn values(&self) -> Vec<Vec<f64>> {
        vec![self.to_data().iter().collect()]
    }
}

impl<A: Outputs, B: Outputs> Outputs for (A, B) {
    fn values(&self) -> Vec<Vec<f64>> {
        [self.0.values(), self.1.values()].concat()
    }
}

/// The largest magnitude.
pub(crate) fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |max, value| value.abs().max(max))
}

/// The largest difference; not a number when a value is none.
pub(crate) fn difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| (a - b).abs()).collect();
    if differences.iter().any(|difference| difference.is_nan()) {
        return f64::NAN;
    }
    largest(&differences)
}
