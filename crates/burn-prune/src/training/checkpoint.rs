//! Checkpoints of a `Pruning`: whether one fits, and loading it.

use std::path::Path;

use burn::module::{Module, ModuleDisplay};
use burn::store::ModuleRecord;
use burn::tensor::DType;

use super::Pruning;
use super::clock::{Clock, Reading};
use crate::error::PruneError;
use crate::record::{self, RecordFile};
use crate::rejected::{Rejected, accept};

/// Refuses what cannot be loaded, or belongs to another training.
pub(super) fn check<M: Module + ModuleDisplay>(
    pruning: &Pruning<M>,
    path: &Path,
) -> Result<(), PruneError> {
    let record = fitting(pruning, path)?;
    record::check(pruning, record).map_err(|error| in_file(path, error))
}

/// Loads a checkpoint of the same training.
pub(super) fn resume<M: Module + ModuleDisplay>(
    pruning: Pruning<M>,
    path: &Path,
) -> Result<Pruning<M>, Rejected<Pruning<M>>> {
    let (record, pruning) = accept(fitting(&pruning, path), pruning)?;
    record::load(pruning, record).map_err(|rejected| {
        let (pruning, error) = rejected.into_parts();
        Rejected::new(pruning, in_file(path, error))
    })
}

/// The record in a checkpoint of this training.
fn fitting<M: Module + ModuleDisplay>(
    pruning: &Pruning<M>,
    path: &Path,
) -> Result<ModuleRecord, PruneError> {
    let file = RecordFile::read(path)?;
    let name = path.display().to_string();
    let steps: Vec<i64> = words(&file, Clock::STEPS, path)?
        .into_iter()
        .map(i64::from)
        .collect();
    let recipe = words(&file, Clock::RECIPE, path)?;
    let reading = Reading::of(&name, &steps, &recipe)?;
    pruning.check_recipe(&name, &reading)?;
    file.into_record()
}

/// The integers of a parameter that only a `Pruning` has.
fn words(file: &RecordFile, name: &str, path: &Path) -> Result<Vec<i32>, PruneError> {
    let failed = |message: String| PruneError::Record {
        message: format!("{}: {message}", path.display()),
    };
    let found = file.tensor(&format!("clock.{name}"))?;
    let (dtype, bytes) = found.ok_or_else(|| {
        failed(format!(
            "this is no checkpoint of a `Pruning`: it has no {name}; load records of plain models with \
             `Prunable::load_masked`"
        ))
    })?;
    let (words, rest) = bytes.as_chunks::<4>();
    if dtype != DType::I32 || !rest.is_empty() {
        return Err(failed(format!(
            "its {name} is damaged: it does not hold 32-bit integers"
        )));
    }
    Ok(words.iter().map(|word| i32::from_le_bytes(*word)).collect())
}

fn in_file(path: &Path, error: PruneError) -> PruneError {
    match error {
        PruneError::Record { message } => PruneError::Record {
            message: format!("{}: {message}", path.display()),
        },
        other => other,
    }
}

/// What a checkpoint holds: the places that a wrapped model and its clock have in it.
#[derive(Module, Debug)]
struct Checkpoint<M: Module> {
    model: M,
    clock: Clock,
}

/// Loads weights and masks from the model file of a checkpoint, of whatever training and version: of
/// the model itself, or of a `Pruning` around it.
pub(crate) fn load_checkpoint<M: Module + ModuleDisplay>(
    model: M,
    path: &Path,
) -> Result<M, Rejected<M>> {
    let read = RecordFile::read(path).and_then(|file| {
        let recipe = match file.tensor(&format!("clock.{}", Clock::RECIPE))? {
            Some(_) => Some(words(&file, Clock::RECIPE, path)?),
            None => None,
        };
        Ok((recipe, file.into_record()?))
    });
    let ((recipe, record), model) = accept(read, model)?;
    let Some(recipe) = recipe else {
        return record::load(model, record).map_err(|rejected| {
            let (model, error) = rejected.into_parts();
            Rejected::new(model, in_file(path, error))
        });
    };
    let device = model.devices().into_iter().next().unwrap_or_default();
    let clock = Clock::empty(recipe.len(), &device);
    match record::load(Checkpoint { model, clock }, record) {
        Ok(checkpoint) => Ok(checkpoint.model),
        Err(rejected) => {
            let (checkpoint, error) = rejected.into_parts();
            Err(Rejected::new(checkpoint.model, in_file(path, error)))
        }
    }
}
