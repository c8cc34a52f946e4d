//! The step that a training is at, as a parameter, so that it is in every checkpoint.

use burn::module::{Module, Param, ParamId};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

/// Counts the steps, and carries the recipe along.
///
/// The count is kept on the host and written to the device, never read, but for once after a
/// checkpoint was loaded: loading brings the id of the checkpoint, and every count has its own.
#[derive(Module, Debug)]
pub(super) struct Clock {
    /// Finished steps of the optimizer, `[1]`.
    steps: Param<Tensor<1, Int>>,
    /// The recipe as text, a byte each.
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

impl Clock {
    /// The name of the recipe in a record.
    pub(super) const RECIPE: &'static str = "recipe";

    pub(super) fn new(recipe: &str, device: &Device) -> Self {
        let bytes: Vec<i32> = recipe.bytes().map(i32::from).collect();
        let (steps, known) = written(0, device);
        Self {
            steps,
            recipe: Param::initialized(ParamId::new(), int(bytes, device)),
            known,
        }
    }

    /// Finished steps; `None` when a checkpoint was loaded that has not been [read](Self::read).
    pub(super) fn steps(&self) -> Option<usize> {
        (self.steps.id == self.known.id).then_some(self.known.steps)
    }

    /// Reads what a checkpoint has brought: the steps and the recipe.
    pub(super) fn read(&self) -> (usize, String) {
        let steps = self.steps.val().into_data().iter::<i64>().next();
        let steps = steps.and_then(|steps| usize::try_from(steps).ok());
        let recipe = self.recipe.val().into_data();
        let bytes: Vec<u8> = recipe.iter::<i64>().map(|byte| byte as u8).collect();
        (
            steps.unwrap_or_default(),
            String::from_utf8_lossy(&bytes).into_owned(),
        )
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

fn written(steps: usize, device: &Device) -> (Param<Tensor<1, Int>>, Known) {
    let id = ParamId::new();
    let count = i32::try_from(steps).expect("a training has fewer than 2³¹ steps");
    let param = Param::initialized(id, int(vec![count], device));
    (param, Known { steps, id })
}

fn int(values: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let data = TensorData::new(values.clone(), [values.len()]);
    Tensor::from_data(data, (device, DType::I32))
}
