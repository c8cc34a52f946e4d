//! Criterion, pattern, allocation and amount together.

mod choosing;
mod contradiction;
mod filter;
mod identity;
mod pruning;
mod stored;
#[cfg(feature = "optim")]
mod variants;

#[cfg(feature = "lottery")]
pub(crate) use choosing::Wanted;
pub(crate) use contradiction::Contradiction;

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::module::{Module, ParamGroup};
use burn::tensor::Tensor;

use crate::allocation::{Allocation, Floor};
use crate::amount::{Amount, Target};
use crate::criterion::Criterion;
use crate::error::PruneError;
use crate::mask::MaskSet;
use crate::model::Values;
use crate::pattern::{Pattern, WeightAxes};
use crate::ranking::{Importance, Normalize};
use filter::ParameterFilter;

/// How to prune: a criterion, a pattern, an allocation, an amount, and the selected parameters.
///
/// By default it prunes single weights of every Linear and convolution layer, the same fraction of
/// each. A pruner is a plain value that can be used on any number of models.
///
/// ```
/// use burn::{module::{Module, ParamGroup}, nn::{Linear, LinearConfig}, tensor::Device};
/// use burn_prune::{Allocation, Magnitude, Prunable, Pruner};
///
/// #[derive(Module, Debug)]
/// struct Net {
///     body: Linear,
///     head: Linear,
/// }
///
/// let device = Device::flex();
/// let net = Net {
///     body: LinearConfig::new(64, 64).init(&device),
///     head: LinearConfig::new(64, 10).init(&device),
/// };
/// let pruner = Pruner::new(Magnitude::l1())
///     .amount(0.8)
///     .allocation(Allocation::Global)
///     .exclude(ParamGroup::from_path("head.weight"));
///
/// let masks = pruner.masks(&net)?; // nothing has changed yet
/// assert_eq!(masks.get("body.weight").unwrap().pruned(), 3277);
/// assert!(masks.get("head.weight").is_none());
///
/// let net = net.with_masks(&masks)?;
/// assert!(net.is_pruned());
/// # Ok::<(), burn_prune::PruneError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pruner {
    pub(crate) criterion: Arc<dyn Criterion>,
    pub(crate) pattern: Pattern,
    pub(crate) allocation: Allocation,
    pub(crate) normalize: Normalize,
    pub(crate) floor: Floor,
    pub(crate) target: Option<Target>,
    pub(crate) filter: ParameterFilter,
    pub(crate) importance: BTreeMap<String, Importance>,
    /// Of settings that were given and cannot both hold, refused at the first use.
    pub(crate) contradiction: Option<Contradiction>,
}

impl Pruner {
    /// A pruner of single weights by this criterion.
    pub fn new(criterion: impl Criterion + 'static) -> Self {
        Self {
            criterion: Arc::new(criterion),
            pattern: Pattern::default(),
            allocation: Allocation::default(),
            normalize: Normalize::None,
            floor: Floor::default(),
            target: None,
            filter: ParameterFilter::default(),
            importance: BTreeMap::new(),
            contradiction: None,
        }
    }

    /// How much of what is still unpruned is pruned: a fraction (`0.3`) or a number of units (`5`).
    ///
    /// A second call replaces the first. An amount and a sparsity contradict each other: a pruner
    /// that was given both is refused when it is used.
    #[must_use]
    pub fn amount(mut self, amount: impl Into<Amount>) -> Self {
        if let Some(Target::Sparsity(_)) = self.target {
            self.contradiction = Some(Contradiction::AmountAndSparsity);
        }
        self.target = Some(Target::Amount(amount.into()));
        self
    }

    /// The sparsity to arrive at, over *all* units of the selected parameters, in `[0, 1]`.
    ///
    /// Where that many are pruned already, nothing changes. A second call replaces the first; see
    /// [`amount`](Self::amount) for both together.
    #[must_use]
    pub fn to_sparsity(mut self, sparsity: f64) -> Self {
        if let Some(Target::Amount(_)) = self.target {
            self.contradiction = Some(Contradiction::AmountAndSparsity);
        }
        self.target = Some(Target::Sparsity(sparsity));
        self
    }

    /// What is pruned as a whole: single weights (the default), channels,
    /// [`Blocks`](crate::Blocks), [`NM`](crate::NM) groups, or
    /// [`CoupledChannels`](crate::CoupledChannels) of several parameters.
    #[must_use]
    pub fn pattern(mut self, pattern: impl Into<Pattern>) -> Self {
        self.pattern = pattern.into();
        self
    }

