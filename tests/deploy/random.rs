//! Random models and inputs, and comparing what comes out.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};
use chacha20::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// Gives every parameter and statistic random values around 0, and variances above it: nothing is
/// at its default.
pub(crate) fn randomised<M: Module>(model: M, seed: u64) -> M {
    model.map(&mut Randomise {
        random: ChaCha8Rng::seed_from_u64(seed),
        path: Vec::new(),
    })
}

struct Randomise {
    random: ChaCha8Rng,
    path: Vec<String>,
}

impl ModuleMapper for Randomise {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.last().cloned().unwrap_or_default();
        param.map(|tensor| {
            let dims = tensor.dims();
            let inputs: usize = dims[1..].iter().product();
            // Keeps the signal at about its size through many layers.
            let scale = match D {
                1 => 0.5,
                _ => (3.0 / inputs.max(dims[0].min(64)) as f64).sqrt(),
            };
            let values = (0..dims.iter().product()).map(|_| {
                let uniform = f64::from(self.random.next_u32()) / f64::from(u32::MAX);
                let value = match name.as_str() {
                    "running_var" => 0.5 + uniform,
                    "gamma" => 0.6 + 0.8 * uniform,
                    _ => scale * (2.0 * uniform - 1.0),
                };
                value as f32
            });
            let data = TensorData::new(values.collect::<Vec<f32>>(), dims);
            Tensor::from_data(data, &tensor.device()).set_require_grad(tensor.is_require_grad())
        })
    }
}

/// Random values between -1 and 1.
pub(crate) fn example<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let values = (0..shape.iter().product())
        .map(|_| (2.0 * f64::from(random.next_u32()) / f64::from(u32::MAX) - 1.0) as f32);
    Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), shape), device)
}

/// What a net returns, as vectors.
pub(crate) trait Outputs {
    fn values(&self) -> Vec<Vec<f32>>;
}

impl<const D: usize> Outputs for Tensor<D> {
    fn values(&self) -> Vec<Vec<f32>> {
        vec![self.clone().into_data().try_to_vec().unwrap()]
    }
}

impl Outputs for (Tensor<4>, Tensor<4>) {
    fn values(&self) -> Vec<Vec<f32>> {
        [self.0.values(), self.1.values()].concat()
    }
}

pub(crate) fn assert_close(found: &impl Outputs, expected: &impl Outputs) {
    for (found, expected) in found.values().iter().zip(&expected.values()) {
        assert_eq!(found.len(), expected.len());
        let largest = expected
            .iter()
            .fold(0.0f32, |max, value| max.max(value.abs()));
        assert!(
            largest > 1e-3 && largest.is_finite(),
            "the output is nothing: {largest}"
        );
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() <= 1e-5 * largest,
                "{found} instead of {expected}"
            );
        }
    }
}
