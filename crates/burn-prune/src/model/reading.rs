//! What has been read of a model at one moment: its parameters, and weights and masks on the host.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor, TensorData, Transaction, kind};

use super::inventory::Inventory;
use super::parameter::Parameter;
use super::walk::{Place, Position, WeightVisitor, visit};
use super::weights::Values;
use crate::mask::{Mask, MaskSet};
use crate::read_back::read_back;

/// The parameters of a model, and those weights and masks that were asked for.
///
/// Made once by [`Inventory::read`], for everything that is decided about the model.
pub(crate) struct ModelReading {
    inventory: Inventory,
    values: ReadBack,
}

impl ModelReading {
    pub(super) fn new(inventory: Inventory, values: ReadBack) -> Self {
        Self { inventory, values }
    }

    /// Reads all masks, and no weights.
    pub(crate) fn of_masks<M: Module>(model: &M) -> Self {
        let inventory = Inventory::of(model);
        let values = ReadBack::of_masks(&inventory);
        Self { inventory, values }
    }

    /// The parameters.
    pub(crate) fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// The parameters alone.
    pub(crate) fn into_inventory(self) -> Inventory {
        self.inventory
    }

    /// The weight of this parameter, also what is stored under its mask.
    ///
    /// # Panics
    /// When it was not asked for.
    pub(crate) fn weight(&self, parameter: &Parameter) -> Values {
        let weight = self.values.weights.get(&parameter.place());
        weight.expect("this weight has been read").values.clone()
    }

    /// The mask of this parameter, if it has one that was asked for.
    pub(crate) fn mask(&self, parameter: &Parameter) -> Option<Arc<Mask>> {
        self.values.masks.get(&parameter.masked_at()).cloned()
    }

    /// The masks in the order of the model.
    pub(crate) fn masks(&self) -> MaskSet {
        let parameters = self.inventory.parameters.iter();
        let masks = parameters.filter_map(|parameter| {
            let mask = self.mask(parameter)?;
            Some((parameter.path().to_string(), Mask::clone(&mask)))
        });
        masks.collect()
    }

    /// Puts these masks in the place of those that have been read, on the host alone.
    #[cfg(feature = "lottery")]
    pub(crate) fn put_masks(&mut self, masks: &MaskSet) {
        for parameter in &self.inventory.parameters {
            if let Some(mask) = masks.get(parameter.path()) {
                let mask = Arc::new(mask.clone());
                self.values.masks.insert(parameter.masked_at(), mask);
            }
        }
    }
}

/// Weights and masks on the host.
pub(super) struct ReadBack {
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
        let collector = Collector {
            wanted: weights,
            borrowed: HashMap::new(),
            queues: Queues::default(),
        };
        let collector = visit(model, collector);
        let parameters = inventory.parameters.iter();
        let masked = parameters.filter(|parameter| masks.contains(&parameter.place()));
        Self::finish(collector.borrowed, collector.queues, masked)
    }

    /// Reads all masks.
    fn of_masks(inventory: &Inventory) -> Self {
        let parameters = inventory.parameters.iter();
        Self::finish(HashMap::new(), Queues::default(), parameters)
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

    /// Whether the weights of these parameters have been read and are the same to the last bit.
    pub(super) fn are_equal(&self, one: &Parameter, other: &Parameter) -> bool {
        let weights = [one, other].map(|known| self.weights.get(&known.place()));
        let [Some(a), Some(b)] = weights else {
            return false;
        };
        one.shape == other.shape && a.dtype == b.dtype && a.values.has_bits_of(&b.values)
    }
}

/// Where what is read goes.
enum Source<'a> {
    Weight(Place, DType),
    Mask(&'a Parameter),
}

/// What will be read, by device.
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
        self.0
            .into_iter()
            .flat_map(|queue| queue.sources.into_iter().zip(read_back(queue.transaction)))
    }
}

struct Collector<'a> {
    wanted: HashSet<Place>,
    borrowed: HashMap<Place, Weight>,
    queues: Queues<'a>,
}

impl WeightVisitor for Collector<'_> {
    fn weight<const D: usize>(&mut self, at: &Position, param: &Param<Tensor<D>>) {
        let place = at.place();
        if !self.wanted.contains(&place) {
            return;
        }
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
