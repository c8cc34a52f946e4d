use burn::config::Config;
use serde::{Deserialize, Serialize};

use super::curve::{Curve, Gradual};
use super::{Schedule, Span, TrainingLength};
use crate::PruneError;

/// A schedule as plain data, to be written into a recipe or a file.
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
/// let run = TrainingLength { epochs: 8, steps_per_epoch: 100 };
/// let schedule = config.build(run)?;
/// assert!(schedule.updates_after(100) && !schedule.updates_after(150));
/// assert_eq!(schedule.sparsity_after(400), 0.9);
/// # Ok::<(), burn_prune::PruneError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub enum ScheduleConfig {
    /// Everything at once, at the begin of the span.
    OneShot {
        /// The sparsity, in `[0, 1]`.
        #[serde(with = "crate::exact_float")]
        sparsity: f64,
        /// The only update is at its begin.
        span: Span,
    },
    /// `s_f + (s_i - s_f)(1 - (t - t_0) / (t_1 - t_0))^power` (Zhu and Gupta 2017, "To prune, or
    /// not to prune"): fast at first, when there is much to choose from, and slow in the end.
    Polynomial {
        /// `s_i`, the sparsity at the begin.
        #[serde(default, with = "crate::exact_float")]
        initial: f64,
        /// `s_f`, the sparsity at the end.
        #[serde(with = "crate::exact_float")]
        target: f64,
        /// 3 unless said otherwise.
        #[serde(default = "cubic", with = "crate::exact_float")]
        power: f64,
        /// `t_0` and `t_1`.
        span: Span,
    },
    /// The same amount at each update.
    Linear {
        /// The sparsity at the begin.
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
        /// The sparsity at the begin, below 1.
        #[serde(default, with = "crate::exact_float")]
        initial: f64,
        /// The sparsity at the end, below 1.
        #[serde(with = "crate::exact_float")]
        target: f64,
        /// When.
        span: Span,
    },
    /// The same fraction of what is left in each of a number of rounds, the last of which arrives
    /// at the target: the rounds of iterative magnitude pruning. The first round is at the begin.
    GeometricRounds {
        /// The sparsity after the last round, below 1.
        #[serde(with = "crate::exact_float")]
        target: f64,
        /// When: as many rounds as it has updates.
        span: Span,
    },
}

fn cubic() -> f64 {
    3.0
}

impl Config for ScheduleConfig {}

