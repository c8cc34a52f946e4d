use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::MaskSet;

/// What the masks are now, for those who watch: counts that cost no read of the device.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress(Arc<Mutex<Vec<Counts>>>);

#[derive(Debug, Clone)]
pub(super) struct Counts {
    pub path: String,
    pub weights: usize,
    pub pruned: usize,
}

impl Progress {
    pub(super) fn set(&self, masks: &MaskSet) {
        let counts = masks.iter().map(|(path, mask)| Counts {
            path: path.to_string(),
            weights: mask.len(),
            pruned: mask.pruned(),
        });
        *self.lock() = counts.collect();
    }

    /// Fraction of the weights that is pruned, of one parameter or of all.
    pub(super) fn sparsity(&self, path: Option<&str>) -> f64 {
        let counts = self.lock();
        let chosen = counts
            .iter()
            .filter(|one| path.is_none_or(|path| one.path == path));
        let (weights, pruned) = chosen.fold((0, 0), |(weights, pruned), one| {
            (weights + one.weights, pruned + one.pruned)
        });
        match weights {
            0 => 0.0,
            weights => pruned as f64 / weights as f64,
        }
    }

    #[cfg(feature = "train")]
    pub(super) fn paths(&self) -> Vec<String> {
        self.lock().iter().map(|one| one.path.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Counts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
