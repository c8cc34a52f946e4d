//! How much goes where.

use burn::module::ParamGroup;

use crate::Target;

/// How an amount is shared out between the parameters.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Allocation {
    /// Every parameter loses the same fraction, or the same number, of its own units.
    #[default]
    Uniform,
    /// All units are ranked together, without normalising by layer: some layers lose more than
    /// others, and one may lose everything, which the report shows.
    Global,
    /// Every parameter has a target of its own; see [`Allocation::per_layer`].
    PerLayer(Vec<(ParamGroup, Target)>),
}

impl Allocation {
    /// A target for each group of parameters.
    ///
    /// The first group that a parameter is in counts. A parameter in no group gets the amount of
    /// the pruner, and stays as it is when the pruner has none.
    ///
    /// ```
    /// use burn::{module::{Module, ParamGroup}, nn::{Linear, LinearConfig}, tensor::Device};
    /// use burn_prune::{Allocation, Magnitude, Prunable, Pruner};
    ///
    /// #[derive(Module, Debug)]
    /// struct Net {
    ///     hidden: Linear,
    ///     output: Linear,
    /// }
    ///
    /// let device = Device::flex();
    /// let net = Net {
    ///     hidden: LinearConfig::new(10, 10).init(&device),
    ///     output: LinearConfig::new(10, 10).init(&device),
    /// };
    /// let pruner = Pruner::new(Magnitude::l1()).allocation(Allocation::per_layer([
    ///     (ParamGroup::from_path("hidden.weight"), 0.2),
    ///     (ParamGroup::from_path("output.weight"), 0.1),
    /// ]));
    /// let masks = pruner.masks(&net)?;
    /// assert_eq!(masks.get("hidden.weight").unwrap().pruned(), 20);
    /// assert_eq!(masks.get("output.weight").unwrap().pruned(), 10);
    /// # Ok::<(), burn_prune::PruneError>(())
    /// ```
    pub fn per_layer<T: Into<Target>>(targets: impl IntoIterator<Item = (ParamGroup, T)>) -> Self {
        let targets = targets.into_iter();
        Self::PerLayer(
            targets
                .map(|(group, target)| (group, target.into()))
                .collect(),
        )
    }
}
