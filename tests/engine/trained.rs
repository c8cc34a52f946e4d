//! Models that look as if they had been trained and pruned.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Tensor, TensorData};
use burn_prune::{Prunable, Pruner, Random};
use chacha20::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// Gives every parameter and statistic random values, so that nothing is at its default. Variances
/// of BatchNorm differ a hundredfold, as those of trained models do.
pub(crate) fn trained<M: Module>(model: M, seed: u64) -> M {
    model.map(&mut Train {
        random: ChaCha8Rng::seed_from_u64(seed),
        path: Vec::new(),
    })
}

struct Train {
    random: ChaCha8Rng,
    path: Vec<String>,
}

impl ModuleMapper for Train {
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
                    "running_var" => 10f64.powf(2.0 * uniform - 1.0),
                    "gamma" => 0.5 + uniform,
                    _ => scale * (2.0 * uniform - 1.0),
                };
                value as f32
            });
            let data = TensorData::new(values.collect::<Vec<f32>>(), dims);
            Tensor::from_data(data, &tensor.device()).set_require_grad(tensor.is_require_grad())
        })
    }
}

/// The model with masks on its Linear and convolution layers that remove this fraction of each.
pub(crate) fn masked<M: Module>(model: &M, sparsity: f64, seed: u64) -> M {
    if sparsity == 0.0 {
        return model.clone();
    }
    let pruner = Pruner::new(Random::new(seed)).amount(sparsity);
    model.clone().prune(&pruner).unwrap()
}

/// The model without this share of the rows and of the columns of each weight, whole channels mostly.
pub(crate) fn without_channels<M: Module>(model: M, share: f64, seed: u64) -> M {
    model.map(&mut Remove {
        random: ChaCha8Rng::seed_from_u64(seed),
        share,
    })
}

struct Remove {
    random: ChaCha8Rng,
    share: f64,
}

impl ModuleMapper for Remove {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if D == 1 {
            return param;
        }
        param.map(|tensor| {
            let dims = tensor.dims();
            let [is_row_gone, is_column_gone] = [dims[0], dims[1]].map(|size| {
                let mut is_gone = || f64::from(self.random.next_u32()) < self.share * 2f64.powi(32);
                (0..size).map(|_| is_gone()).collect::<Vec<bool>>()
            });
            let behind: usize = dims[2..].iter().product();
            let values = tensor.to_data().iter::<f32>().collect::<Vec<f32>>();
            let values = values.into_iter().enumerate().map(|(at, value)| {
                let at = at / behind;
                let is_gone = is_row_gone[at / dims[1]] || is_column_gone[at % dims[1]];
                if is_gone { 0.0 } else { value }
            });
            let data = TensorData::new(values.collect::<Vec<f32>>(), dims);
            Tensor::from_data(data, &tensor.device()).set_require_grad(tensor.is_require_grad())
        })
    }
}

/// The same model in double precision.
pub(crate) fn doubled<M: Module>(model: &M) -> M {
    // `valid` gives statistics of its own, which a mapper does not share.
    model.valid().materialize().map(&mut Double)
}

struct Double;

impl ModuleMapper for Double {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| tensor.cast(DType::F64))
    }
}
