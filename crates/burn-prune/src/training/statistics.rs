//! Running statistics after a cut.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};

use crate::model::{Inventory, Place, Places, visit_weights};

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
        // A norm makes `(1 - m) old + m batch` of its statistics, whatever `old` is. From 0 that
        // is `m batch`; from something much larger it tells the momentum `m`, which differs from
        // norm to norm.
        write(&model, |id| {
            before.get(&id).map(|values| vec![0.0; values.len()])
        });
        forward(&model, batch.clone());
        let from_zero = read(&model);
        let large: Statistics = from_zero
            .iter()
            .map(|(id, values)| {
                (
                    *id,
                    values.iter().map(|value| larger_than(*value)).collect(),
                )
            })
            .collect();
        write(&model, |id| large.get(&id).cloned());
        forward(&model, batch);
        means.add(from_zero, &large, &read(&model));
    }
    let after = means.finish();
    write(&model, |id| after.get(&id).or(before.get(&id)).cloned());
    model
}

/// The values of statistics by their place.
type Statistics = HashMap<Place, Vec<f64>>;

/// So large that what a batch gives does not count beside it, also where it differs from run to run
/// by dropout.
fn larger_than(value: f64) -> f64 {
    (1u32 << 20) as f64 * value.abs().max(1.0)
}

#[derive(Default)]
struct Means {
    /// Sums over the batches in which a norm has run, and their number.
    sums: HashMap<Place, (Vec<f64>, f64)>,
}

impl Means {
    fn add(&mut self, from_zero: Statistics, large: &Statistics, from_large: &Statistics) {
        for (id, from_zero) in from_zero {
            let starts = large[&id].first().zip(from_large[&id].first());
            let momentum = starts
                .zip(from_zero.first())
                .map_or(0.0, |((start, end), zero)| 1.0 - (end - zero) / start);
            // A norm that the model has not run, or that takes nothing in.
            if momentum.abs() < 1e-5 {
                continue;
            }
            let start = || (vec![0.0; from_zero.len()], 0.0);
            let (sum, batches) = self.sums.entry(id).or_insert_with(start);
            *batches += 1.0;
            let pairs = sum.iter_mut().zip(from_zero);
            pairs.for_each(|(sum, value)| *sum += value / momentum);
        }
    }

    fn finish(self) -> Statistics {
        let mean = |(sum, batches): (Vec<f64>, f64)| sum.iter().map(|sum| sum / batches).collect();
        let sums = self.sums.into_iter();
        sums.map(|(id, sum)| (id, mean(sum))).collect()
    }
}

fn read<M: Module>(model: &M) -> Statistics {
    // Making an inference model takes in what the last batch has left.
    drop(model.valid());
    let statistics = Inventory::of(model).parameters.into_iter();
    let statistics = statistics.filter(|known| known.is_statistic());
    let places = statistics.map(|known| known.place()).collect();
    let mut values = Statistics::new();
    visit_weights(model, places, |place, found| {
        values.insert(place, found.iter().collect());
    });
    values
}

/// Writes through to the model: clones share their statistics.
fn write<M: Module>(model: &M, values: impl Fn(Place) -> Option<Vec<f64>>) {
    drop(model.valid());
    let places = Places::default();
    drop(model.clone().map(&mut Write { values, places }));
}

struct Write<F> {
    values: F,
    places: Places,
}

impl<F: Fn(Place) -> Option<Vec<f64>>> ModuleMapper for Write<F> {
    fn enter_module(&mut self, _name: &str, container: &str) {
        self.places.enter(container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.places.exit(container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let place = self.places.visit();
        let Some(values) = place.and_then(&self.values) else {
            return param;
        };
        param.map(|old| {
            let data = TensorData::new(values, old.shape());
            Tensor::from_data(data, (&old.device(), old.dtype()))
        })
    }
}
