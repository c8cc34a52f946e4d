//! Choosing masks for a model.

use std::collections::HashSet;

use burn::module::Module;

use super::Pruner;
#[cfg(feature = "optim")]
use crate::allocation::Ends;
use crate::allocation::{Allocation, Due};
use crate::error::PruneError;
use crate::mask::MaskSet;
use crate::model::{Inventory, ModelReading, Place, Sharing};
use crate::pattern::Pattern;
use crate::ranking::{Chosen, Ranking, importance_of};

/// The parameters that a pruner looks at.
pub(crate) struct Wanted {
    pub selected: HashSet<Place>,
    /// Those of them that are ranked by their weights.
    pub weights: HashSet<Place>,
}

impl Pruner {
    /// [`masks`](Self::masks), where this is due, whatever the allocation says.
    pub(crate) fn masks_with<M: Module>(
        &self,
        due: &Due,
        model: &M,
    ) -> Result<MaskSet, PruneError> {
        Ok(self.choose(due, model)?.1)
    }

    /// [`masks_with`](Self::masks_with), and what has been read of the model for them.
    pub(crate) fn choose<M: Module>(
        &self,
        due: &Due,
        model: &M,
    ) -> Result<(ModelReading, MaskSet), PruneError> {
        let inventory = Inventory::of(model);
        let wanted = self.wanted(&inventory)?;
        let reading = inventory.read(model, wanted.weights, &wanted.selected, Sharing::OneMask);
        let masks = self.masks_with_of(due, &reading)?;
        Ok((reading, masks))
    }

    /// What has to be initialized and read before [`masks_of`](Self::masks_of).
    pub(crate) fn wanted(&self, inventory: &Inventory) -> Result<Wanted, PruneError> {
        self.validate()?;
        let parameters = self.may_choose(inventory)?.parameters();
        let by_weight = parameters
            .iter()
            .filter(|known| importance_of(&self.importance, known).is_none());
        Ok(Wanted {
            weights: by_weight.map(|known| known.place()).collect(),
            selected: parameters.iter().map(|known| known.place()).collect(),
        })
    }

    /// The parameters, or the groups of coupled channels, that are pruned.
    pub(super) fn chosen<'a>(&'a self, inventory: &'a Inventory) -> Result<Chosen<'a>, PruneError> {
        Ok(match &self.pattern {
            Pattern::Coupled(channels) => {
                Chosen::Groups(self.filter.select_groups(inventory, channels)?)
            }
            _ => Chosen::Parameters(self.filter.select(inventory)?),
        })
    }

    /// What may be chosen once it is known which places are shared.
    fn may_choose<'a>(&'a self, inventory: &'a Inventory) -> Result<Chosen<'a>, PruneError> {
        Ok(match &self.pattern {
            Pattern::Coupled(channels) => {
                Chosen::Groups(self.filter.may_select_groups(inventory, channels)?)
            }
            _ => self.chosen(inventory)?,
        })
    }

    /// [`masks`](Self::masks) of a model that has been read.
    #[cfg(feature = "lottery")]
    pub(crate) fn masks_of(&self, reading: &ModelReading) -> Result<MaskSet, PruneError> {
        self.masks_with_of(&Due::default(), reading)
    }

    /// Refuses masks that leave a group of coupled channels without a unit that it has now.
    #[cfg(feature = "lottery")]
    pub(crate) fn check_left(
        &self,
        reading: &ModelReading,
        masks: &MaskSet,
    ) -> Result<(), PruneError> {
        Ranking::new(&self.pattern, self.chosen(reading.inventory())?, reading)?.check_left(masks)
    }

    fn masks_with_of(&self, due: &Due, reading: &ModelReading) -> Result<MaskSet, PruneError> {
        let mut ranking = Ranking::new(&self.pattern, self.chosen(reading.inventory())?, reading)?;
        ranking.score(
            reading,
            self.criterion.as_ref(),
            &self.importance,
            self.normalize,
        )?;
        ranking.prune(&self.allocation, self.target, due, self.floor)?;
        Ok(ranking.into_masks())
    }

    /// The masks of the selected parameters as they are; where there is none, one that keeps
    /// everything.
    #[cfg(feature = "optim")]
    pub(crate) fn selection<M: Module>(&self, model: &M) -> Result<MaskSet, PruneError> {
        self.with_selection(model, |ranking| Ok(ranking.into_masks()))
    }

    /// How much the parameters lose that have targets of their own in the allocation.
    #[cfg(feature = "optim")]
    pub(crate) fn ends<M: Module>(&self, model: &M) -> Result<Ends, PruneError> {
        match &self.allocation {
            Allocation::PerLayer(targets) => {
                self.validate()?;
                self.with_selection(model, |ranking| {
                    Ends::of(targets, &ranking.shares(self.floor))
                })
            }
            _ => Ok(Ends::default()),
        }
    }

    #[cfg(feature = "optim")]
    fn with_selection<M: Module, T>(
        &self,
        model: &M,
        of: impl FnOnce(Ranking<'_>) -> Result<T, PruneError>,
    ) -> Result<T, PruneError> {
        let inventory = Inventory::of(model);
        let parameters = self.may_choose(&inventory)?.parameters();
        let selected = parameters.iter().map(|known| known.place()).collect();
        let reading = inventory.read(model, HashSet::new(), &selected, Sharing::OneMask);
        let chosen = self.chosen(reading.inventory())?;
        let ranking = Ranking::new(&self.pattern, chosen, &reading)?;
        ranking.check_importance(&self.importance)?;
        of(ranking)
    }

    fn validate(&self) -> Result<(), PruneError> {
        if let Some(contradiction) = self.contradiction {
            return Err(contradiction.into());
        }
        self.floor.validate()?;
        if let Some(target) = self.target {
            target.validate()?;
        }
        if let Pattern::NM(nm) = &self.pattern {
            nm.validate()?;
            let what = match self.allocation {
                _ if self.target.is_some() => Some("amount"),
                Allocation::Uniform if self.floor.is_none() => None,
                Allocation::Uniform => Some("floor"),
                _ => Some("allocation"),
            };
            return what.map_or(Ok(()), |what| Err(PruneError::NMDecides { what }));
        }
        match &self.allocation {
            Allocation::PerLayer(targets) => {
                targets.iter().try_for_each(|(_, target)| target.validate())
            }
            // A rule may know by itself how much goes.
            Allocation::Rule(_) => Ok(()),
            _ => self.target.map(drop).ok_or(PruneError::NoAmount),
        }
    }
}
