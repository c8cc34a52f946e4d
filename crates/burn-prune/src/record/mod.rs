//! Records of masked models: exact zeros when saving, masks attached when loading.

mod contents;
mod file;
mod header;
mod put;
#[cfg(feature = "pytorch")]
pub(crate) mod pytorch;

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use burn::module::{Module, Param};
use burn::store::ModuleRecord;
use burn::tensor::{Int, Tensor};

use crate::error::PruneError;
use crate::mask::WeightMask;
use crate::model::{Inventory, attach_bits, zero_after_step, zero_pruned};
use crate::rejected::{Rejected, accept};
use contents::{Contents, is_mask, mask_path};
pub(crate) use file::RecordFile;
#[cfg(feature = "lottery")]
pub(crate) use file::of_bytes;
use put::{Ids, Put};

pub(crate) fn masked<M: Module>(model: &M) -> ModuleRecord {
    // `valid` makes new tensors and new running statistics, so the model itself is not touched.
    zero_pruned(model.valid()).into_record()
}

pub(crate) fn save_file<M: Module>(model: &M, path: &Path) -> Result<(), PruneError> {
    file::save(masked(model), path)
}

/// Calls code of Burn that may panic, and turns a panic into an error.
///
/// Burn checks shapes, but panics on number types that the backend lacks, and on damaged values in
/// files without a checksum. Only for work on a copy, which is dropped when it is half done.
fn catching<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let literal = panic.downcast_ref::<&str>().copied();
        let text = literal.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        format!("Burn panicked: {}", text.unwrap_or("no reason given"))
    })
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
) -> Result<Contents, PruneError> {
    let contents = Contents::from_record(model, record)?;
    let masks: HashSet<String> = inventory
        .parameters
        .iter()
        .filter(|known| known.is_masked())
        .flat_map(|known| &known.paths)
        .map(|path| mask_path(path))
        .collect();
    contents.check_complete(|path| !is_mask(path) || masks.contains(path))?;
    Ok(contents)
}

/// Loads weights and masks.
pub(crate) fn load<M: Module>(model: M, record: ModuleRecord) -> Result<M, Rejected<M>> {
    let inventory = Inventory::of(&model);
    let contents = complete(&model, &inventory, record);
    let (mut contents, model) = accept(contents, model)?;
    let mode = inventory.mask_mode();
    let mut masks = HashMap::new();
    let bare = inventory
        .parameters
        .iter()
        .filter(|known| !known.is_masked());
    for path in bare.flat_map(|known| &known.paths) {
        if let Some(bits) = contents.take::<Param<Tensor<1, Int>>>(&mask_path(path)) {
            let id = bits.id;
            let bits = bits.into_value();
            masks.insert(path.clone(), WeightMask::from_bits(bits, id, mode));
        }
    }
    let model = attach_bits(model, &masks);
    Ok(put(model, contents, Ids::OfRecord))
}

/// [`load`]s the record in a file.
pub(crate) fn load_file<M: Module>(model: M, path: &Path) -> Result<M, Rejected<M>> {
    let record = RecordFile::read(path).and_then(RecordFile::into_record);
    let (record, model) = accept(record, model)?;
    load(model, record)
}

/// Loads weights and statistics, and leaves masks, types and identities as they are.
pub(crate) fn rewind<M: Module>(model: M, record: ModuleRecord) -> Result<M, Rejected<M>> {
    let contents = Contents::from_record(&model, record);
    let complete = contents.and_then(|mut contents| {
        contents.keep_floats();
        contents.check_complete(|_| true)?;
        contents.keep_types()?;
        Ok(contents)
    });
    let (contents, model) = accept(complete, model)?;
    Ok(put(model, contents, Ids::OfModel))
}

fn put<M: Module>(model: M, contents: Contents, ids: Ids) -> M {
    // Statistics of the last batches may be waiting to be taken in, and would replace those of the
    // record later. Making an inference model takes them in now.
    drop(model.valid());
    let model = model.map(&mut Put::new(contents, ids));
    // A record may hold anything under its masks.
    zero_after_step(model)
}
