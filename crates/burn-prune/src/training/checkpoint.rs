//! Checkpoints of a pruning training: whether one fits, and what the bare model can have of it.

use std::path::Path;

use burn::module::{Module, ModuleDisplay};
use burn::tensor::DType;

use super::{Pruning, clock::Clock};
use crate::record::{self, RecordFile};
use crate::{PruneError, Rejected};

pub(super) fn check<M: Module + ModuleDisplay>(
    pruning: &Pruning<M>,
    path: &Path,
) -> Result<(), PruneError> {
    let file = RecordFile::read(path)?;
    let (found, expected) = (recipe(&file, path)?, pruning.recipe());
    if found != expected {
        return Err(PruneError::OtherRecipe {
            file: path.display().to_string(),
            expected: expected.to_string(),
            found,
        });
    }
    record::check(pruning, file.into_record()?).map_err(|error| in_file(path, error))
}

/// The recipe in a checkpoint.
fn recipe(file: &RecordFile, path: &Path) -> Result<String, PruneError> {
    let recipe = file.tensor(&format!("clock.{}", Clock::RECIPE))?;
    let Some((DType::I32, bytes)) = recipe else {
        return Err(PruneError::Record {
            message: format!(
                "{}: this is no checkpoint of a `Pruning`, it has no recipe",
                path.display()
            ),
        });
    };
    let (words, _) = bytes.as_chunks::<4>();
    let bytes: Vec<u8> = words
        .iter()
        .map(|word| i32::from_le_bytes(*word) as u8)
        .collect();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
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

pub(crate) fn load_checkpoint<M: Module + ModuleDisplay>(
    model: M,
    path: &Path,
) -> Result<M, Rejected<M>> {
    let read =
        RecordFile::read(path).and_then(|file| Ok((recipe(&file, path)?, file.into_record()?)));
    let (recipe, record) = match read {
        Ok(read) => read,
        Err(error) => return Err(Rejected::new(model, error)),
    };
    let device = model.devices().into_iter().next().unwrap_or_default();
    let clock = Clock::new(&recipe, &device);
    match record::load(Checkpoint { model, clock }, record) {
        Ok(checkpoint) => Ok(checkpoint.model),
        Err(rejected) => {
            let (checkpoint, error) = rejected.into_parts();
            Err(Rejected::new(checkpoint.model, in_file(path, error)))
        }
    }
}
