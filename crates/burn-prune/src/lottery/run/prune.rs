//! The masks of the next round, and what a training may not change.

use burn::module::Module;

use super::Run;
use super::masks::Masks;
use super::train::{Ended, Trained};
use crate::error::PruneError;
use crate::lottery::cell_id::CellId;
use crate::lottery::error::LotteryError;
use crate::lottery::study::{Moment, PlannedCell};
use crate::mask::MaskSet;

/// The lowest point of a learning curve.
#[derive(Clone, Copy)]
pub(super) struct Lowest {
    pub step: usize,
    pub validation_loss: f64,
}

/// What is read of a trained model, but for weights that are kept.
pub(super) struct Pruned {
    /// The masks of the next round, by the moment at which they were chosen.
    pub next: Vec<(Moment, MaskSet)>,
    pub lowest: Lowest,
}

impl Run<'_> {
    /// Chooses the masks of the next round, after checking that the training has kept those that it
    /// began with.
    pub(super) fn prune<M: Module>(
        &self,
        cell: &PlannedCell<'_>,
        masks: &MaskSet,
        ended: &Ended<M>,
    ) -> Result<Pruned, LotteryError> {
        let pruners = if ended.keeps.masks_at_end() {
            self.study.pruners()
        } else {
            &[]
        };
        let read = Masks::of(&ended.trained.model, pruners);
        if read.now != *masks {
            let difference = if read.now.is_empty() {
                "it has no masks any more; return it with the masks that it came with"
            } else {
                "its masks have changed; return it with the masks that it came with"
            };
            return Err(mismatch(&cell.id, difference));
        }
        let lowest = lowest(cell, &ended.trained)?;
        let next = next_masks(cell, ended, read.next)?;
        for (_, next) in &next {
            // Masks only shrink.
            let within = next.clone().intersect(masks).map(|both| both == *next);
            if within != Ok(true) {
                return Err(mismatch(
                    &cell.id,
                    "weights that were pruned have come back",
                ));
            }
        }
        Ok(Pruned { next, lowest })
    }
}

fn mismatch(cell: &CellId, difference: &str) -> LotteryError {
    LotteryError::ModelMismatch {
        cell: cell.clone(),
        difference: difference.to_string(),
    }
}

/// The lowest validation loss, when the training returned results.
fn lowest<M>(cell: &PlannedCell<'_>, trained: &Trained<M>) -> Result<Lowest, LotteryError> {
    let no_result = |found: String| LotteryError::NoResult {
        cell: cell.id.clone(),
        found,
    };
    let Some((step, validation_loss)) = trained.curve.lowest() else {
        return Err(no_result("no finite validation loss".to_string()));
    };
    let schedule = &cell.schedule;
    // The start, before the first step, is a point as any other.
    if !(schedule.start..=schedule.end).contains(&step) {
        return Err(no_result(format!(
            "a lowest validation loss at step {step}, outside of {schedule:?}, the schedule on \
             which steps are counted"
        )));
    }
    if !(0.0..=1.0).contains(&trained.test_accuracy) {
        let found = format!("a test accuracy of {}", trained.test_accuracy);
        return Err(no_result(found));
    }
    Ok(Lowest {
        step,
        validation_loss,
    })
}

/// The masks of the next round, at each moment at which the cell keeps them.
fn next_masks<M>(
    cell: &PlannedCell<'_>,
    ended: &Ended<M>,
    at_end: Result<MaskSet, PruneError>,
) -> Result<Vec<(Moment, MaskSet)>, LotteryError> {
    let mut at_end = Some(at_end);
    let mut next: Vec<(Moment, MaskSet)> = Vec::new();
    for kept in &ended.keeps.masks {
        if next.iter().any(|(known, _)| *known == kept.moment) {
            continue;
        }
        let masks = match kept.moment {
            Moment::End => at_end.take(),
            _ => ended.seen.masks.get(&kept.step).cloned(),
        };
        match masks {
            Some(Ok(masks)) => next.push((kept.moment, masks)),
            _ if ended.keeps.masks_may_lack => {}
            Some(Err(error)) => {
                let cell = cell.id.clone();
                return Err(LotteryError::Prune { cell, error });
            }
            None => {
                return Err(LotteryError::StepNotReported {
                    cell: cell.id.clone(),
                    step: kept.step,
                });
            }
        }
    }
    Ok(next)
}
