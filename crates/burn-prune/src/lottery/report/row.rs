use serde::{Deserialize, Deserializer, Serialize};

use crate::lottery::cell_id::CellId;
use crate::lottery::store::Outcome;

/// The result of a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StudyRow {
    /// Seed of the initial weights.
    pub seed: u64,
    /// `dense`, the name of a method, or the names of a method and a control.
    pub method: String,
    /// Number of pruning rounds before this training.
    pub round: usize,
    /// Fraction of the prunable weights that the masks keep, in `[0, 1]`.
    pub remaining: f64,
    /// Test accuracy of the weights with the lowest validation loss, in `[0, 1]`.
    pub test_accuracy: f64,
    /// The lowest validation loss.
    pub validation_loss: f64,
    /// The iteration of that loss, counted from the start of this training.
    pub early_stop_iteration: usize,
    /// Whether that was the last evaluation, so that the loss might have gone lower.
    pub censored: bool,
    /// Iterations of the training.
    pub iterations: usize,
    /// Seconds in the training closure; NaN when unknown.
    #[serde(deserialize_with = "or_unknown")]
    pub training_seconds: f64,
    /// Seconds for the cell, training and pruning; without writing it. NaN when unknown.
    #[serde(deserialize_with = "or_unknown")]
    pub seconds: f64,
}

/// A number of a [`StudyRow`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Measure {
    /// [`StudyRow::test_accuracy`].
    TestAccuracy,
    /// [`StudyRow::validation_loss`].
    ValidationLoss,
    /// [`StudyRow::early_stop_iteration`].
    EarlyStopIteration,
}

impl Measure {
    pub(super) fn of(self, row: &StudyRow) -> f64 {
        match self {
            Self::TestAccuracy => row.test_accuracy,
            Self::ValidationLoss => row.validation_loss,
            Self::EarlyStopIteration => row.early_stop_iteration as f64,
        }
    }
}

impl StudyRow {
    pub(super) fn of(outcome: &Outcome) -> Self {
        let CellId {
            seed,
            method,
            round,
        } = outcome.cell.clone();
        Self {
            seed,
            method,
            round,
            remaining: outcome.remaining(),
            test_accuracy: outcome.test_accuracy,
            validation_loss: outcome.validation_loss,
            early_stop_iteration: outcome.early_stop_iteration,
            censored: outcome.censored,
            iterations: outcome.iterations,
            training_seconds: outcome.training_seconds,
            seconds: outcome.seconds,
        }
    }
}

/// JSON has no NaN, and writes it as `null`.
fn or_unknown<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let seconds = Option::<f64>::deserialize(deserializer)?;
    Ok(seconds.unwrap_or(f64::NAN))
}
