//! Checkpoints of a pruning training: whether one fits, and what the bare model can have of it.

use std::path::Path;

use burn::module::{Module, ModuleDisplay};

use super::{Pruning, clock::Clock};
use crate::{PruneError, Rejected, record};

pub(super) fn check<M: Module + ModuleDisplay>(
    pruning: &Pruning<M>,
    path: &Path,
) -> Result<(), PruneError> {
    let (found, expected) = (recipe(path)?, pruning.recipe());
    if found != expected {
        return Err(PruneError::OtherRecipe {
            file: path.display().to_string(),
            expected: expected.to_string(),
            found,
        });
    }
    record::check(pruning, record::read_file(path)?).map_err(|error| in_file(path, error))
}

/// The recipe in a checkpoint.
fn recipe(path: &Path) -> Result<String, PruneError> {
    let failed = |message: String| PruneError::Record {
        message: format!("{}: {message}", path.display()),
    };
    let tensors = burn_pack::Reader::from_file(path).and_then(burn_pack::Reader::into_tensors);
    let tensors = tensors.map_err(|error| failed(error.to_string()))?;
    let name = format!("clock.{}", Clock::RECIPE);
    let recipe = tensors.iter().find(|tensor| tensor.name == name);
    let recipe = recipe.ok_or_else(|| {
        failed("this is no checkpoint of a `Pruning`, it has no recipe".to_string())
    })?;
    let words = recipe
        .to_bytes()
        .map_err(|error| failed(error.to_string()))?;
    let (words, _) = words.as_chunks::<4>();
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
    let read = recipe(path).and_then(|recipe| Ok((recipe, record::read_file(path)?)));
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
