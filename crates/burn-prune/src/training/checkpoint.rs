//! Checkpoints of a pruning training: whether one fits, and what can be had of it.

use std::path::Path;

use burn::module::{Module, ModuleDisplay};
use burn::tensor::DType;

use super::Pruning;
use super::clock::{Clock, Reading};
use crate::error::PruneError;
use crate::record;
use crate::rejected::Rejected;

/// Refuses what cannot be loaded, or is of another training.
pub(super) fn check<M: Module + ModuleDisplay>(
    pruning: &Pruning<M>,
    path: &Path,
) -> Result<(), PruneError> {
    let file = Integers::read(path)?;
    let reading = Reading::of(&path.display().to_string(), &file.steps, &file.recipe)?;
    pruning.check_recipe(&path.display().to_string(), &reading)?;
    record::check(pruning, record::read_file(path)?).map_err(|error| in_file(path, error))
}

/// Loads the checkpoint of a training that is the same.
pub(super) fn resume<M: Module + ModuleDisplay>(
    pruning: Pruning<M>,
    path: &Path,
) -> Result<Pruning<M>, Rejected<Pruning<M>>> {
    let record = check(&pruning, path).and_then(|()| record::read_file(path));
    match record {
        Ok(record) => record::load(pruning, record),
        Err(error) => Err(Rejected::new(pruning, error)),
    }
}

/// What a checkpoint has that only a `Pruning` has.
struct Integers {
    steps: Vec<i64>,
    recipe: Vec<i32>,
}

impl Integers {
    fn read(path: &Path) -> Result<Self, PruneError> {
        let failed = |message: String| PruneError::Record {
            message: format!("{}: {message}", path.display()),
        };
        let tensors = burn_pack::Reader::from_file(path).and_then(burn_pack::Reader::into_tensors);
        let tensors = tensors.map_err(|error| failed(error.to_string()))?;
        let words = |name: &str| {
            let name = format!("clock.{name}");
            let tensor = tensors.iter().find(|tensor| tensor.name == name);
            let tensor = tensor.ok_or_else(|| {
                failed(format!(
                    "this is no checkpoint of a `Pruning`, it has no `{name}`"
                ))
            })?;
            let bytes = tensor
                .to_bytes()
                .map_err(|error| failed(error.to_string()))?;
            let (words, rest) = bytes.as_chunks::<4>();
            if tensor.dtype != DType::I32 || !rest.is_empty() {
                return Err(failed(format!("`{name}` is damaged")));
            }
            let words = words.iter().map(|word| i32::from_le_bytes(*word));
            Ok(words.collect::<Vec<i32>>())
        };
        let recipe = words(Clock::RECIPE)?;
        let steps = words(Clock::STEPS)?.into_iter().map(i64::from).collect();
        Ok(Self { steps, recipe })
    }
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

/// Loads weights and masks, of whatever training and version.
pub(crate) fn load_checkpoint<M: Module + ModuleDisplay>(
    model: M,
    path: &Path,
) -> Result<M, Rejected<M>> {
    let read = Integers::read(path).and_then(|file| Ok((file, record::read_file(path)?)));
    let (file, record) = match read {
        Ok(read) => read,
        Err(error) => return Err(Rejected::new(model, error)),
    };
    let device = model.devices().into_iter().next().unwrap_or_default();
    let clock = Clock::empty(file.recipe.len(), &device);
    match record::load(Checkpoint { model, clock }, record) {
        Ok(checkpoint) => Ok(checkpoint.model),
        Err(rejected) => {
            let (checkpoint, error) = rejected.into_parts();
            Err(Rejected::new(checkpoint.model, in_file(path, error)))
        }
    }
}
