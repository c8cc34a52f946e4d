//! Weights and masks on the host, read from the device together.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{DType, Device, Tensor, TensorData, Transaction, kind};

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
    weights: HashMap<ParamId, Values>,
    masks: HashMap<ParamId, Arc<Mask>>,
}

impl ReadBack {
    /// Reads the weights of these parameters and the masks of those, with a single read-back; one
    /// for each device, when the model is on several. The parameters have to be initialized.
    ///
    /// On flex `f32` weights are borrowed.
    pub(crate) fn of<M: Module>(
        model: &M,
        inventory: &Inventory,
        weights: HashSet<ParamId>,
        masks: &HashSet<ParamId>,
    ) -> Self {
        let mut collector = Collector {
            wanted: weights,
            borrowed: HashMap::new(),
            queues: Queues::default(),
        };
        model.visit(&mut collector);
        let Collector {
            borrowed: mut weights,
            mut queues,
            ..
        } = collector;
        let masked = inventory.parameters.iter();
        let masked = masked.filter(|parameter| masks.contains(&parameter.id));
        for parameter in masked {
            if let Some(bits) = parameter.bits() {
                queues.add(Place::Mask(parameter), bits.without_autodiff());
            }
        }
        let mut masks = HashMap::new();
        for (place, data) in queues.read() {
            match place {
                Place::Weight(id) => drop(weights.insert(id, Values::from_data(&data))),
                Place::Mask(parameter) => {
                    masks.insert(parameter.id, Arc::new(parameter.mask_of(&data)));
                }
            }
        }
        Self { weights, masks }
    }

    /// The weight of this parameter, also what is under its mask.
    pub(crate) fn weight(&self, parameter: &Parameter) -> Values {
        let weight = self.weights.get(&parameter.id);
        weight.expect("this weight has been read").clone()
    }

    /// The mask of this parameter, if it has one.
    pub(crate) fn mask(&self, parameter: &Parameter) -> Option<Arc<Mask>> {
        self.masks.get(&parameter.id).cloned()
    }

    /// Takes these masks for those that have been read.
    #[cfg(feature = "lottery")]
    pub(crate) fn put_masks(&mut self, inventory: &Inventory, masks: &MaskSet) {
        for parameter in &inventory.parameters {
            if let Some(mask) = masks.get(parameter.path()) {
                self.masks.insert(parameter.id, Arc::new(mask.clone()));
            }
        }
    }

    /// The masks in the order of the model.
    pub(crate) fn masks(&self, inventory: &Inventory) -> MaskSet {
        let masks = inventory.parameters.iter().filter_map(|parameter| {
            let mask = self.masks.get(&parameter.id)?;
            Some((parameter.path().to_string(), Mask::clone(mask)))
        });
        masks.collect()
    }
}

/// Where what is read goes.
enum Place<'a> {
    Weight(ParamId),
    Mask(&'a Parameter),
}

/// What is to be read, by device.
#[derive(Default)]
struct Queues<'a>(Vec<Queue<'a>>);

struct Queue<'a> {
    device: Device,
    places: Vec<Place<'a>>,
    transaction: Transaction,
}

impl<'a> Queues<'a> {
    fn add<const D: usize, K: kind::Transaction>(
        &mut self,
        place: Place<'a>,
        tensor: Tensor<D, K>,
    ) {
        let device = tensor.device();
        let known = self.0.iter().position(|queue| queue.device == device);
        let index = known.unwrap_or_else(|| {
            self.0.push(Queue {
                device,
                places: Vec::new(),
                transaction: Transaction::default(),
            });
            self.0.len() - 1
        });
        let queue = &mut self.0[index];
        queue.places.push(place);
        queue.transaction = std::mem::take(&mut queue.transaction).register(tensor);
    }

    fn read(self) -> impl Iterator<Item = (Place<'a>, TensorData)> {
        let queues = self.0.into_iter();
        queues.flat_map(|queue| queue.places.into_iter().zip(read_back(queue.transaction)))
    }
}

struct Collector<'a> {
    wanted: HashSet<ParamId>,
    borrowed: HashMap<ParamId, Values>,
    queues: Queues<'a>,
}

impl ModuleVisitor for Collector<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.wanted.remove(&param.id) {
            return;
        }
        let tensor = param.base().without_autodiff();
        let tensor = match tensor.dtype() {
            // Burn does not read these together with others.
            DType::QFloat(_) => tensor.dequantize(),
            _ => tensor,
        };
        match Values::borrow(&tensor) {
            Some(values) => drop(self.borrowed.insert(param.id, values)),
            None => self.queues.add(Place::Weight(param.id), tensor),
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
