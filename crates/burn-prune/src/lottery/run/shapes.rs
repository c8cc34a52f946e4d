//! The shapes of a model, which a training may not change.

use std::collections::HashSet;

use burn::module::Module;
use serde_json::{Map, Value, json};

use super::Run;
use crate::identity::differences;
use crate::lottery::cell_id::CellId;
use crate::lottery::error::LotteryError;
use crate::model::Inventory;

/// Float parameters and their shapes, in module order.
pub(super) fn of<M: Module>(model: &M) -> Value {
    let mut inventory = Inventory::of(model);
    let places: HashSet<_> = inventory
        .parameters
        .iter()
        .map(|known| known.place())
        .collect();
    inventory.initialize(model, &places);
    // One of each id, as studies have been kept from the beginning.
    let mut ids = HashSet::new();
    let shapes: Map<_, _> = inventory
        .parameters
        .iter()
        .filter(|known| ids.insert(known.id))
        .map(|known| (known.path().to_string(), json!(known.shape)))
        .collect();
    Value::Object(shapes)
}

impl Run<'_> {
    pub(super) fn check_shapes<M: Module>(
        &self,
        id: &CellId,
        model: &M,
    ) -> Result<(), LotteryError> {
        match differences(&self.shapes, &of(model)).into_iter().next() {
            None => Ok(()),
            Some(difference) => Err(LotteryError::ModelMismatch {
                cell: id.clone(),
                difference,
            }),
        }
    }
}
