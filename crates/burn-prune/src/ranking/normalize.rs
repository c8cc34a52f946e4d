//! Making the scores of different layers comparable.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::PruneError;
use crate::mask::Mask;
use crate::model::Values;
use crate::scores::Scores;

/// What the scores of a parameter, or of a group of coupled channels, are divided by before they are
/// compared with those of others.
///
/// It matters where all units are ranked together, under
/// [`Allocation::Global`](crate::Allocation::Global); within a parameter or group the order stays.
/// Divisors and quotients are in f64. A divisor of 0 counts as 1.
///
/// See [`Pruner::normalize`](crate::Pruner::normalize) for an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Normalize {
    /// By nothing.
    #[default]
    None,
    /// By the L2 norm of the effective weights, `sqrt(Σ w²)`; of a group over the weights of its
    /// units in all members. [Importance](crate::Pruner::importance) scores are divided by their own
    /// norm.
    Norm,
    /// By the mean absolute score of the units that are still unpruned. With this and
    /// [`Magnitude`](crate::Magnitude) coupled channels are ranked as Torch-Pruning does (Fang et al.
    /// 2023, "DepGraph").
    Mean,
}

impl Normalize {
    /// Divides the scores of what has this name. The norm is only asked for where it is needed.
    pub(super) fn divide(
        self,
        scores: Scores,
        name: &str,
        unpruned: &Mask,
        norm: impl FnOnce() -> Result<f64, PruneError>,
    ) -> Result<Scores, PruneError> {
        let divisor = match self {
            Self::None => return Ok(scores),
            Self::Norm => norm()?,
            Self::Mean => scores.mean_magnitude(unpruned),
        };
        match divisor {
            0.0 => Ok(scores.divided_by(1.0)),
            divisor if divisor.is_finite() => Ok(scores.divided_by(divisor)),
            found => Err(PruneError::NonFiniteScore {
                path: name.to_string(),
                unit: 0,
                found,
            }),
        }
    }
}

/// The L2 norm. Summed in f64 by chunks and in their order, so that it does not depend on the
/// threads.
///
/// # Errors
/// When it is not finite, with the weight that is the reason.
pub(super) fn norm(name: &str, values: &Values) -> Result<f64, PruneError> {
    const CHUNK: usize = 1 << 14;
    let chunks = values.len().div_ceil(CHUNK);
    let sum = |chunk: usize| {
        let mut block = Vec::new();
        values.read_into(
            chunk * CHUNK..values.len().min((chunk + 1) * CHUNK),
            &mut block,
        );
        block.iter().map(|value| value * value).sum::<f64>()
    };
    let sums: Vec<f64> = (0..chunks).into_par_iter().map(sum).collect();
    let norm = sums.iter().sum::<f64>().sqrt();
    if norm.is_finite() {
        return Ok(norm);
    }
    let mut weights = values.iter().enumerate();
    let infinite = weights.find(|(_, weight)| !weight.is_finite());
    let (unit, found) = infinite.unwrap_or((0, norm));
    Err(PruneError::NonFiniteScore {
        path: name.to_string(),
        unit,
        found,
    })
}
