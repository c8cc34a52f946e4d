//! PyTorch state dicts with the masks of `torch.nn.utils.prune`.

use std::any::Any;
use std::collections::HashMap;
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Bool, Int, Tensor, TensorData};
use burn_pack::Tensor as Stored;
use burn_store::{
    Applier, ModuleStore, PyTorchToBurnAdapter, PytorchStore, bridge, map_indices_contiguous,
};

use super::catching;
use crate::error::PruneError;
use crate::mask::{Mask, MaskSet};
use crate::model::{Inventory, Parameter, Position, shared_parameters, update, with_masks};
use crate::rejected::{Rejected, accept};

/// What PyTorch appends to the name of a pruned parameter, and to that of its mask.
const ORIGINAL: &str = "_orig";
const MASK: &str = "_mask";

pub(crate) fn load<M: Module>(model: M, path: &Path) -> Result<M, Rejected<M>> {
    let ((plain, masks), model) = accept(read(&model, path), model)?;
    // It fits by now, so the model can take it all at once.
    let mut copy = Copy::default();
    plain.visit(&mut copy);
    let model = model.map(&mut copy);
    if masks.is_empty() {
        return Ok(model);
    }
    with_masks(model, &masks)
}

struct WithoutMappers;

impl ModuleMapper for WithoutMappers {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        Param::initialized(param.id, param.into_value())
    }
}

/// Carries parameters and statistics from one model to another of the same type, by path.
#[derive(Default)]
struct Copy {
    at: Position,
    tensors: HashMap<String, Box<dyn Any>>,
}

impl Copy {
    fn insert<T: Any>(&mut self, tensor: T) {
        self.tensors
            .insert(self.at.path().to_string(), Box::new(tensor));
    }

    fn take<T: Any>(&mut self) -> Option<T> {
        let tensor = self.tensors.remove(self.at.path())?;
        Some(*tensor.downcast().expect("the models are of one type"))
    }
}

impl ModuleVisitor for Copy {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.at.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.at.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.insert(param.base());
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.insert(param.val());
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.insert(param.val());
    }
}

impl ModuleMapper for Copy {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.at.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.at.exit(container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.take::<Tensor<D>>() {
            Some(tensor) => update(param, |weight| tensor.to_device(&weight.device())),
            None => param,
        }
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        match self.take::<Tensor<D, Int>>() {
            Some(tensor) => param.map(|old| tensor.to_device(&old.device())),
            None => param,
        }
    }

    fn map_bool<const D: usize>(
        &mut self,
        param: Param<Tensor<D, Bool>>,
    ) -> Param<Tensor<D, Bool>> {
        match self.take::<Tensor<D, Bool>>() {
            Some(tensor) => param.map(|old| tensor.to_device(&old.device())),
            None => param,
        }
    }
}

/// What the file holds: weights and statistics under the names that burn-store loads them by, and
/// the masks under those of their weights.
struct StateDict {
    tensors: Vec<Stored>,
    masks: Vec<Stored>,
}

impl StateDict {
    fn read(path: &Path) -> Result<Self, String> {
        // Names as they are in the file: `x_orig` may be the name of something else.
        let mut store = PytorchStore::from_file(path).map_indices_contiguous(false);
        let tensors = store.get_all_tensors().map_err(|error| error.to_string())?;
        let is_pruned = |name: &str| {
            [ORIGINAL, MASK]
                .iter()
                .all(|suffix| tensors.contains_key(&format!("{name}{suffix}")))
        };
        let mut renamed = Vec::new();
        let mut is_mask = Vec::new();
        for (name, tensor) in tensors {
            let pruned_by = |suffix| name.strip_suffix(suffix).filter(|name| is_pruned(name));
            let weight = pruned_by(ORIGINAL).or(pruned_by(MASK));
            if let Some(weight) = weight.filter(|weight| tensors.contains_key(*weight)) {
                return Err(format!("it has both `{weight}` and `{weight}{ORIGINAL}`"));
            }
            let mut tensor = tensor.clone();
            tensor.name = weight.unwrap_or(name).to_string();
            renamed.push(tensor);
            is_mask.push(pruned_by(MASK).is_some());
        }
        // Weights and masks together, so that both get the same numbers. The order stays.
        let (renamed, _) = map_indices_contiguous(renamed);
        let mut read = Self {
            tensors: Vec::new(),
            masks: Vec::new(),
        };
        for (tensor, is_mask) in renamed.into_iter().zip(is_mask) {
            let tensors = if is_mask {
                &mut read.masks
            } else {
                &mut read.tensors
            };
            tensors.push(tensor);
        }
        Ok(read)
    }
}

