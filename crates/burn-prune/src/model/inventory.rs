//! The float parameters of a model, without reading them.

use std::any::Any;
use std::collections::{HashMap, HashSet};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Int, Tensor};

use super::parameter::Parameter;
use super::place::{Place, Places};
use super::shared::Together;
use super::statistics::statistics;
use crate::PruneError;
use crate::mask::{MaskMode, WeightMask};

/// The float parameters of a model in module order.
///
/// Places are one shared parameter when they have one id and one mask that was given to them
/// together. Whether places of one id without such a mask are shared takes their values to decide:
/// until it is [read](Self::read) each is a parameter of its own.
#[derive(Debug)]
pub(crate) struct Inventory {
    pub parameters: Vec<Parameter>,
    /// The index of the parameter that is at a path.
    by_path: HashMap<String, usize>,
}

impl Inventory {
    pub(crate) fn of<M: Module>(model: &M) -> Self {
        let mut parameters = collect(model);
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
                // Should a module call two parameters the same, the first is meant.
                self.by_path.entry(path.clone()).or_insert(index);
            }
        }
    }

    /// Initializes these parameters of the model, and learns their shapes.
    ///
    /// A lazy parameter tells the shape that it is initialized with, which for a `Linear` in column
    /// layout is not the shape that it has.
    pub(crate) fn initialize<M: Module>(&mut self, model: &M, parameters: &HashSet<Place>) {
        let mut shapes = Shapes {
            of: HashMap::new(),
            places: Places::default(),
        };
        for parameter in &self.parameters {
            if parameters.contains(&parameter.place()) {
                let places = parameter.places.iter();
                shapes.of.extend(places.map(|place| (*place, Vec::new())));
            }
        }
        model.visit(&mut shapes);
        for parameter in &mut self.parameters {
            if let Some(shape) = shapes.of.remove(&parameter.place()) {
                parameter.shape = shape;
            }
        }
    }

    /// The parameter at this path, by whichever of its paths.
    pub(crate) fn find(&self, path: &str) -> Option<&Parameter> {
        let index = self.by_path.get(path)?;
        self.parameters.get(*index)
    }

    pub(crate) fn is_masked(&self) -> bool {
        self.parameters.iter().any(Parameter::is_masked)
    }

    /// When the zeros of the masks are put in; by default on read.
    pub(crate) fn mask_mode(&self) -> MaskMode {
        let mut masked = self.parameters.iter().filter(|known| known.is_masked());
        masked.next().map(|known| known.mode).unwrap_or_default()
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
        let mut others = self.parameters.iter();
        let foreign = others.find_map(|known| Some((known, known.foreign_reparameterization()?)));
        match foreign {
            Some((parameter, name)) => Err(PruneError::Reparameterized {
                path: parameter.path().to_string(),
                name: name.to_string(),
            }),
            None => Ok(()),
        }
    }

    /// The paths of all weights, for messages.
    pub(crate) fn paths(&self) -> String {
        let weights = self.parameters.iter().filter(|known| !known.statistic);
        let paths: Vec<&str> = weights
            .flat_map(|known| &known.paths)
            .map(String::as_str)
            .collect();
        paths.join(", ")
    }
}

fn collect<M: Module>(model: &M) -> Vec<Parameter> {
    let mut collector = Collector::default();
    model.visit(&mut collector);
    collector.parameters
}

struct Shapes {
    of: HashMap<Place, Vec<usize>>,
    places: Places,
}

impl ModuleVisitor for Shapes {
    fn enter_module(&mut self, _name: &str, container: &str) {
        self.places.enter(container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.places.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let place = self.places.visit();
        if let Some(shape) = place.and_then(|place| self.of.get_mut(&place)) {
            *shape = param.base().dims().to_vec();
        }
    }
}

#[derive(Default)]
struct Collector {
    path: Vec<String>,
    containers: Vec<String>,
    places: Places,
    parameters: Vec<Parameter>,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, container: &str) {
        if let Some(parameter) = self.parameters.last_mut() {
            parameter.enter(self.places.nested(), name, container);
        }
        self.places.enter(container);
        self.path.push(name.to_string());
        self.containers.push(container.to_string());
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.places.exit(container);
        self.path.pop();
        self.containers.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(place) = self.places.visit() else {
            return;
        };
        let container = self.containers.last();
        let layer = container.and_then(|container| container.strip_prefix("Struct:"));
        // Asking a lazy parameter for its type would initialize it.
        let dtype = param.is_initialized().then(|| param.base().dtype());
        let names = self.path.iter().zip(&self.containers);
        let plain = names.filter(|(_, container)| !container.starts_with("Enum:"));
        let plain: Vec<&str> = plain.map(|(name, _)| name.as_str()).collect();
        let (path, plain) = (self.path.join("."), plain.join("."));
        let mut parameter = Parameter::new(place, path, plain, param.id, &param.lazy_shape());
        parameter.layer = layer.map(str::to_string);
        parameter.quantized = dtype.filter(|dtype| matches!(dtype, DType::QFloat(_)));
        self.parameters.push(parameter);
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        // Bits are of rank 1. A reshape would be an operation on the device.
        let bits = (param as &dyn Any).downcast_ref::<Param<Tensor<1, Int>>>();
        let name = self.path.last().map(String::as_str);
        if let (1, Some(bits), Some(WeightMask::BITS)) = (self.places.nested(), bits, name)
            && let Some(parameter) = self.parameters.last_mut()
        {
            parameter.take_bits(bits);
        }
    }
}
