//! Which parameters are pruned.

use burn::module::ParamGroup;

use crate::{
    PruneError, WeightAxes,
    model::{Inventory, Parameter},
};

/// The selection of parameters, and what is known of their axes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Targets {
    /// Replaces the default, the weights of Linear and convolution layers.
    pub only: Option<ParamGroup>,
    pub include: Vec<ParamGroup>,
    pub exclude: Vec<ParamGroup>,
    pub axes: Vec<(ParamGroup, WeightAxes)>,
}

/// A selected parameter.
pub(crate) struct Selected<'a> {
    pub parameter: &'a Parameter,
    pub axes: Option<WeightAxes>,
}

impl Targets {
    /// The selected parameters in module order, each fit to carry a mask.
    pub(crate) fn select<'a>(
        &self,
        inventory: &'a Inventory,
    ) -> Result<Vec<Selected<'a>>, PruneError> {
        self.check_groups(inventory)?;
        let chosen = inventory
            .parameters
            .iter()
            .filter(|known| self.chooses(known));
        let selected: Vec<Selected> = chosen
            .map(|parameter| Selected {
                parameter,
                axes: self.axes(parameter),
            })
            .collect();
        if selected.is_empty() {
            let wanted = inventory
                .parameters
                .iter()
                .filter(|known| self.wants(known));
            let excluded = wanted.map(Parameter::path).collect::<Vec<_>>();
            return Err(match excluded.is_empty() {
                true => PruneError::NothingToPrune {
                    found: inventory.paths(),
                },
                false => PruneError::AllExcluded {
                    excluded: excluded.join(", "),
                },
            });
        }
        for Selected { parameter, .. } in &selected {
            parameter.check_maskable()?;
        }
        Ok(selected)
    }

    /// A group that matches nothing is a mistyped path: refuse it rather than prune something else.
    fn check_groups(&self, inventory: &Inventory) -> Result<(), PruneError> {
        let included = self.include.iter().map(|group| ("include", group));
        let excluded = self.exclude.iter().map(|group| ("exclude", group));
        let axes = self.axes.iter().map(|(group, _)| ("weight_axes", group));
        let only = self.only.iter().map(|group| ("only", group));
        for (method, group) in only.chain(included).chain(excluded).chain(axes) {
            let mut weights = inventory
                .parameters
                .iter()
                .filter(|known| !known.is_statistic());
            if !weights.any(|parameter| parameter.matches(group)) {
                return Err(PruneError::GroupMatchesNothing {
                    method,
                    group: format!("{group:?}"),
                    found: inventory.paths(),
                });
            }
        }
        Ok(())
    }

    fn chooses(&self, parameter: &Parameter) -> bool {
        self.wants(parameter) && !in_any(&self.exclude, parameter)
    }

    /// Whether this would be chosen if nothing were excluded.
    fn wants(&self, parameter: &Parameter) -> bool {
        let by_default = match &self.only {
            Some(group) => parameter.matches(group),
            None => default_axes(parameter).is_some(),
        };
        // Groups are often drawn wide; statistics are never meant.
        (by_default || in_any(&self.include, parameter)) && !parameter.is_statistic()
    }

    fn axes(&self, parameter: &Parameter) -> Option<WeightAxes> {
        let mut declared = self.axes.iter();
        let declared = declared.find(|(group, _)| parameter.matches(group));
        declared
            .map(|(_, axes)| *axes)
            .or_else(|| default_axes(parameter))
    }
}

fn in_any(groups: &[ParamGroup], parameter: &Parameter) -> bool {
    groups.iter().any(|group| parameter.matches(group))
}

/// The axes of a weight that is pruned by default; `None` for any other parameter.
pub(crate) fn default_axes(parameter: &Parameter) -> Option<WeightAxes> {
    parameter.weight_of().and_then(WeightAxes::of_layer)
}
