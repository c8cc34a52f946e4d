//! The float parameters of a model, without reading them.

use std::collections::{HashMap, HashSet};

use burn::module::{Module, Param};
use burn::tensor::{DType, Int, Tensor};

use super::mask_ids::Together;
use super::parameter::Parameter;
use super::statistics::statistics;
use super::walk::{Place, Position, WeightVisitor, visit};
use crate::error::PruneError;
use crate::mask::{MaskMode, Trust};

/// The float parameters of a model in module order.
///
/// Places are one shared parameter when they have one id and one mask that was given to them
/// together. Whether places of one id without such a mask are shared takes their values to decide:
/// until it is [read](Self::read) each is a parameter of its own.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    pub parameters: Vec<Parameter>,
    /// The index of the parameter that is at a path.
    by_path: HashMap<String, usize>,
}

impl Inventory {
    pub(crate) fn of<M: Module>(model: &M) -> Self {
        let mut parameters = visit(model, Collector::default()).0;
        let statistics = statistics(model);
        for (parameter, statistic) in parameters.iter_mut().zip(statistics) {
            parameter.statistic = statistic;
        }
        let mut inventory = Self {
            parameters,
            by_path: HashMap::new(),
        };
        let mut together = Together::default();
        inventory.merge(|parameter| together.first(parameter));
        inventory
    }

    /// Makes one parameter of those for which this gives the place of the same first one.
    pub(super) fn merge(&mut self, mut first: impl FnMut(&Parameter) -> Option<Place>) {
        let mut merged: Vec<Parameter> = Vec::with_capacity(self.parameters.len());
        let mut by_place = HashMap::new();
        for parameter in std::mem::take(&mut self.parameters) {
            let place = first(&parameter).unwrap_or(parameter.place());
            match by_place.get(&place) {
                Some(&index) => Parameter::merge(&mut merged[index], parameter),
                None => {
                    by_place.insert(place, merged.len());
                    merged.push(parameter);
                }
            }
        }
        self.parameters = merged;
        self.by_path.clear();
        for (index, parameter) in self.parameters.iter().enumerate() {
            for path in &parameter.paths {
                // If a module gives two parameters one path, it means the first.
                self.by_path.entry(path.clone()).or_insert(index);
            }
        }
    }

    /// Initializes these parameters of the model, and learns their shapes.
    ///
    /// A lazy parameter reports the shape that it is initialized with, which for a `Linear` in column
    /// layout is not its shape afterwards.
    pub(crate) fn initialize<M: Module>(&mut self, model: &M, parameters: &HashSet<Place>) {
        let wanted = self
            .parameters
            .iter()
            .filter(|known| parameters.contains(&known.place()))
            .flat_map(|known| &known.places)
            .map(|place| (*place, Vec::new()));
        let Shapes(mut shapes) = visit(model, Shapes(wanted.collect()));
        for parameter in &mut self.parameters {
            if let Some(shape) = shapes.remove(&parameter.place()) {
                parameter.shape = shape;
            }
        }
    }

    /// The parameter at this path, by whichever of its paths.
    pub(crate) fn find(&self, path: &str) -> Option<&Parameter> {
        let index = self.by_path.get(path)?;
        self.parameters.get(*index)
    }

    /// The parameter that a mask with this path is for.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn at(&self, path: &str) -> Result<&Parameter, PruneError> {
        self.find(path).ok_or_else(|| PruneError::MaskFitsNothing {
            path: path.to_string(),
            found: self.paths(),
        })
    }

    pub(crate) fn is_masked(&self) -> bool {
        self.parameters.iter().any(Parameter::is_masked)
    }

    /// When the zeros of the masks are put in; by default on read.
    pub(crate) fn mask_mode(&self) -> MaskMode {
        let masked = self.parameters.iter().find(|known| known.is_masked());
        masked.map(|known| known.mode).unwrap_or_default()
    }

    /// Refuses what taking masks off would merge into its weight: any other reparameterization.
    pub(crate) fn check_detachable(&self) -> Result<(), PruneError> {
        if !self.is_masked() {
            return Err(PruneError::NotPruned);
        }
        self.check_not_foreign()
    }

    /// Refuses any reparameterization that is not a mask.
    pub(crate) fn check_not_foreign(&self) -> Result<(), PruneError> {
        for parameter in &self.parameters {
            if let Some(name) = parameter.foreign_reparameterization() {
                return Err(PruneError::Reparameterized {
                    path: parameter.path().to_string(),
                    name: name.to_string(),
                });
            }
        }
        Ok(())
    }

    /// The paths of all weights, for messages.
    pub(crate) fn paths(&self) -> String {
        let paths: Vec<&str> = self
            .parameters
            .iter()
            .filter(|known| !known.statistic)
            .flat_map(|known| &known.paths)
            .map(String::as_str)
            .collect();
        paths.join(", ")
    }
}

/// Learns the shapes of initialized parameters.
struct Shapes(HashMap<Place, Vec<usize>>);

impl WeightVisitor for Shapes {
    fn weight<const D: usize>(&mut self, at: &Position, param: &Param<Tensor<D>>) {
        if let Some(shape) = self.0.get_mut(&at.place()) {
            *shape = param.base().dims().to_vec();
        }
    }
}

#[derive(Default)]
struct Collector(Vec<Parameter>);

impl Collector {
    /// The parameter that was visited last.
    fn last(&mut self) -> Option<&mut Parameter> {
        self.0.last_mut()
    }
}

impl WeightVisitor for Collector {
    fn weight<const D: usize>(&mut self, at: &Position, param: &Param<Tensor<D>>) {
        // Asking a lazy parameter for its type would initialize it.
        let dtype = param.is_initialized().then(|| param.base().dtype());
        let mut parameter = Parameter::new(at, param.id, &param.lazy_shape());
        parameter.quantized = dtype.filter(|dtype| matches!(dtype, DType::QFloat(_)));
        self.0.push(parameter);
    }

    fn reparameterization(&mut self, _at: &Position, name: &str) {
        if let Some(parameter) = self.last() {
            parameter.reparameterization = Some(name.to_string());
        }
    }

    fn bits(&mut self, _at: &Position, bits: &Param<Tensor<1, Int>>) {
        if let Some(parameter) = self.last() {
            parameter.bits = Some((bits.id, bits.val()));
        }
    }

    fn mask(&mut self, _at: &Position, mode: MaskMode, trust: Trust) {
        if let Some(parameter) = self.last() {
            parameter.mode = mode;
            parameter.trust = trust;
        }
    }
}
