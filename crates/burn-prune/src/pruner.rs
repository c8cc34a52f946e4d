//! The four axes together.

use std::{collections::HashMap, sync::Arc};

use burn::module::{Module, ParamGroup};
use burn::tensor::Tensor;

use crate::{
    Allocation, Amount, Criterion, Mask, MaskSet, Pattern, PruneError, Scores, Target, Units,
    Weight, WeightAxes,
    model::{Inventory, Values, visit_weights},
    select::{Candidates, lowest},
    target::{Selected, Targets},
};

/// How to prune: a criterion, a pattern, an allocation, and the parameters it is about.
///
/// Without more it prunes single weights of every Linear and convolution layer, the same fraction
/// of each. A pruner is a plain value that can be used on any number of models.
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
    criterion: Arc<dyn Criterion>,
    pattern: Pattern,
    allocation: Allocation,
    target: Option<Target>,
    targets: Targets,
    importance: HashMap<String, Importance>,
}

#[derive(Debug, Clone)]
struct Importance {
    shape: Vec<usize>,
    values: Values,
}

impl Pruner {
    /// A pruner of single weights by this criterion.
    pub fn new(criterion: impl Criterion + 'static) -> Self {
        Self {
            criterion: Arc::new(criterion),
            pattern: Pattern::default(),
            allocation: Allocation::default(),
            target: None,
            targets: Targets::default(),
            importance: HashMap::new(),
        }
    }

    /// How much of what is still unpruned goes: a fraction (`0.3`) or a number of units (`5`).
    #[must_use]
    pub fn amount(mut self, amount: impl Into<Amount>) -> Self {
        self.target = Some(Target::Amount(amount.into()));
        self
    }

    /// The sparsity to arrive at, over *all* units of the selected parameters, in `[0, 1]`.
    ///
    /// Where that many are pruned already, nothing more is.
    #[must_use]
    pub fn to_sparsity(mut self, sparsity: f64) -> Self {
        self.target = Some(Target::Sparsity(sparsity));
        self
    }

    /// What is pruned as a whole: single weights (the default) or channels.
    #[must_use]
    pub fn pattern(mut self, pattern: Pattern) -> Self {
        self.pattern = pattern;
        self
    }

    /// How the amount is shared out: uniformly (the default), globally or by layer.
    #[must_use]
    pub fn allocation(mut self, allocation: Allocation) -> Self {
        self.allocation = allocation;
        self
    }

    /// Prunes these parameters as well: biases, embeddings, weights of layers of your own.
    #[must_use]
    pub fn include(mut self, group: ParamGroup) -> Self {
        self.targets.include.push(group);
        self
    }

    /// Prunes these parameters in the place of the default ones.
    #[must_use]
    pub fn only(mut self, group: ParamGroup) -> Self {
        self.targets.only = Some(group);
        self
    }

    /// Leaves these parameters alone. Wins over `include` and `only`.
    #[must_use]
    pub fn exclude(mut self, group: ParamGroup) -> Self {
        self.targets.exclude.push(group);
        self
    }

