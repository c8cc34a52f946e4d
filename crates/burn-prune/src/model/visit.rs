//! Reading stored weights one after the other.

use std::collections::HashSet;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

use super::place::{Place, Places};
use super::weights::Values;

/// Calls `read` with the stored weight at each of these places.
pub(crate) fn visit_weights<M: Module>(
    model: &M,
    wanted: HashSet<Place>,
    read: impl FnMut(Place, Values),
) {
    let places = Places::default();
    model.visit(&mut WeightVisitor {
        wanted,
        places,
        read,
    });
}

struct WeightVisitor<F> {
    wanted: HashSet<Place>,
    places: Places,
    read: F,
}

impl<F: FnMut(Place, Values)> ModuleVisitor for WeightVisitor<F> {
    fn enter_module(&mut self, _name: &str, container: &str) {
        self.places.enter(container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.places.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let place = self.places.visit();
        if let Some(place) = place.filter(|place| self.wanted.contains(place)) {
            (self.read)(place, Values::read(param.base()));
        }
    }
}
