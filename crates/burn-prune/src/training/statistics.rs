//! Running statistics after a cut.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::{Tensor, TensorData};

use crate::model::{Inventory, visit_weights};

/// Makes the running statistics of norms anew: the mean over these batches of what each batch gives.
///
/// Pruning moves the activations, and with them what the statistics of a BatchNorm should be; a few
/// batches bring most of the lost accuracy back before any fine-tuning. The model must be on a
/// device with autodiff, where norms take in statistics; `forward` runs it on a batch and its result
/// is dropped. Weights and momenta stay as they are. Without batches nothing changes.
///
/// ```
/// use burn::{nn::BatchNormConfig, tensor::{Device, Tensor}};
/// use burn_prune::reestimate_statistics;
///
/// let device = Device::flex().autodiff();
/// let norm = BatchNormConfig::new(1).init(&device);
/// // Batches with means 1 and 4: a hundred of them would not get there with a momentum of 0.1.
/// let batches = [[0.0, 2.0], [3.0, 5.0]].map(|batch| Tensor::<1>::from_floats(batch, &device));
/// let norm = reestimate_statistics(norm, batches, |norm, batch| {
///     norm.forward(batch.reshape([2, 1]));
/// });
/// let mean = norm.running_mean.value_sync().into_scalar::<f32>();
/// assert!((mean - 2.5).abs() < 1e-4);
/// ```
#[must_use]
pub fn reestimate_statistics<M: Module, B: Clone>(
    model: M,
    batches: impl IntoIterator<Item = B>,
    mut forward: impl FnMut(&M, B),
) -> M {
    let mut means = Means::default();
    let before = read(&model);
    for batch in batches {
        // A norm makes `(1 - m) old + m batch` of its statistics. From 0 and from 1 that tells the
        // momentum `m`, which differs from norm to norm, and with it what the batch gives.
        let [from_zero, from_one] = [0.0, 1.0].map(|start| {
            write(&model, |id| {
                before.get(&id).map(|values| vec![start; values.len()])
            });
            forward(&model, batch.clone());
            read(&model)
        });
        means.add(from_zero, &from_one);
    }
    let after = means.finish();
    write(&model, |id| after.get(&id).or(before.get(&id)).cloned());
    model
}

/// The values of statistics by their id.
type Statistics = HashMap<ParamId, Vec<f64>>;

#[derive(Default)]
struct Means {
    sums: Statistics,
    batches: f64,
}

impl Means {
    fn add(&mut self, from_zero: Statistics, from_one: &Statistics) {
        self.batches += 1.0;
        for (id, from_zero) in from_zero {
            let momentum = from_one[&id]
                .first()
                .zip(from_zero.first())
                .map_or(0.0, |(one, zero)| 1.0 - (one - zero));
            // A norm that the model has not run.
            if momentum.abs() < 1e-6 {
                continue;
            }
            let sum = self
                .sums
                .entry(id)
                .or_insert_with(|| vec![0.0; from_zero.len()]);
            let pairs = sum.iter_mut().zip(from_zero);
            pairs.for_each(|(sum, value)| *sum += value / momentum);
        }
    }

    fn finish(mut self) -> Statistics {
        let values = self.sums.values_mut().flatten();
        values.for_each(|value| *value /= self.batches);
        self.sums
    }
}

fn read<M: Module>(model: &M) -> Statistics {
    // Making an inference model takes in what the last batch has left.
    drop(model.valid());
    let statistics = Inventory::of(model).parameters.into_iter();
    let statistics = statistics.filter(|known| known.is_statistic());
    let ids: Vec<ParamId> = statistics.map(|known| known.id).collect();
    let mut values = Statistics::new();
    visit_weights(model, ids, |id, found| {
        values.insert(id, found.iter().collect());
    });
    values
}

/// Writes through to the model: clones share their statistics.
fn write<M: Module>(model: &M, values: impl Fn(ParamId) -> Option<Vec<f64>>) {
    drop(model.valid());
    drop(model.clone().map(&mut Write { values }));
}

struct Write<F> {
    values: F,
}

impl<F: Fn(ParamId) -> Option<Vec<f64>>> ModuleMapper for Write<F> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(values) = (self.values)(param.id) else {
            return param;
        };
        param.map(|old| {
            let data = TensorData::new(values, old.shape());
            Tensor::from_data(data, (&old.device(), old.dtype()))
        })
    }
}
