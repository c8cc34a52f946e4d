use std::collections::HashMap;
use std::sync::Arc;

use burn::module::{Module, ParamId};
use burn::optim::ModuleOptimizer;
use burn::tensor::{DType, TensorData};

use super::map_optimizer_state;
use crate::error::PruneError;
use crate::mask::{Mask, MaskSet};
use crate::model::ModelReading;

/// Forgets what an optimizer knows of weights that have come back: their momentum and moments
/// become 0, those of all other weights stay.
///
/// `before` are the masks before they were [replaced](crate::Prunable::replace_masks); what the
/// model keeps now and they did not has come back. State that is not one number per weight, such as
/// Adafactor's factors, stays. Reads the optimizer state back from the device.
///
/// # Errors
/// When a mask in `before` has another shape than its parameter, or the state cannot be read.
///
/// ```
/// use burn::{nn::LinearConfig, optim::{AdamConfig, GradientsParams}, tensor::{Device, Tensor}};
/// use burn_prune::{Mask, MaskSet, Prunable, reset_moments};
///
/// let device = Device::flex().autodiff();
/// let layer = LinearConfig::new(2, 2).with_bias(false).init(&device).l1_unstructured(2)?;
/// let mut optimizer = AdamConfig::new().init();
/// let loss = layer.forward(Tensor::<2>::ones([1, 2], &device)).sum();
/// let grads = GradientsParams::from_grads(loss.backward(), &layer);
/// let layer = optimizer.step(0.1, layer, grads);
///
/// let before = layer.masks();
/// let all = MaskSet::from_iter([("weight".to_string(), Mask::all_kept([2, 2]))]);
/// let layer = layer.replace_masks(&all)?;
/// let optimizer = reset_moments(&optimizer, &layer, &before)?;
/// # drop(optimizer);
/// # Ok::<(), burn_prune::PruneError>(())
/// ```
pub fn reset_moments<M: Module>(
    optimizer: &ModuleOptimizer,
    model: &M,
    before: &MaskSet,
) -> Result<ModuleOptimizer, PruneError> {
    let came_back = came_back(model, before)?;
    map_optimizer_state(optimizer, |parameter, state| {
        let shape = state.shape().to_vec();
        Some(match came_back.get(&parameter) {
            Some(mask) if mask.shape() == shape => zeroed(state, mask),
            _ => state,
        })
    })
}

/// Masks that prune what has come back, by the id of their parameter.
fn came_back<M: Module>(model: &M, before: &MaskSet) -> Result<HashMap<ParamId, Mask>, PruneError> {
    let reading = ModelReading::of_masks(model);
    let inventory = reading.inventory();
    let mut came_back: HashMap<ParamId, Mask> = HashMap::new();
    for (path, before) in before.iter() {
        let parameter = inventory.at(path)?;
        let all_kept = || Arc::new(Mask::all_kept(parameter.shape.clone()));
        let now = reading.mask(parameter).unwrap_or_else(all_kept);
        now.check_shape(before).map_err(|error| error.at(path))?;
        let kept: Vec<bool> = before
            .iter()
            .zip(now.iter())
            .map(|(was, is)| was || !is)
            .collect();
        let mask = Mask::from_kept(now.shape(), &kept)?;
        // Places of one id share the state of the optimizer.
        let mask = match came_back.remove(&parameter.id) {
            Some(other) => mask.intersect(&other).map_err(|error| error.at(path))?,
            None => mask,
        };
        came_back.insert(parameter.id, mask);
    }
    Ok(came_back)
}

/// The floats of a state, 0 where the mask prunes.
fn zeroed(data: TensorData, mask: &Mask) -> TensorData {
    let (dtype, shape) = (data.dtype(), data.shape().clone());
    let kept = |(value, kept): (f64, bool)| if kept { value } else { 0.0 };
    match dtype {
        DType::F64 | DType::F32 | DType::F16 | DType::BF16 => {
            let values: Vec<f64> = data.iter::<f64>().zip(mask.iter()).map(kept).collect();
            TensorData::new(values, shape).convert_dtype(dtype)
        }
        _ => data,
    }
}
