//! Settings that make sense.

use std::collections::BTreeSet;

use super::LotteryTicketSearch;
use crate::lottery::method::DENSE;
use crate::lottery::plan::control_name;
use crate::lottery::{LotteryError, Moment, Rewind};

impl LotteryTicketSearch<'_> {
    pub(super) fn validate(&self) -> Result<(), LotteryError> {
        let invalid = |what, expected: &str, found: String| {
            let expected = expected.to_string();
            Err(LotteryError::Invalid {
                what,
                expected,
                found,
            })
        };
        let nothing = || "none".to_string();
        if let Err(error) = &self.training {
            return invalid("description", "plain data", error.clone());
        }
        if self.steps == 0 {
            return invalid("steps", "1 or more", "0".to_string());
        }
        if self.fine_tuning_steps == Some(0) {
            return invalid("fine-tuning steps", "1 or more", "0".to_string());
        }
        if self.steps_per_epoch == Some(0) {
            return invalid("steps per epoch", "1 or more", "0".to_string());
        }
        if self.rounds == 0 {
            return invalid("rounds", "1 or more", "0".to_string());
        }
        if self.seeds.is_empty() {
            return invalid("seeds", "one or more", nothing());
        }
        if self.seeds.iter().collect::<BTreeSet<_>>().len() < self.seeds.len() {
            return invalid("seeds", "different ones", format!("{:?}", self.seeds));
        }
        if self.pruners.is_empty() {
            return invalid("pruners", "one or more", nothing());
        }
        if self.methods.is_empty() {
            return invalid("methods", "one or more", nothing());
        }
        let mut names = BTreeSet::from([DENSE.to_string()]);
        for method in &self.methods {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if method.name.is_empty() || !method.name.chars().all(plain) {
                let expected = "lower-case letters, digits and `-`";
                return invalid("method name", expected, format!("`{}`", method.name));
            }
            let controls = method.controls.iter();
            let of_controls = controls.map(|(control, _)| control_name(&method.name, *control));
            for name in std::iter::once(method.name.clone()).chain(of_controls) {
                if !names.insert(name.clone()) {
                    let expected = "a name for each method and control, and none is `dense`";
                    return invalid("method name", expected, format!("`{name}` twice"));
                }
            }
            for round in method.controls.iter().flat_map(|(_, rounds)| rounds) {
                if !(1..=self.rounds).contains(round) {
                    let expected = format!("a round from 1 to {}", self.rounds);
                    return invalid("round of a control", &expected, round.to_string());
                }
            }
            let Rewind {
                prune_at,
                weights_to,
                schedule_to,
            } = method.rewind;
            if weights_to == Moment::End && !method.controls.is_empty() {
                let expected = "weights that go back, for a method with controls";
                return invalid("moment of the weights", expected, weights_to.to_string());
            }
            for moment in [prune_at, weights_to, schedule_to] {
                if matches!(moment, Moment::Step(0) | Moment::Epoch(0)) {
                    return invalid("moment", "the start by its name", moment.to_string());
                }
                if matches!(moment, Moment::Epoch(_)) && self.steps_per_epoch.is_none() {
                    return invalid(
                        "steps per epoch",
                        "a number, as a moment is in epochs",
                        nothing(),
                    );
                }
                if self.step(moment) > self.steps {
                    let expected = format!("at most {} steps", self.steps);
                    return invalid("moment", &expected, moment.to_string());
                }
            }
            if schedule_to != Moment::End && self.step(schedule_to) == self.steps {
                let expected = "before the last step, or the end";
                return invalid("moment of the schedule", expected, schedule_to.to_string());
            }
            if prune_at != Moment::End && self.step(prune_at) <= self.step(schedule_to) {
                // Before the first step of a round nothing has been learnt since the last masks.
                let expected = format!("after {schedule_to}, where each round begins");
                return invalid("moment of pruning", &expected, prune_at.to_string());
            }
        }
        Ok(())
    }
}
