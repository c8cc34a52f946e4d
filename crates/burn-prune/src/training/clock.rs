//! The step that a training is at, as a parameter, so that it is in every checkpoint.

use burn::module::{Module, Param, ParamId};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use serde_json::Value;

use crate::error::PruneError;
use crate::identity::{Unreadable, VERSION, pack, unpack};

/// The count of steps, and the recipe of the training, as a checkpoint keeps them.
///
/// The count is kept on the host and written to the device, never read, but for once after a
/// checkpoint was loaded: loading brings the id of the checkpoint, and every count has its own.
#[derive(Module, Debug)]
pub(super) struct Clock {
    /// Finished steps of the optimizer, `[1]`.
    steps: Param<Tensor<1, Int>>,
    /// What the training is, packed.
    recipe: Param<Tensor<1, Int>>,
    #[module(skip)]
    known: Known,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    steps: usize,
    /// The id under which that was written.
    id: ParamId,
}

/// What a checkpoint says of its training.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reading {
    /// Finished steps of the optimizer.
    pub steps: usize,
    /// What the training was.
    pub recipe: Value,
}

impl Clock {
    /// The name of the count in a record.
    pub(super) const STEPS: &'static str = "steps";
    /// The name of the recipe in a record.
    pub(super) const RECIPE: &'static str = "recipe";

    pub(super) fn new(recipe: &Value, device: &Device) -> Self {
        Self::of_words(pack(recipe.clone()), device)
    }

    /// A place for a clock whose recipe has this many words.
    pub(super) fn empty(words: usize, device: &Device) -> Self {
        Self::of_words(vec![0; words], device)
    }

    fn of_words(words: Vec<i32>, device: &Device) -> Self {
        let (steps, known) = written(0, device);
        Self {
            steps,
            recipe: Param::initialized(ParamId::new(), int(words, device)),
            known,
        }
    }

    /// Finished steps; `None` when a checkpoint was loaded that has not been [read](Self::read).
    pub(super) fn steps(&self) -> Option<usize> {
        (self.steps.id == self.known.id).then_some(self.known.steps)
    }

    /// Reads what a checkpoint has brought.
    pub(super) fn read(&self) -> Result<Reading, PruneError> {
        let steps: Vec<i64> = self.steps.val().into_data().iter().collect();
        let recipe: Vec<i32> = self.recipe.val().into_data().iter().collect();
        Reading::of("the loaded checkpoint", &steps, &recipe)
    }

    /// Writes the count.
    pub(super) fn set(self, steps: usize) -> Self {
        let (steps, known) = written(steps, &self.steps.lazy_device());
        Self {
            steps,
            known,
            ..self
        }
    }
}

impl Reading {
    /// Of the two tensors, in what errors call `file`.
    pub(super) fn of(file: &str, steps: &[i64], recipe: &[i32]) -> Result<Self, PruneError> {
        let damaged = |message: String| PruneError::Record {
            message: format!("{file}: {message}"),
        };
        let recipe = unpack(recipe).map_err(|error| match error {
            Unreadable::Version(found) => PruneError::CheckpointVersion {
                file: file.to_string(),
                found,
                supported: VERSION,
            },
            Unreadable::Damaged => damaged("its pruning recipe is damaged".to_string()),
        })?;
        if let [steps] = steps
            && let Ok(steps) = usize::try_from(*steps)
        {
            return Ok(Self { steps, recipe });
        }
        Err(damaged("its number of steps is damaged".to_string()))
    }
}

fn written(steps: usize, device: &Device) -> (Param<Tensor<1, Int>>, Known) {
    let id = ParamId::new();
    // No training has 2³¹ steps; a damaged count must not panic.
    let count = i32::try_from(steps).unwrap_or(i32::MAX);
    let param = Param::initialized(id, int(vec![count], device));
    (param, Known { steps, id })
}

fn int(values: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let length = values.len();
    Tensor::from_data(TensorData::new(values, [length]), (device, DType::I32))
}
