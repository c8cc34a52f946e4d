//! Checkpoints of a pruning training: whether one fits, and what the bare model can have of it.

use std::path::Path;

use burn::module::{Module, ModuleDisplay};

use super::{Pruning, clock::Clock};
use crate::{PruneError, Rejected, record};

pub(super) fn check<M: Module + ModuleDisplay>(
    pruning: &Pruning<M>,
    path: &Path,
) -> Result<(), PruneError> {
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
    let (found, expected) = (
        String::from_utf8_lossy(&bytes).into_owned(),
        pruning.recipe(),
    );
    if found != expected {
        return Err(PruneError::OtherRecipe {
            file: path.display().to_string(),
            expected,
            found,
        });
    }
    record::check(pruning, record::read_file(path)?).map_err(|error| match error {
        PruneError::Record { message } => failed(message),
        other => other,
    })
}

/// The place that a wrapped model has in a checkpoint.
#[derive(Module, Debug)]
struct Wrapped<M: Module> {
    model: M,
}

pub(crate) fn load_checkpoint<M: Module + ModuleDisplay>(
    model: M,
    path: &Path,
) -> Result<M, Rejected<M>> {
    // The clock and the recipe are of no use to the model.
    let record = match record::read_file(path) {
        Ok(record) => record.allow_unused(true),
        Err(error) => return Err(Rejected::new(model, error)),
    };
    match record::load(Wrapped { model }, record) {
        Ok(wrapped) => Ok(wrapped.model),
        Err(rejected) => {
            let (wrapped, error) = rejected.into_parts();
            Err(Rejected::new(wrapped.model, error))
        }
    }
}