/// Which weights a mask of PyTorch keeps: 1 keeps, 0 prunes, and nothing else is allowed.
fn kept(path: &str, mask: &TensorData) -> Result<Vec<bool>, PruneError> {
    let is_kept = |(index, value): (usize, f64)| {
        if value == 0.0 || value == 1.0 {
            return Ok(value == 1.0);
        }
        Err(PruneError::MaskValue {
            path: path.to_string(),
            index,
            found: value,
        })
    };
    mask.iter::<f64>().enumerate().map(is_kept).collect()
}

/// The parameter that burn-store loads under this name: variants of enums are left out, and norms
/// call their weight and bias otherwise.
fn named_by_pytorch<'a>(inventory: &'a Inventory, name: &str) -> Option<&'a Parameter> {
    let (layer, own) = name.rsplit_once('.').map_or(("", name), |(_, own)| {
        (&name[..name.len() - own.len()], own)
    });
    let of_norm = match own {
        "weight" => Some(format!("{layer}gamma")),
        "bias" => Some(format!("{layer}beta")),
        _ => None,
    };
    let has = |known: &Parameter, name: &str| {
        let mut paths = known.paths.iter().chain(&known.plain_paths);
        paths.any(|path| path == name)
    };
    let mut parameters = inventory.parameters.iter();
    parameters.find(|known| has(known, name) || of_norm.as_ref().is_some_and(|n| has(known, n)))
}

/// A copy of the model with the weights of the file, and the masks.
fn read<M: Module>(model: &M, path: &Path) -> Result<(M, MaskSet), PruneError> {
    let failed = |message: String| PruneError::Record {
        message: format!("{}: {message}", path.display()),
    };
    let mut inventory = Inventory::of(model);
    let all = inventory.parameters.iter().map(Parameter::place).collect();
    inventory.initialize(model, &all);
    if inventory.is_masked() {
        return Err(failed(
            "the model has masks already; load into a model without masks".to_string(),
        ));
    }
    let StateDict { tensors, masks } = StateDict::read(path).map_err(failed)?;
    let mut found = MaskSet::new();
    for mask in masks {
        let weight = mask.name.clone();
        let parameter = named_by_pytorch(&inventory, &weight).ok_or_else(|| {
            let found = inventory.paths();
            let path = weight.clone();
            PruneError::MaskFitsNothing { path, found }
        })?;
        parameter.check_maskable()?;
        let data = bridge::into_data(mask).map_err(|error| failed(error.to_string()))?;
        let kept = kept(&weight, &data)?;
        let shape = data.shape().to_vec();
        let mask = match (parameter.weight_of(), shape.as_slice()) {
            (Some("Linear"), &[rows, columns]) => {
                let transposed = (0..kept.len()).map(|i| kept[i % rows * columns + i / rows]);
                Mask::from_kept([columns, rows], &transposed.collect::<Vec<_>>())?
            }
            _ => Mask::from_kept(shape, &kept)?,
        };
        if mask.shape() != parameter.shape {
            return Err(PruneError::MaskShape {
                path: weight,
                expected: parameter.shape.clone(),
                found: mask.shape().to_vec(),
            });
        }
        // A shared parameter is in the file under both of its names.
        if found
            .get(parameter.path())
            .is_some_and(|known| *known != mask)
        {
            return Err(PruneError::MasksDiffer {
                path: parameter.path().to_string(),
                other: weight,
            });
        }
        found.insert(parameter.path(), mask);
    }
    let plain = loaded(model, tensors).map_err(failed)?;
    check_shared(&plain, &found).map_err(failed)?;
    Ok((plain, found))
}

/// Refuses masks that differ between the places of a shared parameter: it has one.
fn check_shared<M: Module>(plain: &M, masks: &MaskSet) -> Result<(), String> {
    if masks.is_empty() {
        return Ok(());
    }
    for paths in shared_parameters(plain) {
        let first = masks.get(&paths[0]);
        let mut others = paths.iter();
        if let Some(other) = others.find(|path| masks.get(path) != first) {
            return Err(format!(
                "`{}` and `{other}` are one shared parameter of the model, but their masks in the \
                 file differ: load it into a model in which they are two",
                paths[0]
            ));
        }
    }
    Ok(())
}

/// A copy of the model with these tensors.
fn loaded<M: Module>(model: &M, tensors: Vec<Stored>) -> Result<M, String> {
    // New tensors and new running statistics: what does not fit has changed nothing.
    // Without load mappers: burn-store gives a `Linear` as it is used, and one in column layout
    // would transpose it once more.
    let plain = model.valid().map(&mut WithoutMappers);
    let mut applier = Applier::new(tensors, None, Some(Box::new(PyTorchToBurnAdapter)), true);
    // Not by `load_from`, which aborts the process where a backend panics on a type that it lacks.
    let plain = catching(|| plain.map(&mut applier))?;
    let result = applier.into_result();
    if !result.errors.is_empty() || !result.missing.is_empty() {
        return Err(result.to_string());
    }
    Ok(plain)
}
