//! Records of masked models: exact zeros when saving, masks attached when loading.

#[cfg(feature = "pytorch")]
pub(crate) mod pytorch;
mod taken;

use std::collections::{HashMap, HashSet};
use std::path::Path;

use burn::module::{Module, Param};
use burn::store::{ModuleRecord, RecordError};
use burn::tensor::{Int, Tensor};

use crate::{
    PruneError, Rejected, WeightMask,
    model::{Inventory, attach_bits, zero_after_step, zero_pruned},
};
use taken::{Identity, Put, Taken, is_mask, mask_path};

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

/// Whether [`load`] would take this record; the model stays as it is.
#[cfg(feature = "optim")]
pub(crate) fn check<M: Module>(model: &M, record: ModuleRecord) -> Result<(), PruneError> {
    complete(model, &Inventory::of(model), record).map(drop)
}

/// What the record has for the model, when that is all it needs: every parameter, and the mask of
/// each that is masked.
fn complete<M: Module>(
    model: &M,
    inventory: &Inventory,
    record: ModuleRecord,
) -> Result<Taken, PruneError> {
    let taken = Taken::from_record(model, record)?;
    let masked = inventory
        .parameters
        .iter()
        .filter(|known| known.is_masked());
    let masks = masked
        .flat_map(|known| &known.paths)
        .map(|path| mask_path(path));
    let masks: HashSet<String> = masks.collect();
    taken.check_complete(|path| !is_mask(path) || masks.contains(path))?;
    Ok(taken)
}

/// Loads weights and masks.
pub(crate) fn load<M: Module>(model: M, record: ModuleRecord) -> Result<M, Rejected<M>> {
    let inventory = Inventory::of(&model);
    let mut taken = match complete(&model, &inventory, record) {
        Ok(taken) => taken,
        Err(error) => return Err(Rejected::new(model, error)),
    };
    let mode = inventory.mask_mode();
    let mut masks = HashMap::new();
    let bare = inventory
        .parameters
        .iter()
        .filter(|known| !known.is_masked());
    for path in bare.flat_map(|known| &known.paths) {
        if let Some(bits) = taken.take::<Param<Tensor<1, Int>>>(&mask_path(path)) {
            let id = bits.id;
            let bits = bits.into_value();
            masks.insert(path.clone(), WeightMask::from_bits(bits, id, mode));
        }
    }
    let model = attach_bits(model, &masks);
    Ok(put(model, taken, Identity::OfRecord))
}

/// Loads weights and statistics, and leaves masks and identities as they are.
pub(crate) fn rewind<M: Module>(model: M, record: ModuleRecord) -> Result<M, Rejected<M>> {
    let taken = Taken::from_record(&model, record);
    let complete = taken.and_then(|mut taken| {
        taken.keep_floats();
        taken.check_complete(|_| true)?;
        Ok(taken)
    });
    match complete {
        Ok(taken) => Ok(put(model, taken, Identity::OfModel)),
        Err(error) => Err(Rejected::new(model, error)),
    }
}

fn put<M: Module>(model: M, taken: Taken, identity: Identity) -> M {
    // Statistics of the last batches may be waiting to be taken in, and would replace those of the
    // record later. Making an inference model takes them in now.
    drop(model.valid());
    let model = model.map(&mut Put::new(taken, identity));
    // A record may hold anything under its masks.
    zero_after_step(model)
}
