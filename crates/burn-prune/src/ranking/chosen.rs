//! What a pruner has chosen to prune.

use crate::error::{CoupledError, PruneError};
use crate::model::{Inventory, Parameter};
use crate::pattern::{CoupledGroup, WeightAxes};

/// The parameters or groups that are ranked, in the order in which ties are decided.
pub(crate) enum Chosen<'a> {
    /// In module order.
    Parameters(Vec<Selected<'a>>),
    /// In the order of the pattern.
    Groups(Vec<SelectedGroup<'a>>),
}

/// A selected parameter.
pub(crate) struct Selected<'a> {
    pub parameter: &'a Parameter,
    pub axes: Option<WeightAxes>,
}

/// A selected group of coupled channels, with the parameter of each of its members.
pub(crate) struct SelectedGroup<'a> {
    pub group: &'a CoupledGroup,
    pub parameters: Vec<&'a Parameter>,
}

impl<'a> SelectedGroup<'a> {
    /// The group with its parameters in this model.
    pub(crate) fn find(
        group: &'a CoupledGroup,
        inventory: &'a Inventory,
    ) -> Result<Self, PruneError> {
        let parameters = group.members().iter().map(|member| {
            let found = inventory.find(&member.path);
            found.ok_or_else(|| CoupledError::MemberMissing {
                group: group.name().to_string(),
                path: member.path.clone(),
                found: inventory.paths(),
            })
        });
        Ok(Self {
            group,
            parameters: parameters.collect::<Result<_, _>>()?,
        })
    }
}

impl<'a> Chosen<'a> {
    /// Each parameter that gets a mask, once and in module order.
    pub(crate) fn parameters(&self) -> Vec<&'a Parameter> {
        let mut parameters: Vec<&Parameter> = match self {
            Self::Parameters(selected) => selected.iter().map(|one| one.parameter).collect(),
            Self::Groups(groups) => {
                let groups = groups.iter();
                groups
                    .flat_map(|group| &group.parameters)
                    .copied()
                    .collect()
            }
        };
        parameters.sort_by_key(|parameter| parameter.place());
        parameters.dedup_by_key(|parameter| parameter.place());
        parameters
    }
}
