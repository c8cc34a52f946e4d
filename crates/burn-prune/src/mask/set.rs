use super::Mask;

/// The masks of a model, by parameter path and in the model's order.
///
/// What [`Pruner::masks`](crate::Pruner::masks) computes and
/// [`Prunable::with_masks`](crate::Prunable::with_masks) attaches. Nothing has happened to a model
/// until it is attached.
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MaskSet {
    masks: Vec<(String, Mask)>,
}

impl MaskSet {
    /// A set without masks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the mask of a parameter, replacing the one it had.
    pub fn insert(&mut self, path: impl Into<String>, mask: Mask) {
        let path = path.into();
        match self.masks.iter_mut().find(|(known, _)| *known == path) {
            Some((_, known)) => *known = mask,
            None => self.masks.push((path, mask)),
        }
    }

    /// The mask of a parameter.
    pub fn get(&self, path: &str) -> Option<&Mask> {
        let mut masks = self.masks.iter();
        masks.find(|(known, _)| known == path).map(|(_, mask)| mask)
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
