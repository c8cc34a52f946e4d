//! Choosing masks for a model and attaching them, in one.

use burn::module::Module;

use super::Pruner;
use crate::allocation::Due;
use crate::model::attach_chosen;
use crate::rejected::{Rejected, accept};

impl Pruner {
    /// Attaches the masks that this pruner chooses. The model is read once, weights and masks
    /// together.
    pub(crate) fn prune<M: Module>(&self, model: M) -> Result<M, Rejected<M>> {
        let chosen = self.choose(&Due::default(), &model);
        let ((reading, masks), model) = accept(chosen, model)?;
        Ok(attach_chosen(model, reading, &masks))
    }
}
