use std::fmt;

use serde::{Deserialize, Serialize};

/// A point in a training.
///
/// Steps are finished steps of the optimizer, counted on the learning-rate schedule: after
/// rewinding to step 500 the first step ends at 501.
///
/// ```
/// use burn_prune::lottery::Moment;
///
/// assert_eq!(Moment::Step(500).to_string(), "step 500");
/// assert_eq!(Moment::Start.to_string(), "start");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Moment {
    /// Before the first step.
    Start,
    /// After this many steps.
    Step(usize),
    /// After this many epochs.
    Epoch(usize),
    /// After the last step.
    End,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => write!(f, "start"),
            Self::Step(step) => write!(f, "step {step}"),
            Self::Epoch(epoch) => write!(f, "epoch {epoch}"),
            Self::End => write!(f, "end"),
        }
    }
}

/// What happens between two rounds: three switches that are independent of each other (Renda,
/// Frankle and Carbin 2020, "Comparing Rewinding and Fine-tuning in Neural Network Pruning").
///
/// | | `prune_at` | `weights_to` | `schedule_to` |
/// |---|---|---|---|
/// | [`to_initialization`](Self::to_initialization), the lottery ticket | end | start | start |
/// | [`weights`](Self::weights), to an early step `k` | end | step `k` | step `k` |
/// | [`learning_rate`](Self::learning_rate) | end | end: kept | start, or step `k` |
/// | [`fine_tuning`](Self::fine_tuning) | end | end: kept | end: not rewound |
///
/// Weights of an early step are those of the dense run. The optimizer starts afresh in every
/// round.
///
/// ```
/// use burn_prune::lottery::{Moment, Rewind};
///
/// let early = Rewind::weights(Moment::Step(500));
/// assert_eq!(early.schedule_to, Moment::Step(500));
/// // Pruned by the weights at a fifth of the training, and otherwise the lottery ticket:
/// let rewind = Rewind { prune_at: Moment::Step(3_000), ..Rewind::to_initialization() };
/// assert_eq!(rewind.weights_to, Moment::Start);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rewind {
    /// The moment of the round whose weights determine the next masks.
    pub prune_at: Moment,
    /// The moment that the weights go back to. At `End` they are kept.
    pub weights_to: Moment,
    /// The moment that the learning-rate schedule goes back to. At `End` it is not rewound, and the
    /// last learning rate stays.
    pub schedule_to: Moment,
}

impl Rewind {
    /// Weights and schedule go back to the start (Frankle and Carbin 2019).
    pub fn to_initialization() -> Self {
        Self::weights(Moment::Start)
    }

    /// Weights and schedule go back to this moment (Frankle et al. 2019, "Stabilizing the Lottery
    /// Ticket Hypothesis").
    pub fn weights(moment: Moment) -> Self {
        Self {
            prune_at: Moment::End,
            weights_to: moment,
            schedule_to: moment,
        }
    }

    /// Weights are kept, and the schedule goes back to this moment.
    pub fn learning_rate(moment: Moment) -> Self {
        Self {
            prune_at: Moment::End,
            weights_to: Moment::End,
            schedule_to: moment,
        }
    }

    /// Weights are kept, and the training goes on at the last learning rate.
    pub fn fine_tuning() -> Self {
        Self::learning_rate(Moment::End)
    }
}
