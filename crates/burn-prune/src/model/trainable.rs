//! Whether Burn's optimizers would update the parameters that are trained.

use std::collections::{HashMap, HashSet};

use burn::module::{Module, Param, ParamId};
use burn::tensor::Tensor;

use super::inventory::Inventory;
use super::parameter::Parameter;
use super::shared::Sharing;
use super::walk::{Place, Position, WeightVisitor, visit};
use crate::error::PruneError;

/// Refuses places of one id if Burn's optimizers would update another place than the one that was
/// trained: they give the gradient to the first place, whatever it holds.
pub(crate) fn check_trainable<M: Module>(model: &M) -> Result<(), PruneError> {
    let inventory = Inventory::of(model);
    let repeated = inventory.repeated();
    let shared = inventory
        .parameters
        .iter()
        .filter(|known| known.places.len() > 1)
        .map(|known| known.id);
    let doubtful: HashSet<ParamId> = shared.chain(repeated.keys().copied()).collect();
    if doubtful.is_empty() {
        return Ok(());
    }
    let repeated = repeated.into_values().flatten().collect();
    let reading = inventory.read(model, repeated, &HashSet::new(), Sharing::OneMask);
    let trainable = Trainable {
        ids: &doubtful,
        found: HashSet::new(),
    };
    let found = visit(model, trainable).found;
    let mut first: HashMap<ParamId, &Parameter> = HashMap::new();
    for parameter in &reading.inventory().parameters {
        if !doubtful.contains(&parameter.id) {
            continue;
        }
        let first = *first.entry(parameter.id).or_insert(parameter);
        let gets_own_gradient =
            first.place() == parameter.place() && found.contains(&first.place());
        let places = parameter.places.iter().zip(&parameter.paths);
        let mut trained = places.filter(|(place, _)| found.contains(place));
        if let Some((_, path)) = trained.next().filter(|_| !gets_own_gradient) {
            return Err(PruneError::SharedId {
                path: first.path().to_string(),
                other: path.clone(),
            });
        }
    }
    Ok(())
}

/// Finds the places of these parameters that get gradients.
struct Trainable<'a> {
    ids: &'a HashSet<ParamId>,
    found: HashSet<Place>,
}

impl WeightVisitor for Trainable<'_> {
    fn weight<const D: usize>(&mut self, at: &Position, param: &Param<Tensor<D>>) {
        if self.ids.contains(&param.id) && param.base().is_require_grad() {
            self.found.insert(at.place());
        }
    }
}
