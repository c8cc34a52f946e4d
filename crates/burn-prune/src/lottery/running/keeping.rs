//! What a cell keeps for those after it.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::store::ModuleRecord;

use super::Running;
use crate::lottery::cell::{Seen, Wanted};
use crate::lottery::plan::Plan;
use crate::lottery::{CellId, LotteryError, Moment};
use crate::{MaskSet, Prunable, PruneError};

/// The moments at which something is kept.
#[derive(Default)]
pub(super) struct Keeps {
    pub weights: Vec<Moment>,
    pub masks: Vec<Moment>,
    /// The masks are of a round that the study does not have. They are kept for the day when it
    /// gets one, unless they cannot be had.
    pub masks_may_lack: bool,
}

impl Running<'_> {
    /// What a cell keeps for those after it.
    pub(super) fn keeps(&self, id: &CellId, plan: Plan<'_>) -> Keeps {
        let mut keeps = Keeps::default();
        match plan {
            Plan::Dense { .. } => {
                for method in &self.search.methods {
                    keeps.weights.push(method.rewind.weights_to);
                    keeps.masks.push(method.rewind.prune_at);
                }
            }
            Plan::Round {
                method,
                control: None,
                ..
            } => {
                keeps.masks.push(method.rewind.prune_at);
                keeps.masks_may_lack = id.round == self.search.rounds;
                if method.rewind.weights_to == Moment::End {
                    keeps.weights.push(Moment::End);
                }
            }
            Plan::Round { .. } => {}
        }
        keeps
    }

    /// The steps within the training at which something is kept.
    pub(super) fn wanted(&self, keeps: &Keeps) -> Wanted {
        let within = |moments: &[Moment]| -> Vec<usize> {
            let between = |moment: &&Moment| !matches!(moment, Moment::Start | Moment::End);
            let moments = moments.iter().filter(between);
            moments.map(|moment| self.search.step(*moment)).collect()
        };
        Wanted {
            weights: within(&keeps.weights),
            masks: within(&keeps.masks),
        }
    }

    /// Collects what the cell keeps: weights into `weights`, and the masks of the next round.
    pub(super) fn take<M: Module>(
        &self,
        id: &CellId,
        keeps: &Keeps,
        seen: &Seen,
        trained: &M,
        at_end: Result<MaskSet, PruneError>,
        weights: &mut BTreeMap<String, ModuleRecord>,
    ) -> Result<Vec<(Moment, MaskSet)>, LotteryError> {
        let not_reported = |moment: Moment| LotteryError::StepNotReported {
            cell: id.clone(),
            step: self.search.step(moment),
        };
        for moment in &keeps.weights {
            let name = moment.to_string();
            if *moment == Moment::Start || weights.contains_key(&name) {
                continue;
            }
            let record = match moment {
                Moment::End => trained.masked_record(),
                moment => {
                    let record = seen.weights.get(&self.search.step(*moment)).cloned();
                    record.ok_or_else(|| not_reported(*moment))?
                }
            };
            weights.insert(name, record);
        }
        let mut at_end = Some(at_end);
        let mut next: Vec<(Moment, MaskSet)> = Vec::new();
        for moment in &keeps.masks {
            if next.iter().any(|(known, _)| known == moment) {
                continue;
            }
            let masks = match moment {
                Moment::End => at_end.take(),
                moment => seen.masks.get(&self.search.step(*moment)).cloned(),
            };
            match masks {
                Some(Ok(masks)) => next.push((*moment, masks)),
                _ if keeps.masks_may_lack => {}
                Some(Err(error)) => {
                    let cell = id.clone();
                    return Err(LotteryError::Prune { cell, error });
                }
                None => return Err(not_reported(*moment)),
            }
        }
        Ok(next)
    }
}
