//! A pruner as data: a field for each of its methods.

use std::sync::Arc;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Pruner;
use crate::allocation::{self, Allocation};
use crate::amount::{Amount, Target};
use crate::criterion::{self, Criterion, Magnitude};
use crate::error::PruneError;
use crate::param_groups::stored::StoredGroup;
use crate::pattern::{Pattern, WeightAxes};
use crate::ranking::Normalize;

/// The fields of a stored pruner. One that is left out is as in `Pruner::new(Magnitude::l1())`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Fields {
    #[serde(with = "crate::criterion::stored")]
    criterion: Arc<dyn Criterion>,
    pattern: Pattern,
    allocation: Allocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Amount>,
    #[serde(
        skip_serializing_if = "Option::is_none",
        with = "crate::exact_float::optional"
    )]
    to_sparsity: Option<f64>,
    normalize: Normalize,
    #[serde(with = "crate::exact_float")]
    min_density: f64,
    min_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    only: Option<StoredGroup>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    include: Vec<StoredGroup>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    exclude: Vec<StoredGroup>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    weight_axes: Vec<(StoredGroup, WeightAxes)>,
}

impl Default for Fields {
    fn default() -> Self {
        Self::of(&Pruner::new(Magnitude::l1()))
    }
}

impl Fields {
    fn of(pruner: &Pruner) -> Self {
        let (amount, to_sparsity) = match pruner.target {
            Some(Target::Amount(amount)) => (Some(amount), None),
            Some(Target::Sparsity(sparsity)) => (None, Some(sparsity)),
            None => (None, None),
        };
        let filter = &pruner.filter;
        let stored = |groups: &[_]| groups.iter().cloned().map(StoredGroup).collect();
        Self {
            criterion: pruner.criterion.clone(),
            pattern: pruner.pattern.clone(),
            allocation: pruner.allocation.clone(),
            amount,
            to_sparsity,
            normalize: pruner.normalize,
            min_density: pruner.floor.density,
            min_count: pruner.floor.count,
            only: filter.only.clone().map(StoredGroup),
            include: stored(&filter.include),
            exclude: stored(&filter.exclude),
            weight_axes: filter
                .axes
                .iter()
                .map(|(group, axes)| (StoredGroup(group.clone()), *axes))
                .collect(),
        }
    }

    fn into_pruner(self) -> Pruner {
        let mut pruner = Pruner::new(Magnitude::l1())
            .pattern(self.pattern)
            .allocation(self.allocation)
            .normalize(self.normalize)
            .min_density(self.min_density)
            .min_count(self.min_count);
        pruner.criterion = self.criterion;
        if let Some(amount) = self.amount {
            pruner = pruner.amount(amount);
        }
        if let Some(sparsity) = self.to_sparsity {
            pruner = pruner.to_sparsity(sparsity);
        }
        let groups = |groups: Vec<StoredGroup>| groups.into_iter().map(|group| group.0).collect();
        pruner.filter.only = self.only.map(|group| group.0);
        pruner.filter.include = groups(self.include);
        pruner.filter.exclude = groups(self.exclude);
        pruner.filter.axes = self
            .weight_axes
            .into_iter()
            .map(|(group, axes)| (group.0, axes))
            .collect();
        pruner
    }
}

/// A field for each method, `criterion` for the argument of [`Pruner::new`]. Fails for groups of
/// parameter ids, for importance scores, which are tensors, and for a criterion of your own without
/// an [identity](Criterion::identity).
impl Serialize for Pruner {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(contradiction) = self.contradiction {
            return Err(S::Error::custom(PruneError::from(contradiction)));
        }
        if let Some(path) = self.importance.keys().next() {
            return Err(S::Error::custom(format!(
                "the importance scores of `{path}` are a tensor, which is not stored with a \
                 pruner: give them with `Pruner::importance` after it is read"
            )));
        }
        Fields::of(self).serialize(serializer)
    }
}

/// Fields that are left out are as in `Pruner::new(Magnitude::l1())`; one that is not known is
/// refused.
impl<'de> Deserialize<'de> for Pruner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pruner = Fields::deserialize(deserializer)?.into_pruner();
        match pruner.contradiction {
            Some(contradiction) => Err(D::Error::custom(PruneError::from(contradiction))),
            None => Ok(pruner),
        }
    }
}

