//! A pruner on a schedule.

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::module::Module;
use serde_json::{Value, json};

use crate::allocation::{Due, Ends};
use crate::error::PruneError;
use crate::identity::{VERSION, canonical, compact, fit};
use crate::mask::MaskSet;
use crate::model::ModelReading;
use crate::pruner::Pruner;
use crate::schedule::{Schedule, of_schedule, steps_of};

/// What a schedule takes at most of a recipe, in bytes of JSON.
const LIMIT: usize = 700;

/// A pruner on a schedule. Everything that an update would refuse has been refused when it was made.
#[derive(Debug, Clone)]
pub(super) struct Scheduled {
    /// As it was given.
    given: Pruner,
    /// The same with paths in the place of groups, which may be of ids.
    pruner: Pruner,
    schedule: Arc<dyn Schedule>,
    /// Of the parameters that the allocation gives targets of their own.
    ends: Ends,
    /// The sparsity that the schedule ends with, where there are such parameters.
    last_sparsity: f64,
}

impl Scheduled {
    /// A schedule for this model, and the masks that it starts with. Nothing changes.
    pub(super) fn new<M: Module>(
        model: &M,
        pruner: Pruner,
        schedule: Arc<dyn Schedule>,
    ) -> Result<(Self, MaskSet), PruneError> {
        pruner.check_schedulable()?;
        let densest = highest_update(schedule.as_ref())?;
        let last = schedule.last_update();
        let ends = pruner.ends(model)?;
        let mut last_sparsity = 1.0;
        if !ends.is_empty() {
            let step = last.ok_or_else(|| PruneError::InvalidSchedule {
                field: "last_update",
                expected: "a step, where parameters have amounts of their own: these are reached \
                           in proportion to the last sparsity"
                    .to_string(),
                found: "none".to_string(),
            })?;
            last_sparsity = schedule.sparsity_after(step);
            if last_sparsity <= 0.0 {
                return Err(PruneError::InvalidSchedule {
                    field: "target",
                    expected: "above 0, where parameters have amounts of their own: these are \
                               reached in proportion to it"
                        .to_string(),
                    found: last_sparsity.to_string(),
                });
            }
        }
        let scheduled = Self {
            pruner: pruner.by_path(model)?,
            given: pruner,
            schedule,
            ends,
            last_sparsity,
        };
        // Counts grow with the sparsity, so the update that asks for the most would be the first to
        // be refused.
        let mut tried: Vec<usize> = densest.into_iter().chain(last).collect();
        tried.dedup();
        for step in tried {
            scheduled.try_out(step, model)?;
        }
        let masks = if scheduled.updates_after(0) {
            scheduled.masks_after(0, model)?
        } else {
            scheduled.pruner.selection(model)?
        };
        Ok((scheduled, masks))
    }

    /// Refuses what an update would refuse. Scores that are not finite are no reason when the weights
    /// are: a criterion that looks at what training does to them may have nothing to go by yet.
    fn try_out<M: Module>(&self, step: usize, model: &M) -> Result<(), PruneError> {
        let tried = self.masks_after(step, model);
        let Err(error @ PruneError::NonFiniteScore { .. }) = tried else {
            return tried.map(drop);
        };
        let by_magnitude = Self {
            pruner: self.pruner.by_magnitude(),
            ..self.clone()
        };
        by_magnitude
            .masks_after(step, model)
            .map_or(Err(error), |_| Ok(()))
    }

    pub(super) fn updates_after(&self, step: usize) -> bool {
        self.schedule.updates_after(step)
    }

    /// The masks that are due after this step.
    pub(super) fn masks_after<M: Module>(
        &self,
        step: usize,
        model: &M,
    ) -> Result<MaskSet, PruneError> {
        Ok(self.choose_after(step, model)?.1)
    }

    /// The masks that are due after this step, and what has been read of the model for them.
    pub(super) fn choose_after<M: Module>(
        &self,
        step: usize,
        model: &M,
    ) -> Result<(ModelReading, MaskSet), PruneError> {
        let sparsity = self.schedule.sparsity_after(step);
        check_sparsity(step, sparsity)?;
        let lost = if self.ends.is_empty() {
            BTreeMap::new()
        } else {
            // A user's own schedule may have been sparser before its end.
            self.ends.at((sparsity / self.last_sparsity).min(1.0))
        };
        let due = Due::at_update(lost);
        self.pruner.to_scheduled(sparsity).choose(&due, model)
    }

    /// What decides over the masks, as data.
    pub(super) fn identity<M: Module>(&self, model: &M) -> Result<Value, PruneError> {
        let schedule = of_schedule(self.schedule.as_ref()).into_value();
        Ok(fit(json!({
            "version": VERSION,
            "pruner": self.given.identity(model)?,
            "schedule": compact(canonical(&schedule), LIMIT),
            "pruned_at_start": compact(self.ends.starts(), LIMIT / 4),
        })))
    }
}

/// The update that asks for the most. Every sparsity is checked that the schedule is known to give.
fn highest_update(schedule: &dyn Schedule) -> Result<Option<usize>, PruneError> {
    let mut highest: Option<(usize, f64)> = None;
    for step in steps_of(schedule).filter(|step| schedule.updates_after(*step)) {
        let sparsity = schedule.sparsity_after(step);
        check_sparsity(step, sparsity)?;
        // Of equals the last.
        if highest.is_none_or(|(_, known)| sparsity >= known) {
            highest = Some((step, sparsity));
        }
    }
    Ok(highest.map(|(step, _)| step))
}

fn check_sparsity(step: usize, sparsity: f64) -> Result<(), PruneError> {
    if (0.0..=1.0).contains(&sparsity) {
        return Ok(());
    }
    Err(PruneError::InvalidSchedule {
        field: "sparsity_after",
        expected: "between 0 and 1".to_string(),
        found: format!("{sparsity} after step {step}"),
    })
}