impl ScheduleConfig {
    /// Everything at the begin of training.
    pub fn one_shot(sparsity: f64) -> Self {
        Self::OneShot {
            sparsity,
            span: Span::steps(0, 0, 1),
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

    /// The schedule of a run, in steps.
    ///
    /// A schedule that is longer than the run is warned about in the log: its target is not
    /// reached.
    ///
    /// # Errors
    /// [`PruneError::InvalidSchedule`], with the field: a sparsity outside of `[0, 1]`, a target
    /// below the start, a power that is not positive, an end before the begin, no steps between
    /// updates.
    pub fn build(&self, run: TrainingLength) -> Result<Box<dyn Schedule>, PruneError> {
        let schedule = self.gradual(run)?;
        if schedule.end > run.steps() {
            log::warn!(
                "the pruning schedule ends after {} steps, but the run has {}: it will not reach \
                 its sparsity of {}",
                schedule.end,
                run.steps(),
                schedule.target,
            );
        }
        Ok(Box::new(schedule))
    }

    fn gradual(&self, run: TrainingLength) -> Result<Gradual, PruneError> {
        let (curve, initial, target, span) = match *self {
            Self::OneShot { sparsity, span } => {
                let polynomial = Curve::Polynomial { power: 1.0 };
                (polynomial, sparsity, sparsity, span)
            }
            Self::Polynomial {
                initial,
                target,
                power,
                span,
            } => (Curve::Polynomial { power }, initial, target, span),
            Self::Linear {
                initial,
                target,
                span,
            } => (Curve::Polynomial { power: 1.0 }, initial, target, span),
            Self::Exponential {
                initial,
                target,
                span,
            } => (Curve::Exponential, initial, target, span),
            Self::GeometricRounds { target, span } => (Curve::Exponential, 0.0, target, span),
        };
        span.validate()?;
        self.validate(curve, initial, target)?;
        let [begin, end, every] = span.checked_steps(run)?;
        if every == 0 {
            return Err(invalid("steps_per_epoch", "at least 1", 0));
        }
        let schedule = Gradual {
            curve,
            initial,
            target,
            begin,
            end,
            every,
        };
        match self {
            Self::OneShot { .. } => Ok(Gradual {
                end: begin,
                ..schedule
            }),
            Self::GeometricRounds { .. } => {
                let rounds = (end - begin).div_ceil(every).checked_add(1);
                let rounds = rounds.ok_or_else(|| invalid("span.end", "fewer rounds away", end))?;
                Ok(Gradual {
                    curve: Curve::Rounds { rounds },
                    ..schedule
                })
            }
            _ => Ok(schedule),
        }
    }

    fn validate(&self, curve: Curve, initial: f64, target: f64) -> Result<(), PruneError> {
        let target_field = match self {
            Self::OneShot { .. } => "sparsity",
            _ => "target",
        };
        for (field, sparsity) in [(target_field, target), ("initial", initial)] {
            if !(0.0..=1.0).contains(&sparsity) {
                return Err(invalid(field, "between 0 and 1", sparsity));
            }
        }
        if target < initial {
            let expected = format!("at least `initial`, {initial}");
            return Err(invalid(target_field, &expected, target));
        }
        match curve {
            Curve::Polynomial { power } if !(power > 0.0 && power.is_finite()) => {
                Err(invalid("power", "positive", power))
            }
            Curve::Exponential if target == 1.0 => Err(invalid(
                target_field,
                "below 1: a fraction of what is left never takes everything",
                target,
            )),
            _ => Ok(()),
        }
    }
}

fn invalid(field: &'static str, expected: &str, found: impl ToString) -> PruneError {
    PruneError::InvalidSchedule {
        field,
        expected: expected.to_string(),
        found: found.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: TrainingLength = TrainingLength {
        epochs: 10,
        steps_per_epoch: 10,
    };

    fn updates(config: ScheduleConfig) -> Vec<(usize, f64)> {
        let schedule = config.build(RUN).unwrap();
        let steps = (0..200).filter(|step| schedule.updates_after(*step));
        steps
            .map(|step| (step, schedule.sparsity_after(step)))
            .collect()
    }

    #[test]
    fn one_shot_is_one_update() {
        assert_eq!(updates(ScheduleConfig::one_shot(0.9)), [(0, 0.9)]);
        let later = ScheduleConfig::OneShot {
            sparsity: 0.5,
            span: Span::epochs(3, 9, 1),
        };
        assert_eq!(updates(later), [(30, 0.5)]);
    }

    #[test]
    fn linear_adds_the_same_at_each_update() {
        let found = updates(ScheduleConfig::linear(0.8, Span::epochs(0, 4, 1)));
        let expected = [(0, 0.0), (10, 0.2), (20, 0.4), (30, 0.6), (40, 0.8)];
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.0 == expected.0 && (found.1 - expected.1).abs() < 1e-12);
        }
        assert_eq!(found.len(), expected.len());
    }

    #[test]
    fn geometric_rounds_keep_the_same_share_each() {
        // Four rounds of a half leave a sixteenth, also where the last comes sooner.
        let uneven = ScheduleConfig::geometric_rounds(0.9375, Span::steps(0, 25, 10));
        let expected = [(0, 0.5), (10, 0.75), (20, 0.875), (25, 0.9375)];
        for (found, expected) in updates(uneven).iter().zip(expected) {
            assert!(found.0 == expected.0 && (found.1 - expected.1).abs() < 1e-12);
        }
        // Three rounds of a half leave an eighth.
        let found = updates(ScheduleConfig::geometric_rounds(
            0.875,
            Span::steps(10, 30, 10),
        ));
        for (found, expected) in found.iter().zip([(10, 0.5), (20, 0.75), (30, 0.875)]) {
            assert!(found.0 == expected.0 && (found.1 - expected.1).abs() < 1e-12);
        }
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn nonsense_is_refused_with_the_field() {
        let span = Span::steps(0, 10, 1);
        let field = |config: ScheduleConfig| match config.build(RUN) {
            Err(PruneError::InvalidSchedule { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(field(ScheduleConfig::one_shot(f64::NAN)), "sparsity");
        assert_eq!(field(ScheduleConfig::cubic(1.5, span)), "target");
        assert_eq!(field(ScheduleConfig::exponential(1.0, span)), "target");
        assert_eq!(
            field(ScheduleConfig::cubic(0.5, Span::steps(0, 10, 0))),
            "span.every"
        );
        assert_eq!(
            field(ScheduleConfig::cubic(0.5, Span::steps(9, 8, 1))),
            "span.end"
        );
        let polynomial = |initial, power| ScheduleConfig::Polynomial {
            initial,
            target: 0.5,
            power,
            span,
        };
        assert_eq!(field(polynomial(0.6, 3.0)), "target");
        assert_eq!(field(polynomial(-0.1, 3.0)), "initial");
        assert_eq!(field(polynomial(0.0, 0.0)), "power");
        assert_eq!(field(polynomial(0.0, f64::NAN)), "power");
        let never = TrainingLength {
            epochs: 3,
            steps_per_epoch: 0,
        };
        let epochs = ScheduleConfig::cubic(0.5, Span::epochs(0, 2, 1));
        assert!(epochs.build(never).is_err());
    }

    #[test]
    fn a_schedule_says_what_it_is() {
        let identity = |config: ScheduleConfig| config.build(RUN).unwrap().identity().unwrap();
        let cubic = identity(ScheduleConfig::cubic(0.9, Span::epochs(0, 4, 1)));
        assert_eq!(cubic.name(), "polynomial");
        assert_eq!(cubic.data()["target"], "0.9");
        assert_eq!(cubic.data()["end"], 40);
        assert_eq!(
            cubic,
            identity(ScheduleConfig::cubic(0.9, Span::steps(0, 40, 10)))
        );
        assert_ne!(
            cubic,
            identity(ScheduleConfig::linear(0.9, Span::steps(0, 40, 10)))
        );
    }
}
