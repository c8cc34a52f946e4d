//! Whether Burn's optimizers would move the parameters that are trained.

use std::collections::{HashMap, HashSet};

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;

use super::place::{Place, Places};
use super::shared::Sharing;
use super::{Inventory, Parameter};
use crate::error::PruneError;

/// Refuses places of one id of which Burn's optimizers would move another one than that which has
/// been trained: they give the gradient to the first place, whatever it holds.
pub(crate) fn check_trainable<M: Module>(model: &M) -> Result<(), PruneError> {
    let mut inventory = Inventory::of(model);
    let shared = inventory
        .parameters
        .iter()
        .filter(|known| known.places.len() > 1);
    let mut doubtful: HashSet<ParamId> = shared.map(|known| known.id).collect();
    let repeated = inventory.repeated();
    doubtful.extend(repeated.keys());
    if doubtful.is_empty() {
        return Ok(());
    }
    let repeated = repeated.into_values().flatten().collect();
    inventory.read(model, repeated, &HashSet::new(), Sharing::OneMask);
    let mut trainable = Trainable {
        ids: &doubtful,
        places: Places::default(),
        found: HashSet::new(),
    };
    model.visit(&mut trainable);
    let found = trainable.found;
    let mut first: HashMap<ParamId, &Parameter> = HashMap::new();
    for parameter in &inventory.parameters {
        if !doubtful.contains(&parameter.id) {
            continue;
        }
        let first = *first.entry(parameter.id).or_insert(parameter);
        let trained = parameter.places.iter().zip(&parameter.paths);
        let trained = trained.filter(|(place, _)| found.contains(place));
        let mut misled = trained
            .filter(|_| first.place() != parameter.place() || !found.contains(&first.place()));
        if let Some((_, path)) = misled.next() {
            return Err(PruneError::SharedId {
                path: first.path().to_string(),
                other: path.clone(),
            });
        }
    }
    Ok(())
}

/// Finds the places that get gradients.
struct Trainable<'a> {
    ids: &'a HashSet<ParamId>,
    places: Places,
    found: HashSet<Place>,
}

impl ModuleVisitor for Trainable<'_> {
    fn enter_module(&mut self, _name: &str, container: &str) {
        self.places.enter(container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.places.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let place = self.places.visit();
        if let Some(place) = place.filter(|_| self.ids.contains(&param.id))
            && param.base().is_require_grad()
        {
            self.found.insert(place);
        }
    }
}
