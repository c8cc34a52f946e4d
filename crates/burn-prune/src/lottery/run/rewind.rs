//! What a round begins with.

use burn::module::Module;

use super::rehearsal::digest;
use super::{Run, controls};
use crate::lottery::error::LotteryError;
use crate::lottery::store::{MadeFrom, Sources};
use crate::lottery::study::{Control, PlannedCell, Role, StudyMethod};
use crate::mask::MaskSet;
use crate::prunable::Prunable;

/// What a training begins with, besides the model.
pub(super) struct Start {
    pub masks: MaskSet,
    pub made_from: MadeFrom,
}

impl Run<'_> {
    /// The model at the start of a cell: the dense run has the initial weights; a round goes back
    /// to the weights of its method, under the masks that the round before has left.
    pub(super) fn rewind<M: Module>(
        &self,
        cell: &PlannedCell<'_>,
        model: &impl Fn(u64) -> M,
    ) -> Result<(M, Start), LotteryError> {
        match cell.role {
            Role::Dense => self.initial(cell, model(cell.id.seed)),
            Role::Round(method) => self.go_back(cell, method, None, model),
            Role::Control(method, control) => self.go_back(cell, method, Some(control), model),
        }
    }

    fn initial<M: Module>(
        &self,
        cell: &PlannedCell<'_>,
        model: M,
    ) -> Result<(M, Start), LotteryError> {
        self.check_shapes(&cell.id, &model)?;
        let made_from = MadeFrom {
            start: Some(digest(&cell.id, &model)?),
            ..MadeFrom::default()
        };
        let masks = MaskSet::new();
        Ok((model, Start { masks, made_from }))
    }

    /// The model at the start of a round. What it reads is checked here, right before the training.
    fn go_back<M: Module>(
        &self,
        cell: &PlannedCell<'_>,
        method: &StudyMethod,
        control: Option<Control>,
        model: &impl Fn(u64) -> M,
    ) -> Result<(M, Start), LotteryError> {
        let directory = &self.search.directory;
        let (seed, round) = (cell.id.seed, cell.id.round);
        let sources = Sources::of(&cell.id, method.method(), control);
        let weights = match &sources.weights {
            Some(source) => {
                let of = self.needed(&cell.before(&source.cell))?;
                Some((
                    directory.weights(&of, &source.file)?,
                    of.content(&source.file).cloned(),
                ))
            }
            None => None,
        };
        let before = self.needed(&cell.before(&sources.masks.cell))?;
        let left = directory.masks(&before, &sources.masks.file)?;
        let masks = match control {
            Some(control) => controls::masks(control, &left, seed, round),
            None => left,
        };
        let (model, content) = match weights {
            Some((record, content)) => {
                let masked = model(seed).with_masks(&masks);
                (masked.and_then(|model| model.rewind(record)), content)
            }
            None => {
                let fresh = model(controls::fresh_seed(seed, round));
                (fresh.with_masks(&masks), None)
            }
        };
        let model = model.map_err(|rejected| LotteryError::Prune {
            cell: cell.id.clone(),
            error: rejected.into(),
        })?;
        self.check_shapes(&cell.id, &model)?;
        let made_from = MadeFrom {
            start: None,
            weights: content,
            masks: before.content(&sources.masks.file).cloned(),
        };
        Ok((model, Start { masks, made_from }))
    }
}
