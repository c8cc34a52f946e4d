use std::collections::HashSet;

use burn::module::ParamId;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor, TensorData};

use crate::error::PruneError;

/// Changes the tensors that an optimizer keeps: momentum, moments and the like.
///
/// `change` gets the parameter that a tensor is of, and the tensor; with `None` the optimizer forgets
/// all it knows of that parameter, as if it had never met it. Reads the state back from the device.
///
/// # Errors
/// When the state cannot be read or rebuilt, or is of another float type than the default device
/// has: Burn converts it to that when it loads a state, and the next step would fail.
///
/// ```
/// use burn::{nn::LinearConfig, optim::{AdamConfig, GradientsParams}, tensor::{Device, Tensor}};
/// use burn_prune::map_optimizer_state;
///
/// let device = Device::flex().autodiff();
/// let layer = LinearConfig::new(2, 2).with_bias(false).init(&device);
/// let mut optimizer = AdamConfig::new().init();
/// let loss = layer.forward(Tensor::<2>::ones([1, 2], &device)).sum();
/// let grads = GradientsParams::from_grads(loss.backward(), &layer);
/// let layer = optimizer.step(0.1, layer, grads);
///
/// let mut shapes = Vec::new();
/// let optimizer = map_optimizer_state(&optimizer, |parameter, state| {
///     assert_eq!(parameter, layer.weight.id);
///     shapes.push(state.shape().to_vec());
///     Some(state)
/// })?;
/// assert_eq!(shapes, [[2, 2], [2, 2]]); // two moments
/// # drop(optimizer);
/// # Ok::<(), burn_prune::PruneError>(())
/// ```
pub fn map_optimizer_state(
    optimizer: &ModuleOptimizer,
    mut change: impl FnMut(ParamId, TensorData) -> Option<TensorData>,
) -> Result<ModuleOptimizer, PruneError> {
    let failed = |error: &dyn std::fmt::Display| PruneError::Record {
        message: format!("optimizer state: {error}"),
    };
    let bytes = optimizer.into_bytes().map_err(|error| failed(&error))?;
    let reader = burn_pack::Reader::from_bytes(bytes).map_err(|error| failed(&error))?;
    let (scalars, paths) = (reader.scalars().clone(), reader.metadata().clone());
    let loaded_as = Tensor::<1>::empty([1], &Device::default()).dtype();
    let mut tensors = Vec::new();
    let mut forgotten = HashSet::new();
    for tensor in reader.into_tensors().map_err(|error| failed(&error))? {
        let parts = tensor.into_parts().map_err(|error| failed(&error))?;
        let (name, dtype, shape, id, bytes) = parts;
        if dtype.is_float() && dtype != loaded_as {
            return Err(failed(&format!(
                "it is {dtype:?}, and Burn would load it as {loaded_as:?}, the float type of the \
                 default device"
            )));
        }
        let data = TensorData::from_bytes(bytes, shape, dtype);
        let data = match id {
            Some(parameter) => change(ParamId::from(parameter), data),
            None => Some(data),
        };
        match data {
            Some(data) => tensors.push((name, id, data)),
            None => forgotten.extend(id.map(|id| id.to_string())),
        }
    }
    tensors.retain(|(_, id, _)| id.is_none_or(|id| !forgotten.contains(&id.to_string())));
    let tensors = tensors.into_iter().map(|(name, id, data)| {
        let (bytes, shape, dtype) = data.into_parts();
        burn_pack::Tensor::new(name, dtype, shape, id, bytes)
    });
    // Keys are `{id}.{field}`, and `{id}` for paths.
    let is_known = |key: &str| !forgotten.contains(key.split('.').next().unwrap_or_default());
    let mut writer = burn_pack::Writer::new(tensors.collect());
    for (key, scalar) in scalars.iter().filter(|(key, _)| is_known(key)) {
        writer = writer.with_scalar(key, *scalar);
    }
    for (key, path) in paths.iter().filter(|(key, _)| is_known(key)) {
        writer = writer.with_metadata(key, path);
    }
    let bytes = writer.into_bytes().map_err(|error| failed(&error))?;
    let optimizer = optimizer.clone().from_bytes(bytes);
    optimizer.map_err(|error| failed(&error))
}
