//! Pruners that are made of another one.

use std::sync::Arc;

use burn::module::{Module, ParamGroup};

use super::Pruner;
use super::filter::ParameterFilter;
use crate::allocation::Allocation;
use crate::amount::Target;
use crate::criterion::Magnitude;
use crate::error::PruneError;
use crate::model::{Inventory, Parameter};
use crate::pattern::{CoupledChannels, Pattern};
use crate::ranking::Chosen;

impl Pruner {
    /// This pruner with weights in the place of its criterion.
    pub(crate) fn by_magnitude(&self) -> Self {
        Self {
            criterion: Arc::new(Magnitude::l1()),
            ..self.clone()
        }
    }

    /// This pruner for each parameter or group of coupled channels alone, by its path or name.
    pub(crate) fn each_alone(
        &self,
        inventory: &Inventory,
    ) -> Result<Vec<(String, Self)>, PruneError> {
        Ok(match self.chosen(inventory)? {
            Chosen::Parameters(selected) => {
                let selected = selected.into_iter().map(|one| {
                    let paths = one.parameter.paths.clone();
                    let name = one.parameter.path().to_string();
                    let mut alone = self.with_importance_of(&[one.parameter]);
                    alone.filter.select_only(ParamGroup::from_paths(paths));
                    (name, alone)
                });
                selected.collect()
            }
            Chosen::Groups(groups) => {
                let groups = groups.into_iter().map(|one| {
                    let mut alone = self.with_importance_of(&one.parameters);
                    alone.pattern = CoupledChannels::of_valid([one.group.clone()]).into();
                    alone.filter = ParameterFilter::default();
                    (one.group.name().to_string(), alone)
                });
                groups.collect()
            }
        })
    }

    /// This pruner with nothing to share out, and the importance scores of these parameters only.
    fn with_importance_of(&self, parameters: &[&Parameter]) -> Self {
        let mut alone = self.clone();
        alone.allocation = Allocation::Uniform;
        let is_theirs = |path: &String| parameters.iter().any(|known| known.paths.contains(path));
        alone.importance.retain(|path, _| is_theirs(path));
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
        let mut inventory = Inventory::of(model);
        // What is named at one place is meant at all places of what is shared, or refused.
        inventory.decide_all(model);
        let mut by_path = self.clone();
        match self.chosen(&inventory)? {
            Chosen::Parameters(_) => by_path.filter = self.filter.by_path(&inventory)?,
            Chosen::Groups(groups) => {
                let groups = groups.into_iter().map(|one| one.group.clone());
                by_path.pattern = CoupledChannels::of_valid(groups).into();
                by_path.filter = ParameterFilter::default();
            }
        }
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
