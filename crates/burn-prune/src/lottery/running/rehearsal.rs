//! What is tried before anything is trained.

use burn::module::Module;

use super::{Known, Running, State};
use crate::digest::Digest;
use crate::lottery::store::content;
use crate::lottery::{CellId, Event, LotteryError, reading};
use crate::{Prunable, PruneError};

impl Running<'_> {
    /// Tries the pruners on the model of a seed through all rounds, so that nothing is trained that
    /// cannot be finished; and says so when a dense run that is there began with other weights.
    ///
    /// # Errors
    /// When the masks of a round cannot be made, or the model has other parameters or masks already.
    pub(in crate::lottery) fn rehearse<M: Module>(
        &self,
        seed: u64,
        model: &M,
        known: &mut Known,
    ) -> Result<(), LotteryError> {
        let dense = CellId::dense(seed);
        self.check_shapes(&dense, model)?;
        if model.is_pruned() {
            return Err(LotteryError::Invalid {
                what: "model",
                expected: "one without masks, as the dense run has none".to_string(),
                found: format!("masks of sparsity {:.3}", model.masks().sparsity()),
            });
        }
        let tried = reading::rehearse(model, &self.search.pruners, self.search.rounds);
        tried.map_err(|(round, error)| LotteryError::CannotPrune { seed, round, error })?;
        if let State::Finished(outcome) = self.state(&dense, known)?
            && let Some(start) = &outcome.made_from.start
            && *start != digest(&dense, model)?
        {
            (self.search.on_event)(&Event::OtherStart { cell: &dense });
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
    let bytes = model.masked_record().into_bytes();
    let bytes = bytes.map_err(|error| failed(error.to_string()))?;
    content::of_record(bytes).map_err(|error| failed(error.to_string()))
}
