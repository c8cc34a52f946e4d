use std::fmt;

use crate::error::PruneError;

/// Something that went wrong while a [`Pruning`](crate::Pruning) trained, and that a step could not
/// return as an error.
///
/// ```
/// use burn_prune::{Problem, PruneError};
///
/// let problem = Problem::UpdateFailed { step: 40, error: PruneError::NoAmount };
/// assert!(problem.to_string().starts_with("after step 40 the masks were not updated: "));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// The masks were not updated: masks and weights are as they were.
    UpdateFailed {
        /// Finished steps of the optimizer.
        step: usize,
        /// Why.
        error: PruneError,
    },
    /// The model dropped masks in this step, by a write to one field (see
    /// [`MaskGuard`](crate::MaskGuard)). They have been put back.
    MasksDropped {
        /// Finished steps of the optimizer.
        step: usize,
        /// The paths of the parameters.
        paths: Vec<String>,
    },
    /// The model dropped masks in this step, and they could not be put back.
    MasksLost {
        /// Finished steps of the optimizer.
        step: usize,
        /// The paths of the parameters.
        paths: Vec<String>,
        /// Why not.
        error: PruneError,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UpdateFailed { step, error } => {
                write!(f, "after step {step} the masks were not updated: {error}")
            }
            Self::MasksDropped { step, paths } => write!(
                f,
                "in step {step} the masks of {} were dropped, and have been put back",
                paths.join(", ")
            ),
            Self::MasksLost { step, paths, error } => write!(
                f,
                "in step {step} the masks of {} were dropped, and cannot be put back: {error}",
                paths.join(", ")
            ),
        }
    }
}
