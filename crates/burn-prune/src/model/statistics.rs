//! Which parameters are running statistics.

use std::collections::BTreeSet;

use burn::module::{Module, ModuleVisitor, Param, Reparameterization, Reparameterizer};
use burn::tensor::Tensor;

use super::place::{Places, REPARAMETERIZATION, paths};

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
    let paths = paths(model).into_iter().zip(statistics(model));
    let statistics = paths.filter(|(_, is_statistic)| *is_statistic);
    statistics.map(|((path, _), _)| path).collect()
}

/// Whether it is a running statistic, for each place.
pub(super) fn statistics<M: Module>(model: &M) -> Vec<bool> {
    // A marker is attached to all float parameters of a clone, which leaves their values alone;
    // those that come out without one are none.
    let mut unmarked = Unmarked::default();
    let marked = model.clone().apply_reparameterization(Mark);
    marked.visit(&mut unmarked);
    unmarked.found
}

#[derive(Default)]
struct Unmarked {
    places: Places,
    found: Vec<bool>,
}

impl ModuleVisitor for Unmarked {
    fn enter_module(&mut self, _name: &str, container: &str) {
        if container == REPARAMETERIZATION
            && self.places.nested() == 0
            && let Some(found) = self.found.last_mut()
        {
            *found = false;
        }
        self.places.enter(container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.places.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, _param: &Param<Tensor<D>>) {
        if self.places.visit().is_some() {
            self.found.push(true);
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
