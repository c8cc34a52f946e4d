use burn_prune::{Mask, MaskSet};

use super::Shortfall;
use crate::DeployError;
use crate::graph::Graph;
use crate::groups::{GradientHazard, Groups};
use crate::shrink::{ShrinkPlan, predict};

/// Which units go: what [`ChannelPruner`](crate::ChannelPruner) chose, or the caller.
#[derive(Debug, Clone)]
pub struct Selection {
    groups: Groups,
    /// By group and unit.
    kept: Vec<Vec<bool>>,
    shortfalls: Vec<Shortfall>,
}

impl Selection {
    /// Nothing goes yet.
    pub fn new(groups: &Groups) -> Self {
        let kept = groups.groups().iter();
        let kept = kept.map(|group| vec![true; group.units.len()]).collect();
        Self::from_kept(groups, kept, Vec::new())
    }

    pub(super) fn from_kept(
        groups: &Groups,
        kept: Vec<Vec<bool>>,
        shortfalls: Vec<Shortfall>,
    ) -> Self {
        Self {
            groups: groups.clone(),
            kept,
            shortfalls,
        }
    }

    /// Also removes these units of a group.
    ///
    /// # Errors
    /// When there is no such group or unit, or the group would become empty.
    pub fn remove(
        mut self,
        group: &str,
        units: impl IntoIterator<Item = usize>,
    ) -> Result<Self, DeployError> {
        let known = self.groups.group(group)?;
        let mut groups = self.groups.groups().iter();
        let number = groups.position(|other| other.name == known.name);
        let number = number.expect("it has just been found");
        for unit in units {
            match self.kept[number].get_mut(unit) {
                Some(kept) => *kept = false,
                None => {
                    return Err(DeployError::UnknownUnit {
                        group: group.to_string(),
                        units: known.units.len(),
                        found: unit,
                    });
                }
            }
        }
        match self.kept[number].contains(&true) {
            true => Ok(self),
            false => Err(DeployError::EmptyGroup {
                group: group.to_string(),
                units: known.units.len(),
            }),
        }
    }

    /// Whether each unit of each group stays.
    pub fn kept(&self) -> &[Vec<bool>] {
        &self.kept
    }

    /// Where fewer units go than the pruner was asked for, because of its floor or multiple. Where
    /// a floor is the reason, it is logged as a warning too.
    pub fn shortfalls(&self) -> &[Shortfall] {
        &self.shortfalls
    }

    /// The groups that it is of.
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Masks that make zero all that the units are in: weights that make and read them, biases,
    /// scales and shifts of norms. With these the model computes what the shrunk one does, and can
    /// be trained on.
    ///
    /// Statistics and divisors cannot be masked, and need not be: a scale and shift of 0, or what
    /// reads the channel, hide them. The set is empty when nothing goes.
    ///
    /// Where the gradients of what goes may not be finite numbers under the masks, that is logged as
    /// a warning; see [`Groups::gradient_hazards`].
    pub fn masks(&self) -> MaskSet {
        for hazard in self.gradient_hazards() {
            log::warn!("{hazard}");
        }
        let graph = self.groups.graph();
        let mut kept: Vec<Option<Vec<bool>>> = vec![None; graph.parameters.len()];
        for (group, units) in self.groups.groups().iter().zip(&self.kept) {
            let removed = group.units.iter().zip(units).filter(|(_, kept)| !**kept);
            for member in removed.flat_map(|(unit, _)| &unit.members) {
                let parameter = &graph[member.parameter];
                if !parameter.can_be_masked() {
                    continue;
                }
                let shape = graph.shape(parameter.tensor);
                let inner: usize = shape[member.axis + 1..].iter().product();
                let outer: usize = shape[..member.axis].iter().product();
                let size = shape[member.axis];
                let kept = kept[member.parameter.index()]
                    .get_or_insert_with(|| vec![true; outer * size * inner]);
                for block in 0..outer {
                    for index in &member.indices {
                        let start = (block * size + index) * inner;
                        kept[start..start + inner].fill(false);
                    }
                }
            }
        }
        let masks = graph.parameters.iter().zip(kept);
        let masks = masks.filter_map(|(parameter, kept)| Some((parameter, kept?)));
        let masks = masks.flat_map(|(parameter, kept)| {
            let mask = Mask::from_kept(graph.shape(parameter.tensor), &kept);
            let mask = mask.expect("one value an entry");
            parameter
                .paths()
                .map(move |path| (path.to_string(), mask.clone()))
        });
        masks.collect()
    }

    /// Those of the groups' hazards that units which go lead to.
    pub fn gradient_hazards(&self) -> impl Iterator<Item = &GradientHazard> {
        let groups = &self.groups;
        let hazards = groups.gradient_hazards().iter();
        hazards.filter(move |hazard| {
            let mut kept = groups.groups().iter().zip(&self.kept);
            kept.any(|(group, kept)| kept.contains(&false) && hazard.groups.contains(&group.name))
        })
    }

    /// The graph that the model has without the units.
    pub fn graph(&self) -> Graph {
        predict::graph(&self.groups, &self.kept)
    }

    /// What has to be cut for the units to be gone.
    pub fn plan(&self) -> ShrinkPlan {
        ShrinkPlan::of(self)
    }
}
