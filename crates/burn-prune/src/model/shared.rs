//! Which places of a model are one shared parameter.
//!
//! Burn identifies parameters by id, and two different things have equal ids: one tensor that is used
//! at several places, and separate tensors of models that are clones or were loaded from one file.
//! Values tell them apart: places of one id are shared when dtype, shape and all bits are equal. This
//! is decided when they first get a mask. The ids of a mask encode that it was given to several
//! places, and which of them this is. Places are recognised by these ids from then on, even after
//! Burn's optimizers, which update only the first place, have made the values differ.

use std::collections::{HashMap, HashSet};

use burn::module::{Flag, Module, ModuleMapper, Param, ParamId};
use burn::tensor::{Bool, Int, Tensor};

use super::inventory::Inventory;
use super::mask_ids::{common, renewed};
use super::parameter::Parameter;
use super::reading::{ModelReading, ReadBack};
use super::walk::{Place, Position};
use crate::mask::{Answer, Trust};

/// When places with one id and equal values are one parameter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// They have at most one mask, which all of them get.
    OneMask,
    /// All of them have the same mask, or none has one.
    SameMask,
}

impl Inventory {
    /// Reads these weights and masks of the model, with a single read-back from each device, after
    /// deciding which places are one shared parameter.
    ///
    /// What is read, and what may be one with it, is initialized.
    pub(crate) fn read<M: Module>(
        mut self,
        model: &M,
        mut weights: HashSet<Place>,
        masks: &HashSet<Place>,
        sharing: Sharing,
    ) -> ModelReading {
        let mut masks = masks.clone();
        let ids: HashSet<ParamId> = self
            .parameters
            .iter()
            .filter(|known| weights.contains(&known.place()) || masks.contains(&known.place()))
            .map(|known| known.id)
            .collect();
        let repeated: HashSet<Place> = self
            .repeated()
            .into_iter()
            .filter(|(id, _)| ids.contains(id))
            .flat_map(|(_, places)| places)
            .collect();
        weights.extend(&repeated);
        masks.extend(&repeated);
        let all = weights.union(&masks).copied().collect();
        self.initialize(model, &all);
        let values = ReadBack::of(model, &self, weights, &masks);
        self.merge_equal(&repeated, &values, sharing);
        ModelReading::new(self, values)
    }

    /// Decides which places are one shared parameter with one of these. Reads back the weights of
    /// those whose id is at other places too.
    pub(crate) fn decide<M: Module>(&mut self, model: &M, parameters: &HashSet<Place>) {
        self.initialize(model, parameters);
        let is_asked = |places: &Vec<Place>| places.iter().any(|place| parameters.contains(place));
        let doubtful: HashSet<Place> = self
            .repeated()
            .into_values()
            .filter(is_asked)
            .flatten()
            .collect();
        self.merge_places(model, doubtful);
    }

    /// Decides for all parameters which places are one.
    pub(crate) fn decide_all<M: Module>(&mut self, model: &M) {
        let repeated = self.repeated().into_values().flatten().collect();
        self.merge_places(model, repeated);
    }

    fn merge_places<M: Module>(&mut self, model: &M, doubtful: HashSet<Place>) {
        if doubtful.is_empty() {
            return;
        }
        let reading = std::mem::take(self).read(model, doubtful, &HashSet::new(), Sharing::OneMask);
        *self = reading.into_inventory();
    }

    /// Parameters whose id another one has too, by their id and in the order of the model.
    pub(crate) fn repeated(&self) -> HashMap<ParamId, Vec<Place>> {
        let mut places: HashMap<ParamId, Vec<Place>> = HashMap::new();
        for parameter in self.parameters.iter().filter(|known| !known.is_statistic()) {
            let places = places.entry(parameter.id).or_default();
            places.push(parameter.place());
        }
        places.retain(|_, places| places.len() > 1);
        places
    }

