//! The masks of a model.

use std::collections::HashMap;
use std::fmt;

use super::value::Mask;
use crate::error::PruneError;
use crate::table::{Table, percent};

/// The masks of a model, by parameter path and in the model's order.
///
/// What [`Pruner::masks`](crate::Pruner::masks) computes and
/// [`Prunable::with_masks`](crate::Prunable::with_masks) attaches. A model does not change until
/// the set is attached.
///
/// ```
/// use burn_prune::{Mask, MaskSet};
///
/// let mut masks = MaskSet::new();
/// masks.insert("fc1.weight", Mask::from_kept([2, 2], &[true, false, true, false])?);
/// assert_eq!(masks.get("fc1.weight").unwrap().pruned(), 2);
/// assert_eq!(masks.sparsity(), 0.5);
/// # Ok::<(), burn_prune::PruneError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct MaskSet {
    masks: Vec<(String, Mask)>,
    /// Where the mask of a path is.
    places: HashMap<String, usize>,
    skipped: Vec<Skipped>,
}

/// A parameter that was left alone, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skipped {
    /// Path of the parameter.
    pub path: String,
    /// Why it has no mask.
    pub reason: String,
}

/// Compares the masks of each path, whatever their order is, and not what was
/// [skipped](MaskSet::skipped) when they were made.
///
/// ```
/// use burn_prune::{Mask, MaskSet};
///
/// let mask = |path: &str, kept| (path.to_string(), Mask::from_kept([1], &[kept]).unwrap());
/// let one = MaskSet::from_iter([mask("fc1", true), mask("fc2", false)]);
/// let other = MaskSet::from_iter([mask("fc2", false), mask("fc1", true)]);
/// assert_eq!(one, other);
/// ```
impl PartialEq for MaskSet {
    fn eq(&self, other: &Self) -> bool {
        let same = |(path, mask): (&str, &Mask)| other.get(path) == Some(mask);
        self.len() == other.len() && self.iter().all(same)
    }
}

impl Eq for MaskSet {}

impl MaskSet {
    /// A set without masks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the mask of a parameter, replacing the one it had.
    pub fn insert(&mut self, path: impl Into<String>, mask: Mask) {
        let path = path.into();
        match self.places.get(&path) {
            Some(place) => self.masks[*place].1 = mask,
            None => {
                self.places.insert(path.clone(), self.masks.len());
                self.masks.push((path, mask));
            }
        }
    }

    /// The mask of a parameter.
    pub fn get(&self, path: &str) -> Option<&Mask> {
        let place = self.places.get(path)?;
        Some(&self.masks[*place].1)
    }

    /// Paths and masks, in the model's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Mask)> {
        self.masks.iter().map(|(path, mask)| (path.as_str(), mask))
    }

    /// Number of masked parameters.
    pub fn len(&self) -> usize {
        self.masks.len()
    }

    /// Whether there are no masks.
    pub fn is_empty(&self) -> bool {
        self.masks.is_empty()
    }

    /// The parameters that were selected but left alone, because the pruner was told to
    /// [skip](crate::NM::skip_indivisible) what does not fit. Not compared and not saved.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    pub(crate) fn with_skipped(mut self, skipped: Vec<Skipped>) -> Self {
        self.skipped = skipped;
        self
    }

    /// Keeps what both sets keep. A parameter without a mask keeps everything.
    ///
    /// # Errors
    /// When a parameter has masks of different shapes.
    ///
    /// ```
    /// use burn_prune::{Mask, MaskSet};
    ///
    /// let set = |masks: [(&str, [bool; 2]); 2]| -> MaskSet {
    ///     let masks = masks.map(|(path, kept)| (path.to_string(), Mask::from_kept([2], &kept).unwrap()));
    ///     masks.into_iter().collect()
    /// };
    /// let a = set([("fc1", [true, false]), ("fc2", [true, true])]);
    /// let b = set([("fc1", [true, true]), ("fc3", [false, true])]);
    ///
    /// let both = a.clone().intersect(&b)?;
    /// assert_eq!(both.get("fc1").unwrap().kept(), 1);
    /// assert_eq!(both.get("fc3").unwrap().kept(), 1);
    /// let either = a.union(&b)?;
    /// assert_eq!(either.sparsity(), 0.0);
    /// # Ok::<(), burn_prune::PruneError>(())
    /// ```
    pub fn intersect(self, other: &Self) -> Result<Self, PruneError> {
        self.combine(other, Mask::intersect)
    }

    /// Keeps what either of the sets keeps. A parameter without a mask keeps everything.
    ///
    /// # Errors
    /// When a parameter has masks of different shapes.
    pub fn union(self, other: &Self) -> Result<Self, PruneError> {
        self.combine(other, Mask::union)
    }

    fn combine(
        self,
        other: &Self,
        combine: impl Fn(Mask, &Mask) -> Result<Mask, PruneError>,
    ) -> Result<Self, PruneError> {
        let mut combined = self;
        let missing = |set: &Self, of: &Self| -> Vec<(String, Mask)> {
            let missing = of.masks.iter().filter(|(path, _)| set.get(path).is_none());
            let all_kept =
                |(path, mask): &(String, Mask)| (path.clone(), Mask::all_kept(mask.shape()));
            missing.map(all_kept).collect()
        };
        for (path, mask) in missing(&combined, other) {
            combined.insert(path, mask);
        }
        for (path, mask) in &mut combined.masks {
            let all_kept = Mask::all_kept(mask.shape());
            let other = other.get(path).unwrap_or(&all_kept);
            let one = std::mem::replace(mask, Mask::all_kept([0]));
            *mask = combine(one, other).map_err(|error| error.at(path))?;
        }
        Ok(combined)
    }

    /// Fraction of all masked weights that is pruned, in `[0, 1]`; 0 for an empty set.
    pub fn sparsity(&self) -> f64 {
        let total: usize = self.masks.iter().map(|(_, mask)| mask.len()).sum();
        let pruned: usize = self.masks.iter().map(|(_, mask)| mask.pruned()).sum();
        match total {
            0 => 0.0,
            total => pruned as f64 / total as f64,
        }
    }
}

impl FromIterator<(String, Mask)> for MaskSet {
    fn from_iter<I: IntoIterator<Item = (String, Mask)>>(masks: I) -> Self {
        let mut set = Self::new();
        for (path, mask) in masks {
            set.insert(path, mask);
        }
        set
    }
}

/// A table of the masks, and of what was skipped.
impl fmt::Display for MaskSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = ["parameter", "shape", "weights", "kept", "sparsity"];
        let mut table = Table::new(2, header);
        for (path, mask) in self.iter() {
            table.row([
                path.to_string(),
                format!("{:?}", mask.shape()),
                mask.len().to_string(),
                mask.kept().to_string(),
                percent(mask.sparsity()),
            ]);
        }
        for Skipped { path, reason } in &self.skipped {
            table.row([path.clone(), format!("skipped: {reason}")]);
        }
        table.fmt(f)
    }
}
