use burn::config::Config;
use serde::{Deserialize, Serialize};

use super::{At, Span};

/// A schedule as plain data, for a [`Recipe`](crate::Recipe) or a file.
///
/// ```
/// use burn::config::Config;
/// use burn_prune::{TrainingLength, ScheduleConfig, Span};
///
/// let config = ScheduleConfig::cubic(0.9, Span::epochs(0, 4, 1));
/// let folder = tempfile::tempdir().unwrap();
/// let file = folder.path().join("schedule.json");
/// config.save(&file).unwrap();
/// assert_eq!(ScheduleConfig::load(&file).unwrap(), config);
///
/// let length = TrainingLength { epochs: 8, steps_per_epoch: 100 };
/// let schedule = config.build(length)?;
/// assert!(schedule.updates_after(100) && !schedule.updates_after(150));
/// assert_eq!(schedule.sparsity_after(400), 0.9);
/// # Ok::<(), burn_prune::PruneError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub enum ScheduleConfig {
    /// Everything in one update.
    OneShot {
        /// The sparsity, in `[0, 1]`.
        #[serde(with = "crate::exact_float")]
        sparsity: f64,
        /// When; by default before the training.
        #[serde(default)]
        at: At,
    },
    /// `s_f + (s_i - s_f)(1 - (t - t_0) / (t_1 - t_0))^power` (Zhu and Gupta 2017, "To prune, or
    /// not to prune"): fast at first, when there is much to choose from, and slow at the end.
    Polynomial {
        /// `s_i`, the sparsity at the beginning.
        #[serde(default, with = "crate::exact_float")]
        initial: f64,
        /// `s_f`, the sparsity at the end.
        #[serde(with = "crate::exact_float")]
        target: f64,
        /// 3 by default.
        #[serde(default = "cubic", with = "crate::exact_float")]
        power: f64,
        /// `t_0` and `t_1`.
        span: Span,
    },
    /// The same amount at each update.
    Linear {
        /// The sparsity at the beginning.
        #[serde(default, with = "crate::exact_float")]
        initial: f64,
        /// The sparsity at the end.
        #[serde(with = "crate::exact_float")]
        target: f64,
        /// When.
        span: Span,
    },
    /// The same fraction of what is left in equal times.
    Exponential {
        /// The sparsity at the beginning, below 1.
        #[serde(default, with = "crate::exact_float")]
        initial: f64,
        /// The sparsity at the end, below 1.
        #[serde(with = "crate::exact_float")]
        target: f64,
        /// When.
        span: Span,
    },
    /// The same fraction of what is left in each of a number of rounds, the last of which arrives
    /// at the target: the rounds of iterative magnitude pruning. The first round is at the
    /// beginning.
    GeometricRounds {
        /// The sparsity after the last round, below 1.
        #[serde(with = "crate::exact_float")]
        target: f64,
        /// When: one round per update.
        span: Span,
    },
}

fn cubic() -> f64 {
    3.0
}

impl Config for ScheduleConfig {}

impl ScheduleConfig {
    /// Everything before the first step of the training.
    pub fn one_shot(sparsity: f64) -> Self {
        Self::OneShot {
            sparsity,
            at: At::default(),
        }
    }

    /// From 0 to this sparsity by the cubic polynomial.
    pub fn cubic(target: f64, span: Span) -> Self {
        Self::Polynomial {
            initial: 0.0,
            target,
            power: cubic(),
            span,
        }
    }

    /// From 0 to this sparsity in equal amounts.
    pub fn linear(target: f64, span: Span) -> Self {
        Self::Linear {
            initial: 0.0,
            target,
            span,
        }
    }

    /// From 0 to this sparsity, the same fraction of what is left in equal times.
    pub fn exponential(target: f64, span: Span) -> Self {
        Self::Exponential {
            initial: 0.0,
            target,
            span,
        }
    }

    /// To this sparsity in rounds that each prune the same fraction of what is left.
    pub fn geometric_rounds(target: f64, span: Span) -> Self {
        Self::GeometricRounds { target, span }
    }
}
