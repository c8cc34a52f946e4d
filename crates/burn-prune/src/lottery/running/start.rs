//! What a round begins with.

use burn::module::Module;

use super::Running;
use crate::lottery::lineage::Sources;
use crate::lottery::store::MadeFrom;
use crate::lottery::{CellId, Control, LotteryError, controls};
use crate::{MaskSet, Prunable, PruneError};

/// A model before its training.
pub(super) struct Start<M> {
    pub model: M,
    pub masks: MaskSet,
    pub made_from: MadeFrom,
}

impl Running<'_> {
    /// The model at the start of a round. What it reads is checked here, right before the training.
    pub(super) fn start<M: Module>(
        &self,
        id: &CellId,
        sources: &Sources,
        control: Option<Control>,
        model: &impl Fn(u64) -> M,
    ) -> Result<Start<M>, LotteryError> {
        let directory = &self.search.directory;
        let mut before = Vec::new();
        for needed in sources.cells() {
            before.push(self.needed(needed)?);
        }
        let of = |cell: &CellId| {
            let found = before.iter().find(|outcome| outcome.cell == *cell);
            found.map(|outcome| &**outcome)
        };
        let outcome = |cell| of(cell).expect("it has just been found");
        let made_from = sources.now(of);
        let mut masks = directory.masks(outcome(&sources.masks.cell), &sources.masks.file)?;
        if let Some(control) = control {
            masks = controls::masks(control, &masks, id.seed, id.round);
        }
        let refused = |error: PruneError| LotteryError::Prune {
            cell: id.clone(),
            error,
        };
        let model = match &sources.weights {
            Some(weights) => {
                let record = directory.weights(outcome(&weights.cell), &weights.file)?;
                let masked = model(id.seed).with_masks(&masks);
                masked.and_then(|model| model.rewind(record))
            }
            None => model(controls::fresh_seed(id.seed, id.round)).with_masks(&masks),
        };
        Ok(Start {
            model: model.map_err(|error| refused(error.into()))?,
            masks,
            made_from,
        })
    }
}
