//! What a training may not change.

use std::ops::Range;

use burn::module::Module;

use super::{Known, Running, State};
use crate::lottery::lineage::Source;
use crate::lottery::{CellId, LotteryError, Moment, Trained, settings};
use crate::{MaskSet, Prunable};

impl Running<'_> {
    /// Refuses cells that need more of a finished one than it has kept.
    pub(in crate::lottery) fn check_complete<'a>(
        &self,
        cells: impl Iterator<Item = &'a CellId>,
        known: &mut Known,
    ) -> Result<(), LotteryError> {
        for sources in cells.filter_map(|cell| self.sources(cell)) {
            for Source { cell, file } in sources.weights.iter().chain([&sources.masks]) {
                if let State::Finished(outcome) = self.state(cell, known)?
                    && outcome.content(file).is_none()
                {
                    return Err(LotteryError::Incomplete {
                        cell: cell.clone(),
                        what: format!("file `{file}`"),
                    });
                }
            }
        }
        Ok(())
    }

    pub(super) fn check_shapes<M: Module>(
        &self,
        id: &CellId,
        model: &M,
    ) -> Result<(), LotteryError> {
        let differences = settings::differences(&self.shapes, &settings::shapes(model));
        match differences.first() {
            None => Ok(()),
            Some(difference) => Err(LotteryError::ModelMismatch {
                cell: id.clone(),
                difference: difference.clone(),
            }),
        }
    }

    pub(super) fn check_trained<M: Module>(
        &self,
        id: &CellId,
        trained: &Trained<M>,
        masks: &MaskSet,
        found: &MaskSet,
        schedule: &Range<usize>,
    ) -> Result<(), LotteryError> {
        let other = |difference: &str| {
            Err(LotteryError::ModelMismatch {
                cell: id.clone(),
                difference: difference.to_string(),
            })
        };
        if !masks.is_empty() && !trained.model.is_pruned() {
            return other("it has no masks");
        }
        if found != masks {
            return other("its masks are others");
        }
        let found = match trained.curve.lowest() {
            None => "no finite validation loss".to_string(),
            // At the start, before the first step, is a point as any other.
            Some((step, _)) if !(schedule.start..=schedule.end).contains(&step) => {
                format!(
                    "a lowest validation loss at step {step}, outside of {schedule:?}, the schedule \
                     on which steps are counted"
                )
            }
            Some(_) if (0.0..=1.0).contains(&trained.test_accuracy) => return Ok(()),
            Some(_) => format!("a test accuracy of {}", trained.test_accuracy),
        };
        Err(LotteryError::NoResult {
            cell: id.clone(),
            found,
        })
    }

    /// Masks only shrink.
    pub(super) fn check_next(
        &self,
        id: &CellId,
        masks: &MaskSet,
        next: &[(Moment, MaskSet)],
    ) -> Result<(), LotteryError> {
        for (_, next) in next {
            let within = next.clone().intersect(masks).map(|both| both == *next);
            if within != Ok(true) {
                return Err(LotteryError::ModelMismatch {
                    cell: id.clone(),
                    difference: "what was pruned has come back".to_string(),
                });
            }
        }
        Ok(())
    }
}