    /// Divides the scores of each parameter, or of each group of coupled channels, before they are
    /// compared with those of others. By default they are not divided.
    ///
    /// It matters where parameters are ranked together: a layer of small weights no longer goes first.
    /// Elsewhere it changes nothing, as the order within a parameter stays.
    ///
    /// ```
    /// use burn::{module::{Module, Param}, nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
    /// use burn_prune::{Allocation, Magnitude, Normalize, Pruner};
    ///
    /// #[derive(Module, Debug)]
    /// struct Net {
    ///     small: Linear,
    ///     large: Linear,
    /// }
    ///
    /// let device = Device::flex();
    /// let linear = |weights: [f32; 2]| {
    ///     let mut linear = LinearConfig::new(1, 2).init(&device);
    ///     linear.weight = Param::from_tensor(Tensor::from_floats([weights], &device));
    ///     linear
    /// };
    /// let net = Net { small: linear([0.3, 0.4]), large: linear([5.0, 12.0]) };
    /// // By their layers these are 0.6, 0.8 and 5/13, 12/13.
    /// let pruner = Pruner::new(Magnitude::l1()).allocation(Allocation::Global).amount(1);
    /// assert_eq!(pruner.masks(&net)?.get("small.weight").unwrap().pruned(), 1);
    /// let pruner = pruner.normalize(Normalize::Norm);
    /// assert_eq!(pruner.masks(&net)?.get("large.weight").unwrap().pruned(), 1);
    /// # Ok::<(), burn_prune::PruneError>(())
    /// ```
    #[must_use]
    pub fn normalize(mut self, normalize: Normalize) -> Self {
        self.normalize = normalize;
        self
    }

    /// Keeps at least this fraction of the units of every parameter, or of every group of coupled
    /// channels, in `[0, 1]`, rounded up.
    ///
    /// Under [`Allocation::Global`] the other parameters lose more instead, so that the amount is
    /// reached. Under the other allocations, and where no others are left, an amount that goes
    /// below the floor is an error.
    ///
    /// ```
    /// use burn::{nn::LinearConfig, tensor::Device};
    /// use burn_prune::{Magnitude, PruneError, Pruner};
    ///
    /// let layer = LinearConfig::new(10, 10).init(&Device::flex());
    /// let pruner = Pruner::new(Magnitude::l1()).min_density(0.2);
    /// assert_eq!(pruner.clone().to_sparsity(0.8).masks(&layer)?.sparsity(), 0.8);
    /// let refused = pruner.to_sparsity(0.9).masks(&layer);
    /// assert!(matches!(refused, Err(PruneError::FloorContradictsAmount { floor: 20, .. })));
    /// # Ok::<(), PruneError>(())
    /// ```
    #[must_use]
    pub fn min_density(mut self, density: f64) -> Self {
        self.floor.density = density;
        self
    }

    /// Keeps at least this many units of every parameter, or of every group of coupled channels; see
    /// [`min_density`](Self::min_density). A group keeps one in any case.
    #[must_use]
    pub fn min_count(mut self, units: usize) -> Self {
        self.floor.count = units;
        self
    }

    /// How the amount is divided among the parameters: uniformly (the default), globally, by ERK or
    /// per layer.
    #[must_use]
    pub fn allocation(mut self, allocation: Allocation) -> Self {
        self.allocation = allocation;
        self
    }

    /// Prunes these parameters as well: biases, embeddings, weights of layers of your own. Of coupled
    /// channels, beside [`only`](Self::only), the groups that have one of them.
    #[must_use]
    pub fn include(mut self, group: ParamGroup) -> Self {
        self.filter.include.push(group);
        self
    }

    /// Prunes these parameters instead of the default ones. Of coupled channels, the groups that
    /// have one of them, instead of all.
    ///
    /// It can be given once; a pruner that was given two is refused when it is used. More is added
    /// with [`include`](Self::include).
    #[must_use]
    pub fn only(mut self, group: ParamGroup) -> Self {
        if self.filter.only.is_some() {
            self.contradiction = Some(Contradiction::OnlyTwice);
        }
        self.filter.only = Some(group);
        self
    }

    /// Leaves these parameters alone, and with them every group of coupled channels that has one of
    /// them. Wins over `include` and `only`.
    #[must_use]
    pub fn exclude(mut self, group: ParamGroup) -> Self {
        self.filter.exclude.push(group);
        self
    }

