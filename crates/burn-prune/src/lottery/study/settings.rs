//! Settings as they are given, and whether they make sense.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::Value;

use super::{Method, Moment, Rewind, Seeds, Study, StudyMethod, StudyMoment};
use crate::lottery::cell_id::DENSE;
use crate::lottery::error::LotteryError;
use crate::pruner::Pruner;

/// The settings of a search.
pub(in crate::lottery) struct Settings {
    pub steps: usize,
    pub steps_per_epoch: Option<usize>,
    pub fine_tuning_steps: Option<usize>,
    pub rounds: usize,
    pub seeds: Vec<u64>,
    pub pruners: Vec<Pruner>,
    pub methods: Vec<Method>,
    /// Or why it cannot be written.
    pub training: Result<Value, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            steps: 0,
            steps_per_epoch: None,
            fine_tuning_steps: None,
            rounds: 1,
            seeds: vec![0],
            pruners: Vec::new(),
            methods: Vec::new(),
            training: Ok(Value::Null),
        }
    }
}

impl Settings {
    /// The study that these settings describe.
    ///
    /// # Errors
    /// When one of them makes no sense.
    pub(in crate::lottery) fn validate(&self) -> Result<Study, LotteryError> {
        let training = self
            .training
            .clone()
            .map_err(|error| invalid("description", "plain data that JSON can hold", error))?;
        let counts = [
            ("steps", Some(self.steps)),
            ("fine-tuning steps", self.fine_tuning_steps),
            ("steps per epoch", self.steps_per_epoch),
            ("rounds", Some(self.rounds)),
        ];
        if let Some((what, _)) = counts.iter().find(|(_, count)| *count == Some(0)) {
            return Err(invalid(what, "1 or more", "0"));
        }
        let seeds = self.seeds()?;
        if self.pruners.is_empty() {
            return Err(invalid("pruners", "one or more", "none"));
        }
        if self.methods.is_empty() {
            return Err(invalid("methods", "one or more", "none"));
        }
        let mut names = BTreeSet::from([DENSE.to_string()]);
        let methods = self.methods.iter().map(|method| {
            check_names(method, &mut names)?;
            self.method(method)
        });
        Ok(Study {
            methods: methods.collect::<Result<_, _>>()?,
            steps: self.steps,
            steps_per_epoch: self.steps_per_epoch,
            fine_tuning_steps: self.fine_tuning_steps,
            rounds: self.rounds,
            seeds,
            pruners: self.pruners.clone(),
            training,
        })
    }

    fn seeds(&self) -> Result<Seeds, LotteryError> {
        let Some(&first) = self.seeds.first() else {
            return Err(invalid("seeds", "one or more", "none"));
        };
        if self.seeds.iter().collect::<BTreeSet<_>>().len() < self.seeds.len() {
            let found = format!("{:?}", self.seeds);
            return Err(invalid("seeds", "different ones", found));
        }
        Ok(Seeds {
            first,
            all: self.seeds.clone(),
        })
    }

    fn method(&self, method: &Method) -> Result<StudyMethod, LotteryError> {
        for round in method.controls.iter().flat_map(|(_, rounds)| rounds) {
            if !(1..=self.rounds).contains(round) {
                let expected = format!("a round from 1 to {}", self.rounds);
                return Err(invalid("round of a control", expected, round));
            }
        }
        let Rewind {
            prune_at,
            weights_to,
            schedule_to,
        } = method.rewind;
        if weights_to == Moment::End && !method.controls.is_empty() {
            let expected = "weights that go back, for a method with controls";
            return Err(invalid("moment of the weights", expected, weights_to));
        }
        let prune_at = self.moment(prune_at)?;
        let weights_to = self.moment(weights_to)?;
        let schedule = self.schedule(self.moment(schedule_to)?)?;
        if prune_at.moment != Moment::End && prune_at.step <= schedule.start {
            // Before the first step of a round nothing has been learnt since the last masks.
            let expected = format!("after {schedule_to}, where each round begins");
            return Err(invalid("moment of pruning", expected, prune_at.moment));
        }
        Ok(StudyMethod {
            method: method.clone(),
            prune_at,
            weights_to,
            schedule,
        })
    }

    /// The step that a moment is.
    fn moment(&self, moment: Moment) -> Result<StudyMoment, LotteryError> {
        let step = match moment {
            Moment::Start => 0,
            Moment::End => self.steps,
            Moment::Step(0) | Moment::Epoch(0) => {
                let expected = "`Moment::Start` for the beginning, or a step or epoch from 1 on";
                return Err(invalid("moment", expected, moment));
            }
            Moment::Step(step) => step,
            Moment::Epoch(epoch) => {
                let expected = "a number, as a moment is given in epochs";
                let steps = self
                    .steps_per_epoch
                    .ok_or_else(|| invalid("steps per epoch", expected, "none"))?;
                epoch.saturating_mul(steps)
            }
        };
        if step > self.steps {
            let expected = format!("at most {} steps", self.steps);
            return Err(invalid("moment", expected, moment));
        }
        Ok(StudyMoment { moment, step })
    }

    /// The schedule of a round whose schedule goes back to this moment.
    fn schedule(&self, back_to: StudyMoment) -> Result<Range<usize>, LotteryError> {
        if back_to.moment == Moment::End {
            // Not rewound: the training goes on beyond the end.
            let more = self.fine_tuning_steps.unwrap_or(self.steps);
            return Ok(self.steps..self.steps + more);
        }
        if back_to.step == self.steps {
            // No step would be left.
            let expected = "before the last step, or the end";
            return Err(invalid("moment of the schedule", expected, back_to.moment));
        }
        Ok(back_to.step..self.steps)
    }
}

fn check_names(method: &Method, names: &mut BTreeSet<String>) -> Result<(), LotteryError> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if method.name.is_empty() || !method.name.chars().all(is_plain) {
        let expected = "lower-case letters, digits and `-`";
        let found = format!("`{}`", method.name);
        return Err(invalid("method name", expected, found));
    }
    for name in method.names() {
        if names.contains(&name) {
            let expected = "a name for each method and control, and none is `dense`";
            let found = format!("`{name}` twice");
            return Err(invalid("method name", expected, found));
        }
        names.insert(name);
    }
    Ok(())
}

fn invalid(what: &'static str, expected: impl ToString, found: impl ToString) -> LotteryError {
    LotteryError::Invalid {
        what,
        expected: expected.to_string(),
        found: found.to_string(),
    }
}
