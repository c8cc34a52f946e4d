use serde::{Deserialize, Serialize};

use crate::PruneError;

/// From when to when masks are updated, and how often: all in steps of the optimizer, or all in
/// epochs.
///
/// The first update is at `begin`, further ones follow `every` so often, and the last is at `end`
/// whatever `every` is.
///
/// ```
/// use burn_prune::{TrainingLength, Span};
///
/// let run = TrainingLength { epochs: 10, steps_per_epoch: 150 };
/// assert_eq!(Span::epochs(0, 4, 2).in_steps(run), Span::steps(0, 600, 300));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Span {
    /// In steps of the optimizer; with accumulated gradients that is fewer than batches.
    Steps {
        /// The first update.
        begin: usize,
        /// The last update.
        end: usize,
        /// Steps between updates.
        every: usize,
    },
    /// In whole epochs.
    Epochs {
        /// The first update; 0 is before training.
        begin: usize,
        /// The last update.
        end: usize,
        /// Epochs between updates.
        every: usize,
    },
}

/// How long the training is, which turns epochs into steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainingLength {
    /// Epochs of the whole run.
    pub epochs: usize,
    /// Steps of the optimizer in an epoch: batches, divided by the devices that share them and by
    /// those whose gradients are accumulated, rounded up.
    pub steps_per_epoch: usize,
}

impl TrainingLength {
    /// Steps of the whole run.
    pub fn steps(self) -> usize {
        self.epochs.saturating_mul(self.steps_per_epoch)
    }
}

impl Span {
    /// In steps of the optimizer.
    pub fn steps(begin: usize, end: usize, every: usize) -> Self {
        Self::Steps { begin, end, every }
    }

    /// In epochs.
    pub fn epochs(begin: usize, end: usize, every: usize) -> Self {
        Self::Epochs { begin, end, every }
    }

    /// The same in steps; more than a `usize` holds are `usize::MAX`.
    #[must_use]
    pub fn in_steps(self, run: TrainingLength) -> Self {
        let Self::Epochs { begin, end, every } = self else {
            return self;
        };
        let [begin, end, every] =
            [begin, end, every].map(|epochs| epochs.saturating_mul(run.steps_per_epoch));
        Self::Steps { begin, end, every }
    }

    /// Begin, end and what lies between updates, in steps of the optimizer.
    pub(super) fn checked_steps(self, run: TrainingLength) -> Result<[usize; 3], PruneError> {
        let Self::Epochs { begin, end, every } = self else {
            return Ok(self.parts());
        };
        let steps = |field, epochs: usize| {
            let steps = epochs.checked_mul(run.steps_per_epoch);
            steps.ok_or_else(|| PruneError::InvalidSchedule {
                field,
                expected: format!("at most {} epochs", usize::MAX / run.steps_per_epoch),
                found: epochs.to_string(),
            })
        };
        Ok([
            steps("span.begin", begin)?,
            steps("span.end", end)?,
            steps("span.every", every)?,
        ])
    }

    /// Begin, end and what lies between updates, in its own unit.
    fn parts(self) -> [usize; 3] {
        match self {
            Self::Steps { begin, end, every } | Self::Epochs { begin, end, every } => {
                [begin, end, every]
            }
        }
    }

    pub(super) fn validate(self) -> Result<(), PruneError> {
        let [begin, end, every] = self.parts();
        let invalid = |field: &'static str, expected: String, found: usize| {
            Err(PruneError::InvalidSchedule {
                field,
                expected,
                found: found.to_string(),
            })
        };
        if every == 0 {
            return invalid("span.every", "at least 1".to_string(), every);
        }
        if end < begin {
            return invalid("span.end", format!("at least `span.begin`, {begin}"), end);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_become_steps_and_steps_stay() {
        let run = TrainingLength {
            epochs: 3,
            steps_per_epoch: 10,
        };
        assert_eq!(run.steps(), 30);
        assert_eq!(Span::epochs(1, 3, 1).in_steps(run), Span::steps(10, 30, 10));
        assert_eq!(Span::steps(1, 3, 1).in_steps(run), Span::steps(1, 3, 1));
    }

    #[test]
    fn what_is_no_span_is_refused_with_its_field() {
        let field = |span: Span| match span.validate() {
            Err(PruneError::InvalidSchedule { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(field(Span::steps(0, 10, 0)), "span.every");
        assert_eq!(field(Span::epochs(5, 4, 1)), "span.end");
        Span::steps(5, 5, 1).validate().unwrap();
    }
}
