//! Taking entries out of what an optimizer knows of a model.

use std::collections::BTreeMap;

use burn::module::{Module, ParamId};
use burn::optim::ModuleOptimizer;
use burn::tensor::TensorData;
use burn_prune::map_optimizer_state;

use super::{AxisCut, ShrinkPlan};
use crate::error::DeployError;

impl ShrinkPlan {
    /// Cuts what an optimizer knows of a model, so that it goes on with the small one: momentum and
    /// moments of what stays are kept. `model` is the large one, as it is before it is cut.
    ///
    /// State that has neither the size of its parameter nor 1 along each axis cannot be cut: the
    /// optimizer forgets that parameter.
    ///
    /// # Errors
    /// When the plan is of another model, the state cannot be read, or parameters of one id are cut
    /// differently: an optimizer knows a parameter by its id.
    pub fn shrink_optimizer<M: Module>(
        &self,
        optimizer: &ModuleOptimizer,
        model: &M,
    ) -> Result<ModuleOptimizer, DeployError> {
        let mut cuts: BTreeMap<(ParamId, usize), &AxisCut> = BTreeMap::new();
        for (id, cut) in self.ids(model)?.into_iter().zip(&self.cuts) {
            // A shared parameter is cut at each of its paths, and known by one id.
            if let Some(other) = cuts.insert((id, cut.axis), cut)
                && other.kept != cut.kept
            {
                return Err(DeployError::SharedId {
                    path: cut.path.clone(),
                    other: other.path.clone(),
                });
            }
        }
        let optimizer = map_optimizer_state(optimizer, |parameter, state| {
            let axes = (parameter, 0)..=(parameter, usize::MAX);
            let mut cuts = cuts.range(axes);
            cuts.try_fold(state, |state, (_, cut)| take(state, cut))
        })?;
        Ok(optimizer)
    }
}

/// The entries that stay; nothing when the axis has another size.
fn take(state: TensorData, cut: &AxisCut) -> Option<TensorData> {
    let axis = cut.axis;
    if state.rank() != cut.shape.len() {
        return None;
    }
    let size = state.shape()[axis];
    if size != cut.shape[axis] {
        return (size == 1).then_some(state);
    }
    let (bytes, mut shape, dtype) = state.into_parts();
    // A row is all that lies within one entry of the axis.
    let row = dtype.size() * shape[axis + 1..].iter().product::<usize>();
    let blocks = bytes.chunks_exact(row * size);
    let rows = blocks.flat_map(|block| {
        let kept = cut.kept.iter();
        kept.flat_map(move |index| &block[index * row..(index + 1) * row])
    });
    let left = rows.copied().collect();
    shape[axis] = cut.kept.len();
    Some(TensorData::from_bytes_vec(left, shape, dtype))
}
