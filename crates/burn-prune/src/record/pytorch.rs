//! PyTorch state dicts with the masks of `torch.nn.utils.prune`.

use std::any::Any;
use std::collections::HashMap;
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Bool, Int, Tensor, TensorData};
use burn_store::{ModuleSnapshot, ModuleStore, PytorchStore};

use crate::{
    Mask, MaskSet, Prunable, PruneError, Rejected,
    model::{Inventory, Parameter, update},
};

/// What PyTorch appends to the name of a pruned parameter, and to that of its mask.
const ORIGINAL: &str = "_orig";
const MASK: &str = "_mask";
/// What the names of masks end with once they are told apart from what is only called so.
const KNOWN_MASK: &str = ".burn_prune_mask";

pub(crate) fn load<M: Module>(model: M, path: &Path) -> Result<M, Rejected<M>> {
    let (plain, masks) = match read(&model, path) {
        Ok(loaded) => loaded,
        Err(error) => return Err(Rejected::new(model, error)),
    };
    // It fits by now, so the model can take it all at once.
    let mut copy = Copy::default();
    plain.visit(&mut copy);
    let model = model.map(&mut copy);
    match masks.is_empty() {
        true => Ok(model),
        false => model.with_masks(&masks),
    }
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
    path: Vec<String>,
    tensors: HashMap<String, Box<dyn Any>>,
}

impl Copy {
    fn insert<T: Any>(&mut self, tensor: T) {
        self.tensors.insert(self.path.join("."), Box::new(tensor));
    }

    fn take<T: Any>(&mut self) -> Option<T> {
        let tensor = self.tensors.remove(&self.path.join("."))?;
        Some(*tensor.downcast().expect("the models are of one type"))
    }
}

impl ModuleVisitor for Copy {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
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
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
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

/// A store in which pruned parameters and their masks have names of their own.
fn pruned_store(path: &Path) -> Result<PytorchStore, String> {
    // Names as they are in the file: something may well be called `x_orig` and be no such thing.
    let mut raw = PytorchStore::from_file(path).map_indices_contiguous(false);
    let names = raw.keys().map_err(|error| error.to_string())?;
    let pruned = names.iter().filter_map(|name| name.strip_suffix(ORIGINAL));
    let pruned = pruned.filter(|name| names.contains(&format!("{name}{MASK}")));
    Ok(pruned.fold(PytorchStore::from_file(path), |store, name| {
        let pattern = name.replace('.', "\\.");
        store
            .with_key_remapping(format!("^{pattern}{ORIGINAL}$"), name)
            .with_key_remapping(format!("^{pattern}{MASK}$"), format!("{name}{KNOWN_MASK}"))
    }))
}

/// The parameter that burn-store loads under this name: variants of enums are left out, and norms
/// call their weight and bias otherwise.
fn named_by_pytorch<'a>(inventory: &'a Inventory, name: &str) -> Option<&'a Parameter> {
    let of_norm = match name.rsplit_once('.') {
        Some((layer, "weight")) => Some(format!("{layer}.gamma")),
        Some((layer, "bias")) => Some(format!("{layer}.beta")),
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
    let all = inventory.parameters.iter();
    let all = all.map(|known| known.place()).collect();
    inventory.initialize(model, &all);
    if inventory.is_masked() {
        return Err(failed(
            "the model has masks already, load into one without".to_string(),
        ));
    }
    let mut store = pruned_store(path).map_err(failed)?;
    let tensors = store
        .get_all_tensors()
        .map_err(|error| failed(error.to_string()))?;
    let mut masks = MaskSet::new();
    for (name, tensor) in tensors {
        let Some(weight) = name.strip_suffix(KNOWN_MASK) else {
            continue;
        };
        let parameter = named_by_pytorch(&inventory, weight);
        let parameter = parameter.ok_or_else(|| PruneError::MaskFitsNothing {
            path: weight.to_string(),
            found: inventory.paths(),
        })?;
        let bytes = tensor
            .to_bytes()
            .map_err(|error| failed(error.to_string()))?;
        let data = TensorData::from_bytes(bytes, tensor.shape.clone(), tensor.dtype);
        parameter.check_maskable()?;
        let kept: Vec<bool> = data.iter::<f32>().map(|kept| kept != 0.0).collect();
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
                path: weight.to_string(),
                expected: parameter.shape.clone(),
                found: mask.shape().to_vec(),
            });
        }
        masks.insert(parameter.path(), mask);
    }
    // New tensors and new running statistics: what does not fit has changed nothing.
    // Without load mappers: burn-store gives a `Linear` as it is used, and one in column layout
    // would transpose it once more.
    let mut plain = model.valid().map(&mut WithoutMappers);
    plain
        .load_from(&mut store)
        .map_err(|error| failed(error.to_string()))?;
    Ok((plain, masks))
}
