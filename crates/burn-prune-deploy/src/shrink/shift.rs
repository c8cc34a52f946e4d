//! Adding folded constants to the parameters of a model.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

use super::fold::{self, Check, Fold, Values};
use crate::error::DeployError;
use crate::graph::{Graph, dims};

/// A model that nobody else shares statistics with, with constants folded into its parameters. Reads
/// back the parameters that the constants are made of and that read them. `graph` knows which of them
/// are shared.
pub(super) fn folded<M: Module>(
    model: M,
    folds: &[Fold],
    graph: &Graph,
    check: Check,
) -> Result<M, DeployError> {
    let mut paths = BTreeSet::new();
    for fold in folds {
        fold.reads(&mut paths);
    }
    let shared = paths.iter().filter_map(|path| graph.parameter(path));
    let shared: Vec<_> = shared.filter(|known| !known.shared_as.is_empty()).collect();
    let copies = shared.iter().flat_map(|known| known.paths());
    let wanted = paths.iter().map(String::as_str).chain(copies).collect();
    let mut reader = Reader {
        path: Vec::new(),
        wanted: &wanted,
        values: Values::new(),
        shapes: BTreeMap::new(),
    };
    model.visit(&mut reader);
    if check == Check::Zeros {
        for known in shared {
            // Which copy an operation reads is not known.
            let of_first = reader.values.get(&known.path);
            let mut copies = known.shared_as.iter();
            if let Some(other) = copies.find(|copy| reader.values.get(*copy) != of_first) {
                return Err(DeployError::CopiesDiffer {
                    path: known.path.clone(),
                    other: other.clone(),
                });
            }
        }
    }
    let shifts = fold::shifts(folds, &reader.values, check)?;
    for (path, shift) in &shifts {
        let found = reader.shapes.get(path);
        let expected = [shift.len()];
        if found.is_none_or(|shape| *shape != expected) {
            return Err(DeployError::ModelMismatch {
                path: path.clone(),
                expected: dims(&expected),
                found: found.map_or("nothing".to_string(), |shape| dims(shape)),
            });
        }
    }
    Ok(model.map(&mut Shifter {
        path: Vec::new(),
        shifts,
    }))
}

struct Reader<'a> {
    path: Vec<String>,
    wanted: &'a BTreeSet<&'a str>,
    values: Values,
    shapes: BTreeMap<String, Vec<usize>>,
}

impl ModuleVisitor for Reader<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        let tensor = param.val();
        let shape = tensor.dims().to_vec();
        if self.wanted.contains(path.as_str()) {
            let values = tensor.into_data().iter::<f64>().collect();
            self.values.insert(path.clone(), (shape.clone(), values));
        }
        self.shapes.insert(path, shape);
    }
}

struct Shifter {
    path: Vec<String>,
    shifts: fold::Shifts,
}

impl ModuleMapper for Shifter {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(shift) = self.shifts.get(&self.path.join(".")) else {
            return param;
        };
        param.map(|tensor| {
            let shift = TensorData::new(shift.clone(), tensor.dims());
            let shift = Tensor::<D>::from_data(shift, (&tensor.device(), tensor.dtype()));
            tensor + shift
        })
    }
}
