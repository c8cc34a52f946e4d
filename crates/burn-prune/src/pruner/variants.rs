//! Pruners that are made of another one.

use std::sync::Arc;

use burn::module::{Module, ParamGroup};

use super::Pruner;
use crate::allocation::Allocation;
use crate::criterion::Magnitude;
use crate::error::PruneError;
use crate::model::{Inventory, Parameter};
use crate::pattern::Pattern;

impl Pruner {
    /// This pruner with weights in the place of its criterion.
    pub(crate) fn by_magnitude(&self) -> Self {
        Self {
            criterion: Arc::new(Magnitude::l1()),
            ..self.clone()
        }
    }

    /// This pruner for one parameter alone, without what it says of the others.
    pub(crate) fn alone(&self, parameter: &Parameter) -> Self {
        let mut alone = self.clone();
        alone.targets.only = Some(ParamGroup::from_paths(parameter.paths.clone()));
        alone.targets.include.clear();
        alone.targets.exclude.clear();
        // With one parameter there is nothing to share out.
        alone.allocation = Allocation::Uniform;
        let is_its_own = |path: &String| parameter.paths.contains(path);
        alone.importance.retain(|path, _| is_its_own(path));
        alone
    }

    /// This pruner without an amount for all parameters.
    pub(crate) fn without_amount(mut self) -> Self {
        // Where the pattern says how much goes, an amount stays an error.
        if !matches!(self.pattern, Pattern::NM(_)) {
            self.target = None;
        }
        self
    }

    /// This pruner with what it selects of this model by path, and without the targets that
    /// parameters have of their own: a record that is loaded brings other ids, and groups of ids
    /// would mean nothing any more.
    pub(crate) fn by_path<M: Module>(&self, model: &M) -> Result<Self, PruneError> {
        let targets = self.targets.by_path(&Inventory::of(model))?;
        let mut by_path = Self {
            targets,
            ..self.clone()
        };
        if let Allocation::PerLayer(targets) = &mut by_path.allocation {
            targets.clear();
        }
        Ok(by_path)
    }

    /// This pruner at a point of a schedule. A pattern that says by itself how much goes takes no
    /// sparsity.
    pub(crate) fn to_scheduled(&self, sparsity: f64) -> Self {
        match self.pattern {
            Pattern::NM(_) => self.clone(),
            _ => self.clone().to_sparsity(sparsity),
        }
    }
}
