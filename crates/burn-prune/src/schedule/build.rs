//! From a schedule as plain data to its steps.

use super::curve::{Curve, Gradual};
use super::{Schedule, ScheduleConfig, TrainingLength};
use crate::error::PruneError;

impl ScheduleConfig {
    /// The schedule of a training of this length, in steps.
    ///
    /// A schedule that is longer than the training is reported in the log: its sparsity is not
    /// reached.
    ///
    /// # Errors
    /// [`PruneError::InvalidSchedule`], with the field: a sparsity outside of `[0, 1]`, a target
    /// below the start, a power that is not positive, an end before the beginning, no steps between
    /// updates.
    pub fn build(&self, length: TrainingLength) -> Result<Box<dyn Schedule>, PruneError> {
        let schedule = self.gradual(length)?;
        if schedule.end > length.steps() {
            log::warn!(
                "the pruning schedule ends after {} steps, but the run has {}: it will not \
                 reach its sparsity of {}",
                schedule.end,
                length.steps(),
                schedule.target,
            );
        }
        Ok(Box::new(schedule))
    }

    fn gradual(&self, length: TrainingLength) -> Result<Gradual, PruneError> {
        let (curve, initial, target) = match *self {
            Self::OneShot { sparsity, .. } => {
                (Curve::Polynomial { power: 1.0 }, sparsity, sparsity)
            }
            Self::Polynomial {
                initial,
                target,
                power,
                ..
            } => (Curve::Polynomial { power }, initial, target),
            Self::Linear {
                initial, target, ..
            } => (Curve::Polynomial { power: 1.0 }, initial, target),
            Self::Exponential {
                initial, target, ..
            } => (Curve::Exponential, initial, target),
            Self::GeometricRounds { target, .. } => (Curve::Exponential, 0.0, target),
        };
        self.validate(curve, initial, target)?;
        let [begin, end, every] = self.steps(length)?;
        if every == 0 {
            return Err(invalid("steps_per_epoch", "at least 1", 0));
        }
        let curve = match self {
            Self::GeometricRounds { .. } => Curve::Rounds {
                rounds: (end - begin)
                    .div_ceil(every)
                    .checked_add(1)
                    .ok_or_else(|| invalid("span.end", "fewer rounds away", end))?,
            },
            _ => curve,
        };
        Ok(Gradual {
            curve,
            initial,
            target,
            begin,
            end,
            every,
        })
    }

    /// The first update, the last one, and what lies between updates, in steps of the optimizer.
    fn steps(&self, length: TrainingLength) -> Result<[usize; 3], PruneError> {
        match *self {
            Self::OneShot { at, .. } => at.checked_steps(length),
            Self::Polynomial { span, .. }
            | Self::Linear { span, .. }
            | Self::Exponential { span, .. }
            | Self::GeometricRounds { span, .. } => span.checked_steps(length),
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
    use crate::schedule::{At, Span};

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
            at: At::Epoch(3),
        };
        assert_eq!(updates(later), [(30, 0.5)]);
        let later = ScheduleConfig::OneShot {
            sparsity: 0.5,
            at: At::Step(7),
        };
        assert_eq!(updates(later), [(7, 0.5)]);
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