    fn merge_equal(&mut self, repeated: &HashSet<Place>, read: &ReadBack, sharing: Sharing) {
        let mut alike: HashMap<ParamId, Vec<Vec<&Parameter>>> = HashMap::new();
        for parameter in &self.parameters {
            if !repeated.contains(&parameter.place()) {
                continue;
            }
            let groups = alike.entry(parameter.id).or_default();
            let group = groups
                .iter_mut()
                .find(|group| read.are_equal(group[0], parameter));
            match group {
                Some(group) => group.push(parameter),
                None => groups.push(vec![parameter]),
            }
        }
        let mut first = HashMap::new();
        for group in alike.into_values().flatten() {
            let mask = |known: &Parameter| known.mask_id().map(common);
            let masks: HashSet<ParamId> = group.iter().filter_map(|known| mask(known)).collect();
            let one_mask = masks.len() <= 1 && sharing == Sharing::OneMask;
            for parameter in &group {
                let mut all = group.iter();
                let same = |other: &&&Parameter| one_mask || mask(other) == mask(parameter);
                let other = all.find(same).expect("it is among them");
                first.insert(parameter.place(), other.place());
            }
        }
        self.merge(|parameter| first.get(&parameter.place()).copied());
    }
}

/// Dotted paths of the parameters that are used at several places, those of one together.
///
/// Places of one [`ParamId`] are shared when their values are equal, or when they have got one mask
/// together before. The others are parameters of their own: clones that were trained apart, models
/// from one file. Weights are read back from the device where an id is there more than once.
///
/// ```
/// use burn::{nn::LinearConfig, tensor::Device};
/// use burn_prune::shared_parameters;
///
/// let layer = LinearConfig::new(8, 4).init(&Device::flex());
/// let mut layers = vec![layer.clone(), layer];
/// assert_eq!(shared_parameters(&layers), [["0.weight", "1.weight"], ["0.bias", "1.bias"]]);
/// let weight = layers[1].weight.clone();
/// layers[1].weight = weight.map(|weight| weight * 2.0);
/// assert_eq!(shared_parameters(&layers), [["0.bias", "1.bias"]]);
/// ```
pub fn shared_parameters<M: Module>(model: &M) -> Vec<Vec<String>> {
    let mut inventory = Inventory::of(model);
    inventory.decide_all(model);
    inventory
        .parameters
        .into_iter()
        .filter(|known| !known.is_statistic() && known.paths.len() > 1)
        .map(|known| known.paths)
        .collect()
}

/// Gives every parameter a new id, a shared one the same at all its places.
pub(crate) fn with_fresh_ids<M: Module>(model: M) -> M {
    let mut inventory = Inventory::of(&model);
    inventory.decide_all(&model);
    let mut weights = HashMap::new();
    for parameter in &inventory.parameters {
        let id = ParamId::new();
        weights.extend(parameter.places.iter().map(|place| (*place, id)));
    }
    model.map(&mut FreshIds {
        weights,
        at: Position::default(),
        weight: None,
        others: HashMap::new(),
    })
}

struct FreshIds {
    weights: HashMap<Place, ParamId>,
    at: Position,
    /// The new id of the weight that was visited last.
    weight: Option<ParamId>,
    /// New ids of what is no weight, by the old one and that of the weight that it is on; of masks
    /// what they have in common.
    others: HashMap<(Option<ParamId>, ParamId), u64>,
}

impl FreshIds {
    fn of(&mut self, old: ParamId) -> ParamId {
        let weight = self.weight.filter(|_| self.at.is_nested());
        let id = self.others.entry((weight, common(old)));
        let id = *id.or_insert_with(|| ParamId::new().val());
        renewed(old, id)
    }
}

impl ModuleMapper for FreshIds {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.at.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.at.exit(container);
    }

    fn map_float<const D: usize>(&mut self, mut param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.id = match self.at.weight() {
            Some(place) => {
                self.weight = self.weights.get(&place).copied();
                self.weight.expect("every place has an id")
            }
            None => self.of(param.id),
        };
        param
    }

    fn map_int<const D: usize>(
        &mut self,
        mut param: Param<Tensor<D, Int>>,
    ) -> Param<Tensor<D, Int>> {
        param.id = self.of(param.id);
        param
    }

    fn map_bool<const D: usize>(
        &mut self,
        mut param: Param<Tensor<D, Bool>>,
    ) -> Param<Tensor<D, Bool>> {
        param.id = self.of(param.id);
        param
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        Trust::answer(flag, Answer::Unchanged)
    }
}
