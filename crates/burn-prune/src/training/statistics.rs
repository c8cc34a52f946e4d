//! Running statistics after a cut.

use std::collections::{HashMap, HashSet};

use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData};

use super::momentum::{self, Range};
use crate::mask::Answer;
use crate::model::{Inventory, Place, Position, Values, WeightMapper, WeightVisitor, map, visit};

/// Recomputes the running statistics of norms: the mean over these batches of what each batch gives.
///
/// Pruning changes the activations, and so what the statistics of a BatchNorm should be; a few
/// batches restore most of the lost accuracy before any fine-tuning. The model must be on a device
/// with autodiff, where norms update their statistics; `forward` runs it on a batch and its result is
/// dropped. Weights and momenta stay as they are. Without batches nothing changes, and a norm that no
/// batch reaches keeps its statistics.
///
/// `forward` runs once a batch, and a second time on the first batch that reaches a norm: a norm does
/// not show its momentum, but two runs from different statistics do. A norm that is shared has to run
/// equally often in every batch. When `forward` or the iterator panics, the statistics are put back
/// as they were, also those of clones, which share them.
///
/// It works in f64, f32, bf16 and f16. In the narrow types the momentum is the decimal with the fewest
/// digits that fits what is seen of it, and is exact for the short decimals that people choose.
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
    let known = Known::of(&model);
    if known.ranges.is_empty() {
        return model;
    }
    let before = known.read(&model);
    let restored = Restore {
        model: &model,
        values: &before,
    };
    let small = known.starts(|range, _| range.small);
    let large = known.starts(Range::large);
    let mut means = Means::default();
    for batch in batches {
        // A norm makes `(1 - m) old + m batch` of its statistics, whatever `old` is. From next to
        // nothing that is `m batch`, to all digits that the type has.
        write(&model, &small);
        forward(&model, batch.clone());
        let from_small = known.read(&model);
        let ran: Vec<Place> = known
            .ranges
            .keys()
            .copied()
            .filter(|id| from_small[id] != small[id])
            .collect();
        ran.iter().for_each(|id| means.add(*id, &from_small[id]));
        if ran.iter().all(|id| means.momenta.contains_key(id)) {
            continue;
        }
        write(&model, &large);
        forward(&model, batch);
        let from_large = known.read(&model);
        // One that a net leaves out at random may not have run again.
        for id in ran.iter().filter(|id| from_large[id] != large[id]) {
            means.momenta.entry(*id).or_insert_with(|| {
                let runs = [&from_small[id], &from_large[id]];
                momentum::of(known.ranges[id], [&small[id], &large[id]], runs)
            });
        }
    }
    let mut after = means.finish(&small);
    for (id, values) in &before {
        after.entry(*id).or_insert_with(|| values.clone());
    }
    write(&model, &after);
    // Only a panic comes here by dropping it.
    std::mem::forget(restored);
    model
}

/// The values of statistics by their place.
type Statistics = HashMap<Place, Vec<f64>>;

/// The statistics of a model.
struct Known {
    ranges: HashMap<Place, Range>,
    lengths: HashMap<Place, usize>,
}

impl Known {
    fn of<M: Module>(model: &M) -> Self {
        // Making an inference model takes in what the last batch has left.
        drop(model.valid());
        let types = Types {
            wanted: Inventory::of(model)
                .parameters
                .iter()
                .filter(|known| known.is_statistic())
                .map(|known| known.place())
                .collect(),
            known: Self {
                ranges: HashMap::new(),
                lengths: HashMap::new(),
            },
        };
        visit(model, types).known
    }

    fn read<M: Module>(&self, model: &M) -> Statistics {
        drop(model.valid());
        let read = Read {
            wanted: &self.ranges,
            values: Statistics::new(),
        };
        visit(model, read).values
    }

    fn starts(&self, start: impl Fn(Range, usize) -> f64) -> Statistics {
        let statistics = self.ranges.iter();
        let starts = statistics.map(|(id, range)| {
            let values = (0..self.lengths[id]).map(|channel| start(*range, channel));
            (*id, values.collect())
        });
        starts.collect()
    }
}

/// Learns the types and lengths of statistics.
struct Types {
    wanted: HashSet<Place>,
    known: Known,
}

impl WeightVisitor for Types {
    fn weight<const D: usize>(&mut self, at: &Position, param: &Param<Tensor<D>>) {
        if self.wanted.contains(&at.place()) {
            let value = param.base();
            let range = Range::of(value.dtype());
            self.known.ranges.insert(at.place(), range);
            let length = value.shape().num_elements();
            self.known.lengths.insert(at.place(), length);
        }
    }
}

/// Reads statistics back.
struct Read<'a> {
    wanted: &'a HashMap<Place, Range>,
    values: Statistics,
}

impl WeightVisitor for Read<'_> {
    fn weight<const D: usize>(&mut self, at: &Position, param: &Param<Tensor<D>>) {
        if self.wanted.contains_key(&at.place()) {
            let values = Values::read(param.base());
            self.values.insert(at.place(), values.iter().collect());
        }
    }
}

/// What the batches have made of small statistics.
#[derive(Default)]
struct Means {
    /// Sums over the batches in which a norm has run, and their number.
    sums: HashMap<Place, (Vec<f64>, f64)>,
    momenta: HashMap<Place, f64>,
}

impl Means {
    fn add(&mut self, id: Place, found: &[f64]) {
        let new = || (vec![0.0; found.len()], 0.0);
        let (sums, batches) = self.sums.entry(id).or_insert_with(new);
        *batches += 1.0;
        sums.iter_mut()
            .zip(found)
            .for_each(|(sum, found)| *sum += found);
    }

    /// The means over the batches themselves.
    fn finish(self, small: &Statistics) -> Statistics {
        let mut means = Statistics::new();
        for (id, (sums, batches)) in self.sums {
            let Some(momentum) = self.momenta.get(&id) else {
                log::warn!(
                    "no batch ran a norm twice, so its momentum is unknown: its statistics stay"
                );
                continue;
            };
            let of_batch = |(sum, start)| (sum / batches - (1.0 - momentum) * start) / momentum;
            let mean = sums.into_iter().zip(&small[&id]).map(of_batch);
            means.insert(id, mean.collect());
        }
        means
    }
}

/// Puts the statistics back when it is dropped.
struct Restore<'a, M: Module> {
    model: &'a M,
    values: &'a Statistics,
}

impl<M: Module> Drop for Restore<'_, M> {
    fn drop(&mut self) {
        write(self.model, self.values);
    }
}

/// Writes through to the model: clones share their statistics.
fn write<M: Module>(model: &M, values: &Statistics) {
    // What waits to be taken in would replace it.
    drop(model.valid());
    drop(map(model.clone(), Write(values)));
}

struct Write<'a>(&'a Statistics);

impl WeightMapper for Write<'_> {
    fn weight<const D: usize>(
        &mut self,
        at: &Position,
        param: Param<Tensor<D>>,
    ) -> Param<Tensor<D>> {
        let Some(values) = self.0.get(&at.place()) else {
            return param;
        };
        param.map(|old| {
            let data = TensorData::new(values.clone(), old.shape());
            Tensor::from_data(data, (&old.device(), old.dtype()))
        })
    }

    fn answer(&self) -> Option<Answer> {
        Some(Answer::Unchanged)
    }
}
