//! Reading weights back to the host.

use std::collections::HashSet;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{DType, Tensor};

use crate::Mask;

/// The values of one tensor on the host, in row-major order and in the precision that holds them.
#[derive(Debug, Clone)]
pub(crate) enum Values {
    /// f32 and everything narrower.
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl Values {
    pub(crate) fn read<const D: usize>(tensor: Tensor<D>) -> Self {
        let data = tensor.without_autodiff().into_data();
        match data.dtype() {
            DType::F64 => Self::F64(data.iter::<f64>().collect()),
            _ => Self::F32(data.iter::<f32>().collect()),
        }
    }

    /// Writes 0 where the mask prunes: the effective weight, whatever is stored under the mask.
    pub(crate) fn apply(&mut self, mask: &Mask) {
        let pruned = mask.iter().enumerate().filter(|(_, kept)| !kept);
        match self {
            Self::F32(values) => pruned.for_each(|(index, _)| values[index] = 0.0),
            Self::F64(values) => pruned.for_each(|(index, _)| values[index] = 0.0),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
        }
    }

    pub(crate) fn get(&self, index: usize) -> f64 {
        match self {
            Self::F32(values) => values[index].into(),
            Self::F64(values) => values[index],
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = f64> + '_ {
        (0..self.len()).map(|index| self.get(index))
    }
}

/// Calls `read` with the stored weight of each of these parameters, once a parameter.
///
/// A parameter is read when it is its turn, so that one of them at a time is on the host.
pub(crate) fn visit_weights<M: Module>(
    model: &M,
    ids: impl IntoIterator<Item = ParamId>,
    read: impl FnMut(ParamId, Values),
) {
    let wanted = ids.into_iter().collect();
    model.visit(&mut WeightVisitor { wanted, read });
}

struct WeightVisitor<F> {
    wanted: HashSet<ParamId>,
    read: F,
}

impl<F: FnMut(ParamId, Values)> ModuleVisitor for WeightVisitor<F> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.wanted.remove(&param.id) {
            (self.read)(param.id, Values::read(param.base()));
        }
    }
}