    /// Sets which dimension of these weights is their output and which is their input.
    ///
    /// Use it for a layer of your own, and for one that is called `Linear` but stores its weight in
    /// another order than Burn's. For a parameter in several groups, the first one counts.
    ///
    /// ```
    /// use burn::{module::{Module, Param, ParamGroup}, tensor::{Device, Tensor}};
    /// use burn_prune::{Axis, Magnitude, Pattern, Pruner, WeightAxes};
    ///
    /// /// Stores its weight as PyTorch does, `[d_output, d_input]`.
    /// #[derive(Module, Debug)]
    /// struct Linear {
    ///     weight: Param<Tensor<2>>,
    /// }
    ///
    /// let weight = Tensor::from_floats([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]], &Device::flex());
    /// let layer = Linear { weight: Param::from_tensor(weight) };
    /// let pruner = Pruner::new(Magnitude::l2())
    ///     .pattern(Pattern::Channels(Axis::Output))
    ///     .weight_axes(ParamGroup::from_path("weight"), WeightAxes { output: 0, input: 1 })
    ///     .amount(1);
    /// let mask = pruner.masks(&layer)?.get("weight").unwrap().clone();
    /// assert_eq!(mask.iter().collect::<Vec<_>>(), [false, false, true, true, true, true]);
    /// # Ok::<(), burn_prune::PruneError>(())
    /// ```
    #[must_use]
    pub fn weight_axes(mut self, group: ParamGroup, axes: WeightAxes) -> Self {
        self.filter.axes.push((group, axes));
        self
    }

    /// Ranks a parameter, or the part that it has in coupled channels, by these scores
    /// instead of its weights.
    ///
    /// They have the shape of the parameter and go through the criterion: magnitude takes their
    /// absolute value, or their norm over a channel. Weights that are pruned already take no part;
    /// masks are not applied to the scores. Reads the tensor back.
    ///
    /// ```
    /// use burn::{nn::LinearConfig, tensor::{Device, Tensor}};
    /// use burn_prune::{Magnitude, Pruner};
    ///
    /// let device = Device::flex();
    /// let layer = LinearConfig::new(1, 3).init(&device);
    /// let scores = Tensor::<2>::from_floats([[5.0, -9.0, 1.0]], &device);
    /// let pruner = Pruner::new(Magnitude::l1()).importance("weight", scores).amount(1);
    /// let mask = pruner.masks(&layer)?.get("weight").unwrap().clone();
    /// assert_eq!(mask.iter().collect::<Vec<_>>(), [true, true, false]);
    /// # Ok::<(), burn_prune::PruneError>(())
    /// ```
    #[must_use]
    pub fn importance<const D: usize>(
        mut self,
        path: impl Into<String>,
        scores: Tensor<D>,
    ) -> Self {
        let shape = scores.dims().to_vec();
        let values = Values::read(scores);
        let importance = Importance { shape, values };
        self.importance.insert(path.into(), importance);
        self
    }

    /// The masks that this pruner chooses for the model, together with what is pruned already.
    ///
    /// The model does not change. Weights, and the masks that are there, are read back from the
    /// device together, once; on flex `f32` weights are borrowed. A lazy parameter is initialized.
    ///
    /// A parameter that is shared between several places counts once, under its first path: places
    /// of one [`ParamId`](burn::module::ParamId) whose weights are equal to the last bit when they
    /// first get a mask, and which have had one mask since. Equal ids alone are not enough: models
    /// that are clones of each other or come from one file are pruned each by its own weights.
    ///
    /// # Errors
    /// A bad amount, a group that matches nothing, an axis that a parameter does not have, a
    /// parameter that cannot carry a mask, scores that are not finite; see [`PruneError`].
    pub fn masks<M: Module>(&self, model: &M) -> Result<MaskSet, PruneError> {
        self.masks_with(&BTreeMap::new(), model)
    }

    /// What this pruner does to this model, as JSON that is the same in every process.
    ///
    /// The selection is written as the paths that it resolves to, so it may contain groups of ids,
    /// which another process does not have. Keys are sorted and floats are text. It takes at most 3
    /// KiB: larger parts are replaced by their SHA-256. [`differences`](crate::differences) names
    /// what differs. No weight is read, but a lazy parameter may be initialized; see
    /// [`Criterion::identity`].
    ///
    /// # Errors
    /// As [`masks`](Self::masks), for the selection.
    ///
    /// ```
    /// use burn::{nn::LinearConfig, tensor::Device};
    /// use burn_prune::{Lamp, Magnitude, Pruner, differences};
    ///
    /// let layer = LinearConfig::new(4, 2).init(&Device::flex());
    /// let magnitude = Pruner::new(Magnitude::l1()).amount(0.5).identity(&layer)?;
    /// let lamp = Pruner::new(Lamp).amount(0.5).identity(&layer)?;
    /// assert_eq!(magnitude["parameters"][0], "weight");
    /// assert_eq!(
    ///     differences(&magnitude, &lamp),
    ///     [
    ///         r#"`criterion.data.n` is "1.0" there and missing here"#,
    ///         r#"`criterion.name` is "magnitude" there and "lamp" here"#,
    ///     ],
    /// );
    /// # Ok::<(), burn_prune::PruneError>(())
    /// ```
    pub fn identity<M: Module>(&self, model: &M) -> Result<serde_json::Value, PruneError> {
        identity::of_pruner(self, model)
    }
}
