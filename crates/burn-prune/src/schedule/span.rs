use serde::{Deserialize, Serialize};

use crate::error::PruneError;

/// From when to when masks are updated, and how often: all in steps of the optimizer, or all in
/// epochs.
///
/// The first update is at `begin`, the others follow at intervals of `every`, and the last is at
/// `end` whatever `every` is.
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

/// A point of the training, in finished steps of the optimizer or in finished epochs; 0 is before
/// the training.
///
/// ```
/// use burn_prune::{At, ScheduleConfig};
///
/// // 90 % after the third epoch.
/// let schedule = ScheduleConfig::OneShot { sparsity: 0.9, at: At::Epoch(3) };
/// assert_eq!(ScheduleConfig::one_shot(0.9), ScheduleConfig::OneShot { sparsity: 0.9, at: At::Step(0) });
/// # assert_ne!(ScheduleConfig::one_shot(0.9), schedule);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum At {
    /// After this many steps.
    Step(usize),
    /// After this many epochs.
    Epoch(usize),
}

/// How long a training is. It turns epochs into steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingLength {
    /// Epochs of the whole training.
    pub epochs: usize,
    /// Steps of the optimizer in an epoch: batches, divided by the devices that share them and by
    /// those whose gradients are accumulated, rounded up.
    pub steps_per_epoch: usize,
}

impl TrainingLength {
    /// Steps of the whole training.
    pub fn steps(self) -> usize {
        self.epochs.saturating_mul(self.steps_per_epoch)
    }

    /// The steps of so many epochs, which a field of a schedule has.
    fn steps_of(self, field: &'static str, epochs: usize) -> Result<usize, PruneError> {
        let steps = epochs.checked_mul(self.steps_per_epoch);
        steps.ok_or_else(|| PruneError::InvalidSchedule {
            field,
            expected: format!("at most {} epochs", usize::MAX / self.steps_per_epoch),
            found: epochs.to_string(),
        })
    }
}

impl Default for At {
    fn default() -> Self {
        Self::Step(0)
    }
}

impl At {
    /// The span of this one update, in steps: begin, end, and the length of its own unit.
    pub(super) fn checked_steps(self, length: TrainingLength) -> Result<[usize; 3], PruneError> {
        let (step, unit) = match self {
            Self::Step(step) => (step, 1),
            Self::Epoch(epoch) => (length.steps_of("at", epoch)?, length.steps_per_epoch),
        };
        Ok([step, step, unit])
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

    /// The same in steps; more than a `usize` holds becomes `usize::MAX`.
    #[must_use]
    pub fn in_steps(self, length: TrainingLength) -> Self {
        let Self::Epochs { begin, end, every } = self else {
            return self;
        };
        let [begin, end, every] =
            [begin, end, every].map(|epochs| epochs.saturating_mul(length.steps_per_epoch));
        Self::Steps { begin, end, every }
    }

    /// Begin, end and what lies between updates, in steps of the optimizer.
    pub(super) fn checked_steps(self, length: TrainingLength) -> Result<[usize; 3], PruneError> {
        self.validate()?;
        let Self::Epochs { begin, end, every } = self else {
            return Ok(self.parts());
        };
        Ok([
            length.steps_of("span.begin", begin)?,
            length.steps_of("span.end", end)?,
            length.steps_of("span.every", every)?,
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

    fn validate(self) -> Result<(), PruneError> {
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
