//! Which parameters are running statistics.

use std::collections::BTreeSet;

use burn::module::{Module, Param, Reparameterization, Reparameterizer};
use burn::tensor::Tensor;

use super::walk::{Position, WeightVisitor, paths, visit};

/// Dotted paths of the running statistics of a model, as the mean and variance of a BatchNorm, which
/// cannot be masked. Burn presents them as parameters that look like any other.
///
/// ```
/// use burn::{nn::BatchNormConfig, tensor::Device};
/// use burn_prune::running_statistics;
///
/// let norm = BatchNormConfig::new(4).init(&Device::flex());
/// assert!(running_statistics(&norm).into_iter().eq(["running_mean", "running_var"]));
/// ```
pub fn running_statistics<M: Module>(model: &M) -> BTreeSet<String> {
    let paths = paths(model).into_iter().map(|(path, _)| path);
    let statistics = paths.zip(statistics(model));
    statistics
        .filter_map(|(path, is_statistic)| is_statistic.then_some(path))
        .collect()
}

/// Whether it is a running statistic, for each place.
pub(super) fn statistics<M: Module>(model: &M) -> Vec<bool> {
    // Attach a marker to all float parameters of a clone, which does not change their values. What
    // has no marker afterwards is not a parameter.
    let marked = model.clone().apply_reparameterization(Mark);
    visit(&marked, Unmarked::default()).0
}

/// Whether a float has no marker, for each place.
#[derive(Default)]
struct Unmarked(Vec<bool>);

impl WeightVisitor for Unmarked {
    fn weight<const D: usize>(&mut self, _at: &Position, _param: &Param<Tensor<D>>) {
        self.0.push(true);
    }

    fn reparameterization(&mut self, _at: &Position, _name: &str) {
        if let Some(unmarked) = self.0.last_mut() {
            *unmarked = false;
        }
    }
}

#[derive(Module, Debug)]
struct Marker {}

impl Reparameterization for Marker {
    const NAME: &'static str = "marker";

    fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        base
    }
}

struct Mark;

impl Reparameterizer for Mark {
    type Reparam = Marker;

    fn reparameterize<const D: usize>(
        &mut self,
        _path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<Marker>) {
        (param, Some(Marker {}))
    }
}
