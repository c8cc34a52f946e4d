//! What a cell keeps for those after it, and how it is written.

use std::collections::BTreeMap;
use std::time::Instant;

use burn::module::Module;
use burn::store::ModuleRecord;

use super::Run;
use super::prune::Pruned;
use super::rewind::Start;
use super::train::{Ended, Trained};
use crate::lottery::error::LotteryError;
use crate::lottery::event::Event;
use crate::lottery::store::{MASKS, Outcome, VERSION, next_masks_file, weights_file};
use crate::lottery::study::{Moment, PlannedCell, Role, StudyMoment};
use crate::prunable::Prunable;

/// The moments at which something is kept.
#[derive(Default)]
pub(super) struct Keeps {
    pub weights: Vec<StudyMoment>,
    pub masks: Vec<StudyMoment>,
    /// The masks are of a round that the study does not have. They are kept for the day when it
    /// gets one, unless they cannot be made.
    pub masks_may_lack: bool,
}

impl Keeps {
    pub(super) fn weights_at_start(&self) -> bool {
        let mut moments = self.weights.iter().map(|kept| kept.moment);
        moments.any(|moment| moment == Moment::Start)
    }

    pub(super) fn masks_at_end(&self) -> bool {
        let mut moments = self.masks.iter().map(|kept| kept.moment);
        moments.any(|moment| moment == Moment::End)
    }
}

impl Run<'_> {
    /// What a cell keeps for those after it.
    pub(super) fn keeps(&self, cell: &PlannedCell<'_>) -> Keeps {
        match cell.role {
            Role::Dense => {
                let methods = self.study.methods();
                Keeps {
                    weights: methods.iter().map(|method| method.weights_to()).collect(),
                    masks: methods.iter().map(|method| method.prune_at()).collect(),
                    masks_may_lack: false,
                }
            }
            Role::Round(method) => {
                let weights_to = method.weights_to();
                let keeps_weights = weights_to.moment == Moment::End;
                Keeps {
                    weights: keeps_weights.then_some(weights_to).into_iter().collect(),
                    masks: vec![method.prune_at()],
                    masks_may_lack: cell.id.round == self.study.rounds(),
                }
            }
            Role::Control(..) => Keeps::default(),
        }
    }

    /// Writes a cell: its result, the masks of the next round, and the weights that it keeps.
    pub(super) fn keep<M: Module>(
        &self,
        cell: &PlannedCell<'_>,
        start: Start,
        ended: Ended<M>,
        pruned: Pruned,
        since: Instant,
    ) -> Result<(), LotteryError> {
        let weights = kept_weights(cell, &ended)?;
        let Start { masks, made_from } = start;
        let Pruned { next, lowest } = pruned;
        // The dense run has no masks; those of the next round say what can be pruned.
        let selected = next.first().map_or(&masks, |(_, next)| next);
        let maskable: usize = selected.iter().map(|(_, mask)| mask.len()).sum();
        let pruned: usize = masks.iter().map(|(_, mask)| mask.pruned()).sum();
        let Trained {
            curve,
            test_accuracy,
            ..
        } = ended.trained;
        let outcome = Outcome {
            version: VERSION,
            cell: cell.id.clone(),
            settings: self.settings(cell),
            made_from,
            weights: maskable,
            kept: maskable - pruned,
            iterations: cell.schedule.len(),
            early_stop_iteration: lowest.step - cell.schedule.start,
            validation_loss: lowest.validation_loss,
            censored: curve.is_censored(),
            test_accuracy,
            training_seconds: ended.seconds,
            seconds: since.elapsed().as_secs_f64(),
            curve,
            files: BTreeMap::new(),
        };
        let (remaining, early_stop_iteration) = (outcome.remaining(), outcome.early_stop_iteration);
        let mut files: Vec<_> = next
            .into_iter()
            .map(|(moment, masks)| (next_masks_file(moment), masks))
            .collect();
        if !masks.is_empty() {
            files.push((MASKS.to_string(), masks));
        }
        self.search.directory.write(outcome, weights, files)?;
        self.search.tell(&Event::Finished {
            cell: &cell.id,
            remaining,
            test_accuracy,
            validation_loss: lowest.validation_loss,
            early_stop_iteration,
        });
        Ok(())
    }
}

/// The weights that a cell keeps, by their file.
fn kept_weights<M: Module>(
    cell: &PlannedCell<'_>,
    ended: &Ended<M>,
) -> Result<Vec<(String, ModuleRecord)>, LotteryError> {
    let mut weights = BTreeMap::new();
    for kept in &ended.keeps.weights {
        let file = weights_file(kept.moment);
        if weights.contains_key(&file) {
            continue;
        }
        let record = match kept.moment {
            Moment::Start => ended.start.clone(),
            Moment::End => Some(ended.trained.model.masked_record()),
            Moment::Step(_) | Moment::Epoch(_) => ended.seen.weights.get(&kept.step).cloned(),
        };
        let not_reported = || LotteryError::StepNotReported {
            cell: cell.id.clone(),
            step: kept.step,
        };
        weights.insert(file, record.ok_or_else(not_reported)?);
    }
    Ok(weights.into_iter().collect())
}