impl Pruner {
    /// Gives a pruner that was read the criterion of your own that it was stored with.
    ///
    /// A criterion that is not one of this crate is stored as its
    /// [identity](Criterion::identity). The pruner that is read knows that identity, and refuses
    /// to choose masks until it is given the criterion.
    ///
    /// ```
    /// use burn::{nn::LinearConfig, tensor::Device};
    /// use burn_prune::{Criterion, Identity, PruneError, Pruner, Scores, Units, Weight};
    ///
    /// /// Weights that are closest to a value go first.
    /// #[derive(Debug)]
    /// struct Around(f64);
    ///
    /// impl Criterion for Around {
    ///     fn scores(&self, weight: &Weight<'_>, units: &Units) -> Result<Scores, PruneError> {
    ///         Ok(units.sum(weight.iter().map(|w| (w - self.0).abs())).into())
    ///     }
    ///
    ///     fn identity(&self) -> Option<Identity> {
    ///         Some(Identity::new("around").with("value", self.0))
    ///     }
    /// }
    ///
    /// let layer = LinearConfig::new(4, 4).init(&Device::flex());
    /// let pruner = Pruner::new(Around(0.5)).amount(0.3);
    /// let json = serde_json::to_string(&pruner).unwrap();
    ///
    /// let read: Pruner = serde_json::from_str(&json).unwrap();
    /// assert!(read.masks(&layer).unwrap_err().to_string().contains("`around"));
    /// assert!(read.clone().give_criterion(Around(0.6)).is_err());
    /// assert_eq!(read.give_criterion(Around(0.5))?.masks(&layer)?, pruner.masks(&layer)?);
    /// # Ok::<(), PruneError>(())
    /// ```
    ///
    /// # Errors
    /// [`StoredError::Mismatch`](crate::StoredError::Mismatch) with both names, when the criterion is not the one that the pruner
    /// was stored with, or has no identity.
    pub fn give_criterion(self, criterion: impl Criterion) -> Result<Self, PruneError> {
        criterion::stored::check_given(self.criterion.as_ref(), &criterion)?;
        Ok(Self {
            criterion: Arc::new(criterion),
            ..self
        })
    }

    /// Gives a pruner that was read the allocation rule that it was stored with.
    ///
    /// A rule is stored as its [identity](crate::AllocationRule::identity). The pruner that is read
    /// knows that identity, and refuses to choose masks until it is given the rule.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use burn::{nn::LinearConfig, tensor::Device};
    /// use burn_prune::{Allocation, AllocationRule, Identity, Lamp, PruneError, Pruner, Shares, Target};
    ///
    /// /// All lose the same number of units.
    /// #[derive(Debug)]
    /// struct Each(usize);
    ///
    /// impl AllocationRule for Each {
    ///     fn counts(&self, shares: &Shares<'_>, _: Option<Target>) -> Result<Vec<usize>, PruneError> {
    ///         Ok(shares.iter().map(|share| self.0.min(share.removable())).collect())
    ///     }
    ///
    ///     fn identity(&self) -> Option<Identity> {
    ///         Some(Identity::new("each").with("units", self.0))
    ///     }
    /// }
    ///
    /// let layer = LinearConfig::new(4, 4).init(&Device::flex());
    /// let each = |units| Allocation::Rule(Arc::new(Each(units)));
    /// let pruner = Pruner::new(Lamp).allocation(each(3));
    /// let json = serde_json::to_string(&pruner).unwrap();
    ///
    /// let read: Pruner = serde_json::from_str(&json).unwrap();
    /// assert!(read.masks(&layer).unwrap_err().to_string().contains("`each"));
    /// assert!(read.clone().give_allocation(each(4)).is_err());
    /// assert_eq!(read.give_allocation(each(3))?.masks(&layer)?, pruner.masks(&layer)?);
    /// # Ok::<(), PruneError>(())
    /// ```
    ///
    /// # Errors
    /// [`StoredError::Mismatch`](crate::StoredError::Mismatch) with both names, when the allocation is not the rule that the
    /// pruner was stored with, or has no identity.
    pub fn give_allocation(self, allocation: Allocation) -> Result<Self, PruneError> {
        allocation::stored::check_given(&self.allocation, &allocation)?;
        Ok(Self { allocation, ..self })
    }
}
