//! Where the float parameters of a model are.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// The container type under which Burn presents the state of a reparameterization.
pub(crate) const REPARAMETERIZATION: &str = "Reparameterization";

/// A place of a float parameter: its number in the order of the model.
///
/// Two places may hold parameters of one id, that are one shared parameter or not. So what is about
/// a weight is kept by its place, and not by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place(usize);

/// Counts the places while a visitor or a mapper walks over a model.
#[derive(Debug, Default)]
pub(crate) struct Places {
    next: usize,
    /// Above 0 inside the state of a reparameterization, whose floats are not weights.
    nested: usize,
}

impl Places {
    pub(crate) fn enter(&mut self, container: &str) {
        self.nested += usize::from(container == REPARAMETERIZATION);
    }

    pub(crate) fn exit(&mut self, container: &str) {
        self.nested -= usize::from(container == REPARAMETERIZATION);
    }

    /// How deep in the states of reparameterizations the walk is.
    pub(super) fn nested(&self) -> usize {
        self.nested
    }

    /// The place of the float that is visited now; `None` for one that is no weight.
    pub(crate) fn visit(&mut self) -> Option<Place> {
        if self.nested > 0 {
            return None;
        }
        self.next += 1;
        self.last()
    }

    /// The place that was visited last.
    pub(super) fn last(&self) -> Option<Place> {
        self.next.checked_sub(1).map(Place)
    }
}

/// The dotted paths of all places.
pub(super) fn paths<M: Module>(model: &M) -> Vec<(String, Place)> {
    let mut paths = Paths::default();
    model.visit(&mut paths);
    paths.found
}

#[derive(Default)]
struct Paths {
    places: Places,
    path: Vec<String>,
    found: Vec<(String, Place)>,
}

impl ModuleVisitor for Paths {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.places.enter(container);
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.places.exit(container);
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, _param: &Param<Tensor<D>>) {
        if let Some(place) = self.places.visit() {
            self.found.push((self.path.join("."), place));
        }
    }
}
