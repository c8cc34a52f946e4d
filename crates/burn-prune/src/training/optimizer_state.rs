use std::collections::HashSet;
use std::fmt::Display;
use std::path::Path;

use burn::module::ParamId;
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::tensor::{Bytes, Device, Tensor, TensorData};

use crate::error::PruneError;
use crate::record;

/// Changes the tensors that an optimizer keeps: momentum, moments and the like.
///
/// `change` gets the parameter that a tensor is of, and the tensor; with `None` the optimizer
/// forgets that parameter, as if it were new. Reads the state back from the device.
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
    change: impl FnMut(ParamId, TensorData) -> Option<TensorData>,
) -> Result<ModuleOptimizer, PruneError> {
    let bytes = optimizer.into_bytes().map_err(failed)?;
    let bytes = mapped(bytes, change)?;
    optimizer.clone().from_bytes(bytes).map_err(failed)
}

/// [`map_optimizer_state`] of a record that no optimizer has loaded yet: that of a checkpoint, for
/// instance.
///
/// # Errors
/// As [`map_optimizer_state`].
///
/// ```
/// use burn::{nn::LinearConfig, optim::{AdamConfig, GradientsParams}, tensor::{Device, Tensor}};
/// use burn_prune::map_optimizer_record;
///
/// let device = Device::flex().autodiff();
/// let layer = LinearConfig::new(2, 2).with_bias(false).init(&device);
/// let mut optimizer = AdamConfig::new().init();
/// let loss = layer.forward(Tensor::<2>::ones([1, 2], &device)).sum();
/// let grads = GradientsParams::from_grads(loss.backward(), &layer);
/// drop(optimizer.step(0.1, layer, grads));
///
/// let forgetful = map_optimizer_record(optimizer.to_record(), |_, _| None)?;
/// assert!(forgetful.is_empty());
/// # Ok::<(), burn_prune::PruneError>(())
/// ```
pub fn map_optimizer_record(
    record: OptimizerRecord,
    change: impl FnMut(ParamId, TensorData) -> Option<TensorData>,
) -> Result<OptimizerRecord, PruneError> {
    let bytes = record.into_bytes().map_err(failed)?;
    OptimizerRecord::from_bytes(mapped(bytes, change)?).map_err(failed)
}

/// Reads the optimizer file of a checkpoint that a `Learner` has left, `optim-3.bpk` for instance.
///
/// # Errors
/// When the file cannot be read, or is damaged in a way that shows: Burn writes no checksums.
///
/// ```
/// use burn::optim::{AdamConfig, OptimizerRecord};
/// use burn_prune::load_optimizer_record;
///
/// let folder = tempfile::tempdir().unwrap();
/// let file = folder.path().join("optim-1.bpk");
/// AdamConfig::new().init().save(&file).unwrap();
/// assert!(load_optimizer_record(&file)?.is_empty());
///
/// std::fs::write(&file, "something else").unwrap();
/// let error = load_optimizer_record(&file).unwrap_err().to_string();
/// assert!(error.contains("optim-1.bpk"));
/// # Ok::<(), burn_prune::PruneError>(())
/// ```
pub fn load_optimizer_record(path: impl AsRef<Path>) -> Result<OptimizerRecord, PruneError> {
    record::RecordFile::read(path.as_ref())?.into_optimizer_record()
}

fn failed(error: impl Display) -> PruneError {
    PruneError::Record {
        message: format!("optimizer state: {error}"),
    }
}

/// The bytes of an optimizer record, with its tensors changed.
fn mapped(
    bytes: Bytes,
    mut change: impl FnMut(ParamId, TensorData) -> Option<TensorData>,
) -> Result<Bytes, PruneError> {
    let reader = burn_pack::Reader::from_bytes(bytes).map_err(failed)?;
    let (scalars, paths) = (reader.scalars().clone(), reader.metadata().clone());
    let loaded_as = Tensor::<1>::empty([1], &Device::default()).dtype();
    let mut tensors = Vec::new();
    let mut forgotten = HashSet::new();
    for tensor in reader.into_tensors().map_err(failed)? {
        let (name, dtype, shape, id, bytes) = tensor.into_parts().map_err(failed)?;
        if dtype.is_float() && dtype != loaded_as {
            return Err(failed(format!(
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
    writer.into_bytes().map_err(failed)
}
