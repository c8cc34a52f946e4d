//! How much of the selected parameters is pruned, without reading a device.

use std::collections::HashSet;
use std::sync::Arc;
#[cfg(feature = "train")]
use std::sync::{Mutex, PoisonError};

use crate::mask::{Mask, MaskSet};

/// What is pruned of each selected parameter.
#[derive(Debug, Clone)]
pub(super) struct Counts(Arc<[Count]>);

#[derive(Debug, Clone)]
struct Count {
    path: String,
    weights: usize,
    pruned: usize,
}

impl Counts {
    /// What these masks prune of the parameters at these paths.
    pub(super) fn of(masks: &MaskSet, selected: &HashSet<String>) -> Self {
        let count = |(path, mask): (&str, &Mask)| Count {
            path: path.to_string(),
            weights: mask.len(),
            pruned: mask.pruned(),
        };
        let selected = masks.iter().filter(|(path, _)| selected.contains(*path));
        Self(selected.map(count).collect())
    }

    /// Fraction of the weights that is pruned, of one parameter or of all.
    pub(super) fn sparsity(&self, path: Option<&str>) -> f64 {
        let chosen = self
            .0
            .iter()
            .filter(|one| path.is_none_or(|path| one.path == path));
        let (weights, pruned) = chosen.fold((0, 0), |(weights, pruned), one| {
            (weights + one.weights, pruned + one.pruned)
        });
        if weights == 0 {
            return 0.0;
        }
        pruned as f64 / weights as f64
    }

    #[cfg(feature = "train")]
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|one| one.path.as_str())
    }
}

/// The counts of the instance that trains, for those who watch.
///
/// `Learner` clones the model at every step, so its clones share this. An instance that does not
/// train never writes to it.
#[cfg(feature = "train")]
#[derive(Debug, Clone)]
pub(super) struct Watched(Arc<Mutex<Counts>>);

#[cfg(feature = "train")]
impl Watched {
    pub(super) fn new(counts: Counts) -> Self {
        Self(Arc::new(Mutex::new(counts)))
    }

    pub(super) fn set(&self, counts: Counts) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = counts;
    }

    pub(super) fn get(&self) -> Counts {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.clone()
    }
}
