//! What a round begins with.

use burn::module::Module;

use super::Running;
use crate::lottery::directory::{next_masks_file, weights_file};
use crate::lottery::{CellId, Control, LotteryError, Method, Moment, controls};
use crate::{MaskSet, Prunable, PruneError};

impl Running<'_> {
    /// The model at the start of a round, and its masks.
    pub(super) fn start<M: Module>(
        &self,
        id: &CellId,
        method: &Method,
        control: Option<Control>,
        model: &impl Fn(u64) -> M,
    ) -> Result<(M, MaskSet), LotteryError> {
        let directory = &self.search.directory;
        let dense = self.needed(&CellId::dense(id.seed))?;
        let before = match id.round {
            1 => dense.clone(),
            round => self.needed(&CellId {
                seed: id.seed,
                method: method.name.clone(),
                round: round - 1,
            })?,
        };
        let mut masks = directory.masks(&before, &next_masks_file(method.rewind.prune_at))?;
        if let Some(control) = control {
            masks = controls::masks(control, &masks, id.seed, id.round);
        }
        let refused = |error: PruneError| LotteryError::Prune {
            cell: id.clone(),
            error,
        };
        if control == Some(Control::Reinitialized) {
            let fresh = model(controls::fresh_seed(id.seed, id.round));
            let fresh = fresh
                .with_masks(&masks)
                .map_err(|error| refused(error.into()))?;
            return Ok((fresh, masks));
        }
        let weights_of = match method.rewind.weights_to {
            Moment::End => &before,
            _ => &dense,
        };
        let file = weights_file(&method.rewind.weights_to.to_string());
        let weights = directory.weights(weights_of, &file)?;
        let rewound = model(id.seed).with_masks(&masks);
        let rewound = rewound.and_then(|model| model.rewind(weights));
        let rewound = rewound.map_err(|error| refused(error.into()))?;
        Ok((rewound, masks))
    }
}
