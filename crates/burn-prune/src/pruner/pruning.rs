//! Choosing masks for a model and attaching them, in one.

use std::collections::BTreeMap;

use burn::module::Module;

use super::Pruner;
use crate::model::attach_chosen;
use crate::rejected::{Rejected, accept};

impl Pruner {
    /// Attaches the masks that this pruner chooses. The model is read once, weights and masks
    /// together.
    pub(crate) fn prune<M: Module>(&self, model: M) -> Result<M, Rejected<M>> {
        let chosen = self.choose(&BTreeMap::new(), &model);
        let ((reading, masks), model) = accept(chosen, model)?;
        Ok(attach_chosen(model, reading, &masks))
    }
}
