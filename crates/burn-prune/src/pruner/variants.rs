//! Pruners that are made of another one.

use std::sync::Arc;

use burn::module::{Module, ParamGroup};

use super::Pruner;
use crate::allocation::Allocation;
use crate::amount::Target;
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

    /// Refuses a pruner that says how much is pruned beside a schedule that does.
    ///
    /// Where the pattern says so, the pattern refuses an amount by itself.
    pub(crate) fn check_schedulable(&self) -> Result<(), PruneError> {
        if let Some(contradiction) = self.contradiction {
            return Err(contradiction.into());
        }
        if self.target.is_none() || matches!(self.pattern, Pattern::NM(_)) {
            return Ok(());
        }
        Err(PruneError::Contradiction {
            settings: "a schedule and an amount of the pruner",
            advice: "the schedule says how much is pruned, so leave out `amount` and `to_sparsity`",
        })
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

    /// This pruner at a point of a schedule, whatever its own amount. A pattern that says by itself
    /// how much goes takes no sparsity.
    pub(crate) fn to_scheduled(&self, sparsity: f64) -> Self {
        let mut scheduled = self.clone();
        if !matches!(self.pattern, Pattern::NM(_)) {
            scheduled.target = Some(Target::Sparsity(sparsity));
        }
        scheduled
    }
}
