//! Weights and masks on the host, read from the device together.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Device, Tensor, TensorData, Transaction, kind};

use super::place::{Place, Places};
use super::{Inventory, Parameter, Values};
use crate::{Mask, MaskSet};

/// Waits for the device, and reads what is registered.
pub(crate) fn read_back(transaction: Transaction) -> Vec<TensorData> {
    #[cfg(test)]
    count::add();
    transaction.execute()
}

/// Weights and masks of a model at one moment.
pub(crate) struct ReadBack {
    weights: HashMap<Place, Weight>,
    masks: HashMap<Place, Arc<Mask>>,
}

/// A weight as it is stored.
struct Weight {
    dtype: DType,
    values: Values,
}

impl ReadBack {
    /// Reads the weights of these parameters and the masks of those, with a single read-back; one
    /// for each device, when the model is on several. The parameters have to be initialized.
    ///
    /// On flex `f32` weights are borrowed.
    pub(super) fn of<M: Module>(
        model: &M,
        inventory: &Inventory,
        weights: HashSet<Place>,
        masks: &HashSet<Place>,
    ) -> Self {
        let mut collector = Collector {
            wanted: weights,
            places: Places::default(),
            borrowed: HashMap::new(),
            queues: Queues::default(),
        };
        model.visit(&mut collector);
        let masked = inventory.parameters.iter();
        let masked = masked.filter(|parameter| masks.contains(&parameter.place()));
        Self::finish(collector.borrowed, collector.queues, masked)
    }

    /// Reads all masks.
    pub(crate) fn of_masks(inventory: &Inventory) -> Self {
        let masked = inventory.parameters.iter();
        Self::finish(HashMap::new(), Queues::default(), masked)
    }

    fn finish<'a>(
        mut weights: HashMap<Place, Weight>,
        mut queues: Queues<'a>,
        masked: impl Iterator<Item = &'a Parameter>,
    ) -> Self {
        for parameter in masked {
            if let Some(bits) = parameter.bits() {
                queues.add(Source::Mask(parameter), bits.without_autodiff());
            }
        }
        let mut masks = HashMap::new();
        for (source, data) in queues.read() {
            match source {
                Source::Weight(place, dtype) => {
                    let values = Values::from_data(&data);
                    weights.insert(place, Weight { dtype, values });
                }
                Source::Mask(parameter) => {
                    masks.insert(parameter.masked_at(), Arc::new(parameter.mask_of(&data)));
                }
            }
        }
        Self { weights, masks }
    }

    /// The weight of this parameter, also what is under its mask.
    pub(crate) fn weight(&self, parameter: &Parameter) -> Values {
        let weight = self.weights.get(&parameter.place());
        weight.expect("this weight has been read").values.clone()
    }

    /// The mask of this parameter, if it has one.
    pub(crate) fn mask(&self, parameter: &Parameter) -> Option<Arc<Mask>> {
        self.masks.get(&parameter.masked_at()).cloned()
    }

    /// Whether the weights of these parameters have been read and are the same to the last bit.
    pub(super) fn are_equal(&self, one: &Parameter, other: &Parameter) -> bool {
        let weights = [one, other].map(|known| self.weights.get(&known.place()));
        let [Some(a), Some(b)] = weights else {
            return false;
        };
        one.shape == other.shape && a.dtype == b.dtype && a.values.has_bits_of(&b.values)
    }

    /// Takes these masks for those that have been read.
    #[cfg(feature = "lottery")]
    pub(crate) fn put_masks(&mut self, inventory: &Inventory, masks: &MaskSet) {
        for parameter in &inventory.parameters {
            if let Some(mask) = masks.get(parameter.path()) {
                let mask = Arc::new(mask.clone());
                self.masks.insert(parameter.masked_at(), mask);
            }
        }
    }

    /// The masks in the order of the model.
    pub(crate) fn masks(&self, inventory: &Inventory) -> MaskSet {
        let masks = inventory.parameters.iter().filter_map(|parameter| {
            let mask = self.masks.get(&parameter.masked_at())?;
            Some((parameter.path().to_string(), Mask::clone(mask)))
        });
        masks.collect()
    }
}

/// Where what is read goes.
enum Source<'a> {
    Weight(Place, DType),
    Mask(&'a Parameter),
}

/// What is to be read, by device.
#[derive(Default)]
struct Queues<'a>(Vec<Queue<'a>>);

struct Queue<'a> {
    device: Device,
    sources: Vec<Source<'a>>,
    transaction: Transaction,
}

impl<'a> Queues<'a> {
    fn add<const D: usize, K: kind::Transaction>(
        &mut self,
        source: Source<'a>,
        tensor: Tensor<D, K>,
    ) {
        let device = tensor.device();
        let known = self.0.iter().position(|queue| queue.device == device);
        let index = known.unwrap_or_else(|| {
            self.0.push(Queue {
                device,
                sources: Vec::new(),
                transaction: Transaction::default(),
            });
            self.0.len() - 1
        });
        let queue = &mut self.0[index];
        queue.sources.push(source);
        queue.transaction = std::mem::take(&mut queue.transaction).register(tensor);
    }

    fn read(self) -> impl Iterator<Item = (Source<'a>, TensorData)> {
        let queues = self.0.into_iter();
        queues.flat_map(|queue| queue.sources.into_iter().zip(read_back(queue.transaction)))
    }
}

struct Collector<'a> {
    wanted: HashSet<Place>,
    places: Places,
    borrowed: HashMap<Place, Weight>,
    queues: Queues<'a>,
}

impl ModuleVisitor for Collector<'_> {
    fn enter_module(&mut self, _name: &str, container: &str) {
        self.places.enter(container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.places.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let place = self.places.visit();
        let Some(place) = place.filter(|place| self.wanted.contains(place)) else {
            return;
        };
        let tensor = param.base().without_autodiff();
        let dtype = tensor.dtype();
        let tensor = match dtype {
            // Burn does not read these together with others.
            DType::QFloat(_) => tensor.dequantize(),
            _ => tensor,
        };
        match Values::borrow(&tensor) {
            Some(values) => {
                self.borrowed.insert(place, Weight { dtype, values });
            }
            None => self.queues.add(Source::Weight(place, dtype), tensor),
        }
    }
}

/// How often this thread has waited for a device to read from it.
#[cfg(test)]
pub(crate) mod count {
    use std::cell::Cell;

    thread_local!(static COUNT: Cell<usize> = const { Cell::new(0) });

    pub(crate) fn add() {
        COUNT.set(COUNT.get() + 1);
    }

    /// What has been counted since the last call.
    pub(crate) fn take() -> usize {
        COUNT.take()
    }
}
