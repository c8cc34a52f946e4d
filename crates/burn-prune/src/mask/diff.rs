//! What two mask sets have in common.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::set::MaskSet;
use super::value::{Mask, intersection_over_union};
use crate::error::PruneError;
use crate::table::Table;

/// What two mask sets keep, by parameter: [`MaskSet::diff`]. Prints as a table.
///
/// ```
/// use burn::{nn::LinearConfig, tensor::Device};
/// use burn_prune::{Prunable, Pruner, Random};
///
/// let layer = LinearConfig::new(8, 8).init(&Device::flex());
/// let draw = |seed| Pruner::new(Random::new(seed)).amount(0.5).masks(&layer);
/// let (first, second) = (draw(1)?, draw(2)?);
///
/// let diff = first.diff(&second)?;
/// let weight = &diff.parameters[0];
/// assert_eq!(weight.both + weight.only_first, 32);
/// assert_eq!(diff.overlap(), weight.both as f64 / (64 - weight.neither) as f64);
/// assert!(first.diff(&first)?.is_same());
/// println!("{diff}");
/// # Ok::<(), burn_prune::PruneError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MaskDiff {
    /// The parameters of both sets, those of the first set first.
    pub parameters: Vec<ParameterDiff>,
}

/// Weights of one parameter, by which of two masks keep them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ParameterDiff {
    /// Path of the parameter.
    pub path: String,
    /// Kept by both.
    pub both: usize,
    /// Kept by the first alone.
    pub only_first: usize,
    /// Kept by the second alone.
    pub only_second: usize,
    /// Kept by neither.
    pub neither: usize,
}

impl MaskSet {
    /// How much the kept weights of two sets overlap: intersection over union over all parameters,
    /// in `[0, 1]`. A parameter without a mask keeps everything.
    ///
    /// # Errors
    /// When a parameter has masks of different shapes.
    pub fn overlap(&self, other: &Self) -> Result<f64, PruneError> {
        Ok(self.diff(other)?.overlap())
    }

    /// What the two sets keep, by parameter, as plain data that prints as a table.
    ///
    /// # Errors
    /// When a parameter has masks of different shapes.
    pub fn diff(&self, other: &Self) -> Result<MaskDiff, PruneError> {
        MaskDiff::of(self, other)
    }
}

impl MaskDiff {
    pub(super) fn of(first: &MaskSet, second: &MaskSet) -> Result<Self, PruneError> {
        let only_second = second.iter().filter(|(path, _)| first.get(path).is_none());
        let parameters = first.iter().chain(only_second).map(|(path, mask)| {
            let all_kept = Mask::all_kept(mask.shape());
            let first = first.get(path).unwrap_or(&all_kept);
            let second = second.get(path).unwrap_or(&all_kept);
            first.check_shape(second).map_err(|error| error.at(path))?;
            let (both, either) = first.both_and_either(second);
            Ok::<_, PruneError>(ParameterDiff {
                path: path.to_string(),
                both,
                only_first: first.kept() - both,
                only_second: second.kept() - both,
                neither: mask.len() - either,
            })
        });
        Ok(Self {
            parameters: parameters.collect::<Result<_, PruneError>>()?,
        })
    }

    /// Intersection over union of the kept weights of all parameters, in `[0, 1]`.
    pub fn overlap(&self) -> f64 {
        let sum = |count: fn(&ParameterDiff) -> usize| self.parameters.iter().map(count).sum();
        intersection_over_union(sum(|one| one.both), sum(ParameterDiff::either))
    }

    /// Whether the two keep the same weights.
    pub fn is_same(&self) -> bool {
        let mut parameters = self.parameters.iter();
        parameters.all(|one| one.only_first == 0 && one.only_second == 0)
    }
}

impl ParameterDiff {
    fn either(&self) -> usize {
        self.both + self.only_first + self.only_second
    }

    /// Intersection over union of the kept weights, in `[0, 1]`; 1 when neither keeps anything.
    pub fn overlap(&self) -> f64 {
        intersection_over_union(self.both, self.either())
    }
}

impl fmt::Display for MaskDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = [
            "parameter",
            "kept by both",
            "by the first",
            "by the second",
            "by neither",
            "overlap",
        ];
        let mut table = Table::new(1, header);
        for row in &self.parameters {
            table.row([
                row.path.clone(),
                row.both.to_string(),
                row.only_first.to_string(),
                row.only_second.to_string(),
                row.neither.to_string(),
                format!("{:.4}", row.overlap()),
            ]);
        }
        let all = ["all", "", "", "", ""].map(str::to_string);
        table.row(all.into_iter().chain([format!("{:.4}", self.overlap())]));
        table.fmt(f)
    }
}
