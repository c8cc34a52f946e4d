//! What is tried before anything is trained.

use burn::module::Module;

use super::state::{Known, State};
use super::{Run, masks};
use crate::digest::Digest;
use crate::error::PruneError;
use crate::lottery::cell_id::CellId;
use crate::lottery::error::LotteryError;
use crate::lottery::event::Event;
use crate::lottery::store::content;
use crate::lottery::study::PlannedCell;
use crate::prunable::Prunable;

impl Run<'_> {
    /// Tries the pruners on the model of a seed through all rounds, so that nothing is trained that
    /// cannot be finished; and says so when a dense run that is there began with other weights.
    ///
    /// # Errors
    /// When the masks of a round cannot be made, or the model has other parameters or masks already.
    pub(super) fn rehearse<M: Module>(
        &self,
        dense: &PlannedCell<'_>,
        model: &M,
        known: &mut Known,
    ) -> Result<(), LotteryError> {
        let seed = dense.id.seed;
        self.check_shapes(&dense.id, model)?;
        if model.is_pruned() {
            return Err(LotteryError::Invalid {
                what: "model",
                expected: "a model without masks, as the dense run has none".to_string(),
                found: format!("masks of sparsity {:.3}", model.masks().sparsity()),
            });
        }
        let tried = masks::rehearse(model, self.study.pruners(), self.study.rounds());
        tried.map_err(|(round, error)| LotteryError::CannotPrune { seed, round, error })?;
        if let State::Finished(outcome) = self.state(dense, known)?
            && let Some(start) = &outcome.made_from.start
            && *start != digest(&dense.id, model)?
        {
            self.search.tell(&Event::OtherStart { cell: &dense.id });
        }
        Ok(())
    }
}

/// The digest of the weights that a model has.
pub(super) fn digest<M: Module>(cell: &CellId, model: &M) -> Result<Digest, LotteryError> {
    let failed = |message: String| LotteryError::Prune {
        cell: cell.clone(),
        error: PruneError::Record { message },
    };
    let record = model.masked_record();
    let bytes = record
        .into_bytes()
        .map_err(|error| failed(error.to_string()))?;
    content::of_record(bytes).map_err(|error| failed(error.to_string()))
}
