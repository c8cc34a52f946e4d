//! Records of masked models: exact zeros when saving, masks attached when loading.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param, Reparameterization};
use burn::store::{ModuleRecord, RecordError};
use burn::tensor::{Bool, Int, Tensor};

use crate::{
    Mask, PruneError, Rejected, WeightMask,
    model::{Inventory, attach, zero_pruned},
};

pub(crate) fn masked<M: Module>(model: &M) -> ModuleRecord {
    // `valid` makes new tensors and new running statistics, so the model itself is not touched.
    zero_pruned(model.valid()).into_record()
}

pub(crate) fn save_file<M: Module>(model: &M, path: &Path) -> Result<(), PruneError> {
    masked(model)
        .save(path)
        .map_err(|error| in_file(path, error))
}

pub(crate) fn read_file(path: &Path) -> Result<ModuleRecord, PruneError> {
    ModuleRecord::load(path).map_err(|error| in_file(path, error))
}

fn in_file(path: &Path, error: RecordError) -> PruneError {
    PruneError::Record {
        message: format!("{}: {error}", path.display()),
    }
}

pub(crate) fn load<M: Module>(model: M, record: ModuleRecord) -> Result<M, Rejected<M>> {
    let fitting = tensors(&record).and_then(|tensors| {
        // A clone shares its tensors with the model until the record replaces them.
        let target = attach_recorded_masks(model.clone(), &tensors)?;
        compare(&Layout::of(&target), &tensors)?;
        Ok(target)
    });
    match fitting.map(|target| target.try_load_record(record)) {
        Ok(Ok(loaded)) => Ok(loaded),
        Ok(Err(error)) => {
            let message = error.to_string();
            Err(Rejected::new(model, PruneError::Record { message }))
        }
        Err(error) => Err(Rejected::new(model, error)),
    }
}

/// Shapes of tensors by their path.
type Shapes = BTreeMap<String, Vec<usize>>;

/// The tensors in a record. Burn tells their number only, so it is serialized and read as a file.
fn tensors(record: &ModuleRecord) -> Result<Shapes, PruneError> {
    let bytes = record.clone().into_bytes().map_err(broken)?;
    let tensors = burn_pack::Reader::from_bytes(bytes).and_then(burn_pack::Reader::into_tensors);
    let tensors = tensors.map_err(broken)?.into_iter();
    Ok(tensors
        .map(|tensor| (tensor.name, tensor.shape.to_vec()))
        .collect())
}

fn broken(error: impl std::fmt::Display) -> PruneError {
    PruneError::Record {
        message: error.to_string(),
    }
}

/// Attaches a mask that keeps everything to each parameter whose mask is recorded.
fn attach_recorded_masks<M: Module>(model: M, tensors: &Shapes) -> Result<M, PruneError> {
    let suffix = format!("{}.{}", WeightMask::NAME, WeightMask::BITS);
    let inventory = Inventory::of(&model);
    let mut masks = HashMap::new();
    for name in tensors.keys() {
        let Some(path) = name.strip_suffix(&suffix) else {
            continue;
        };
        let path = path.strip_suffix('.').unwrap_or(path);
        if let Some(parameter) = inventory.find(path).filter(|known| !known.is_masked()) {
            parameter.check_maskable()?;
            masks.insert(parameter.id, Mask::all_kept(parameter.shape.clone()));
        }
    }
    Ok(attach(model, &masks, crate::MaskMode::OnRead))
}

/// Refuses what Burn would refuse while loading, before anything is loaded.
fn compare(model: &Shapes, record: &Shapes) -> Result<(), PruneError> {
    for (path, expected) in model {
        let message = match record.get(path) {
            Some(found) if found == expected => continue,
            Some(found) => format!("`{path}` has shape {found:?}, expected {expected:?}"),
            None => format!("`{path}` is missing, expected with shape {expected:?}"),
        };
        return Err(PruneError::Record { message });
    }
    match record.keys().find(|path| !model.contains_key(*path)) {
        Some(path) => Err(PruneError::Record {
            message: format!("`{path}` is in the record, but the model has no such parameter"),
        }),
        None => Ok(()),
    }
}

/// Collects the tensors that a record of a model has.
#[derive(Default)]
struct Layout {
    path: Vec<String>,
    shapes: Shapes,
}

impl Layout {
    fn of<M: Module>(model: &M) -> Shapes {
        let mut layout = Self::default();
        model.visit(&mut layout);
        layout.shapes
    }
}

impl ModuleVisitor for Layout {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.shapes
            .insert(self.path.join("."), param.lazy_shape().to_vec());
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.shapes
            .insert(self.path.join("."), param.lazy_shape().to_vec());
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.shapes
            .insert(self.path.join("."), param.lazy_shape().to_vec());
    }
}