    /// Says which dimension of these weights is their output and which their input.
    ///
    /// For a layer of your own; also for one that is called `Linear` but stores its weight in
    /// another order than Burn's. The first group that a parameter is in counts.
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
        self.targets.axes.push((group, axes));
        self
    }

    /// Ranks a parameter by these scores in the place of its weights.
    ///
    /// They have the shape of the parameter and go through the criterion: magnitude takes their
    /// absolute value, or their norm over a channel. What is pruned already takes no part, but no
    /// mask enters the scores. Reads the tensor back.
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
    /// The model does not change. Weights are read back from the device once, a parameter at a
    /// time; a parameter that was not initialized yet is. A shared parameter counts once, under its
    /// first path.
    ///
    /// # Errors
    /// A bad amount, a group that matches nothing, an axis that a parameter does not have, a
    /// parameter that cannot carry a mask, scores that are not finite; see [`PruneError`].
    pub fn masks<M: Module>(&self, model: &M) -> Result<MaskSet, PruneError> {
        self.validate()?;
        let mut inventory = Inventory::of(model);
        let selected = self.targets.select(&inventory)?.into_iter();
        let selected = selected.map(|selected| selected.parameter.id).collect();
        inventory.initialize(model, &selected);
        let selected = self.targets.select(&inventory)?;
        let mut tensors = Vec::with_capacity(selected.len());
        for Selected { parameter, axes } in selected {
            let (path, shape) = (parameter.path(), &parameter.shape);
            let units = self.pattern.units(path, shape, axes)?;
            let mask = parameter.mask();
            let mask = mask.unwrap_or_else(|| Mask::all_kept(shape.clone()));
            let unpruned = units.unpruned(&mask);
            tensors.push(Ranked {
                parameter,
                units,
                unpruned,
                mask,
                scores: None,
            });
        }
        self.check_importance(&tensors)?;
        self.score(model, &mut tensors)?;
        self.prune_lowest(&mut tensors)?;
        let masks = tensors.into_iter();
        Ok(masks
            .map(|tensor| (tensor.parameter.path().to_string(), tensor.mask))
            .collect())
    }

    fn validate(&self) -> Result<(), PruneError> {
        if let Some(target) = self.target {
            target.validate()?;
        }
        match &self.allocation {
            Allocation::PerLayer(targets) => {
                targets.iter().try_for_each(|(_, target)| target.validate())
            }
            _ => self.target.map(drop).ok_or(PruneError::NoAmount),
        }
    }

    fn check_importance(&self, tensors: &[Ranked<'_>]) -> Result<(), PruneError> {
        for (path, importance) in &self.importance {
            let mut known = tensors.iter().map(|tensor| tensor.parameter);
            let Some(parameter) = known.find(|parameter| parameter.paths.contains(path)) else {
                let selected = tensors.iter().map(|tensor| tensor.parameter.path());
                return Err(PruneError::ImportanceUnused {
                    path: path.clone(),
                    selected: selected.collect::<Vec<_>>().join(", "),
                });
            };
            if importance.shape != parameter.shape {
                return Err(PruneError::ImportanceShape {
                    path: path.clone(),
                    expected: parameter.shape.clone(),
                    found: importance.shape.clone(),
                });
            }
        }
        Ok(())
    }

    fn score<M: Module>(&self, model: &M, tensors: &mut [Ranked<'_>]) -> Result<(), PruneError> {
        let mut by_weight = HashMap::new();
        for tensor in tensors.iter_mut() {
            let mut paths = tensor.parameter.paths.iter();
            match paths.find_map(|path| self.importance.get(path)) {
                Some(importance) => tensor.scores = Some(self.scores(tensor, &importance.values)?),
                None => drop(by_weight.insert(tensor.parameter.id, tensor)),
            }
        }
        let ids: Vec<_> = by_weight.keys().copied().collect();
        let mut result = Ok(());
        visit_weights(model, ids, |id, mut weights| {
            if let (Ok(()), Some(tensor)) = (&result, by_weight.get_mut(&id)) {
                weights.apply(&tensor.mask);
                match self.scores(tensor, &weights) {
                    Ok(scores) => tensor.scores = Some(scores),
                    Err(error) => result = Err(error),
                }
            }
        });
        result
    }

    fn scores(&self, tensor: &Ranked<'_>, values: &Values) -> Result<Scores, PruneError> {
        let (path, units) = (tensor.parameter.path(), &tensor.units);
        let weight = Weight::new(path, &tensor.parameter.shape, values);
        let scores = self.criterion.scores(&weight, units)?;
        scores.validate(path, units)?;
        Ok(scores)
    }

    fn prune_lowest(&self, tensors: &mut [Ranked<'_>]) -> Result<(), PruneError> {
        match (&self.allocation, self.target) {
            (Allocation::Global, Some(target)) => {
                let remaining = tensors.iter().map(Ranked::remaining).sum();
                let total = tensors.iter().map(|tensor| tensor.units.count()).sum();
                let count = target.count("all parameters", remaining, total)?;
                prune(tensors, count);
            }
            (Allocation::PerLayer(targets), fallback) => {
                for (group, _) in targets {
                    let mut parameters = tensors.iter().map(|tensor| tensor.parameter);
                    if !parameters.any(|parameter| parameter.matches(group)) {
                        let paths = tensors.iter().map(|tensor| tensor.parameter.path());
                        return Err(PruneError::GroupMatchesNothing {
                            method: "Allocation::per_layer",
                            group: format!("{group:?}"),
                            found: paths.collect::<Vec<_>>().join(", "),
                        });
                    }
                }
                each(tensors, |tensor| {
                    let mut targets = targets.iter();
                    let own = targets.find(|(group, _)| tensor.parameter.matches(group));
                    own.map(|(_, target)| *target).or(fallback)
                })?;
            }
            (_, target) => each(tensors, |_| target)?,
        }
        Ok(())
    }
}

/// Prunes each tensor by its own target; those without one stay as they are.
fn each<'a>(
    tensors: &mut [Ranked<'a>],
    target: impl Fn(&Ranked<'a>) -> Option<Target>,
) -> Result<(), PruneError> {
    for tensor in tensors {
        if let Some(target) = target(tensor) {
            let (remaining, total) = (tensor.remaining(), tensor.units.count());
            let count = target.count(tensor.parameter.path(), remaining, total)?;
            prune(std::slice::from_mut(tensor), count);
        }
    }
    Ok(())
}

/// Prunes the `count` units with the lowest scores of all these tensors.
fn prune(tensors: &mut [Ranked<'_>], count: usize) {
    let candidates: Vec<_> = tensors
        .iter()
        .map(|tensor| Candidates {
            scores: tensor
                .scores
                .as_ref()
                .expect("every tensor has been scored"),
            unpruned: &tensor.unpruned,
        })
        .collect();
    let selected = lowest(&candidates, count);
    for (tensor, units) in tensors.iter_mut().zip(selected) {
        tensor.units.prune(&mut tensor.mask, &units);
    }
}

/// A selected parameter on its way to a mask.
struct Ranked<'a> {
    parameter: &'a crate::model::Parameter,
    units: Units,
    unpruned: Vec<bool>,
    mask: Mask,
    scores: Option<Scores>,
}

impl Ranked<'_> {
    fn remaining(&self) -> usize {
        self.unpruned.iter().filter(|unpruned| **unpruned).count()
    }
}
