//! Which parameters are pruned.

#[cfg(feature = "optim")]
use std::collections::HashMap;
#[cfg(feature = "optim")]
use std::sync::Arc;

use burn::module::ParamGroup;

use crate::param_groups::ParamGroups;
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
    /// What all that has been found to mean, in its place: the paths that are chosen, and their axes.
    #[cfg(feature = "optim")]
    found: Option<Arc<HashMap<String, Option<WeightAxes>>>>,
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
        let groups = Groups::of(self);
        let mut selected = Vec::new();
        for parameter in &inventory.parameters {
            #[cfg(feature = "optim")]
            if let Some(found) = &self.found {
                let axes = parameter.paths.iter().find_map(|path| found.get(path));
                selected.extend(axes.map(|axes| Selected {
                    parameter,
                    axes: *axes,
                }));
                continue;
            }
            if groups.chooses(parameter)? {
                let axes = groups.axes(parameter);
                selected.push(Selected { parameter, axes });
            }
        }
        if selected.is_empty() {
            let wanted = inventory.parameters.iter().filter(|known| {
                let mut places = 0..known.paths.len();
                places.any(|place| groups.wants(known, place))
            });
            let excluded = wanted.map(Parameter::path).collect::<Vec<_>>();
            return Err(if excluded.is_empty() {
                PruneError::NothingToPrune {
                    found: inventory.paths(),
                }
            } else {
                PruneError::AllExcluded {
                    excluded: excluded.join(", "),
                }
            });
        }
        for Selected { parameter, .. } in &selected {
            parameter.check_maskable()?;
        }
        Ok(selected)
    }

    /// The same selection by path, whatever ids the parameters have later.
    #[cfg(feature = "optim")]
    pub(crate) fn by_path(&self, inventory: &Inventory) -> Result<Self, PruneError> {
        let selected = self.select(inventory)?.into_iter();
        let found = selected.flat_map(|Selected { parameter, axes }| {
            let paths = parameter.paths.iter();
            paths.map(move |path| (path.clone(), axes))
        });
        Ok(Self {
            found: Some(Arc::new(found.collect())),
            ..Self::default()
        })
    }

    /// A group that matches nothing is a mistyped path: refuse it rather than prune something else.
    fn check_groups(&self, inventory: &Inventory) -> Result<(), PruneError> {
        let included = self.include.iter().map(|group| ("include", group));
        let excluded = self.exclude.iter().map(|group| ("exclude", group));
        let axes = self.axes.iter().map(|(group, _)| ("weight_axes", group));
        let only = self.only.iter().map(|group| ("only", group));
        let weights = inventory.parameters.iter();
        let weights = weights.filter(|known| !known.is_statistic());
        let all: Vec<_> = only.chain(included).chain(excluded).chain(axes).collect();
        let groups = ParamGroups::new(all.iter().map(|(_, group)| *group));
        let Some(unused) = groups.unused(weights) else {
            return Ok(());
        };
        let (method, group) = all[unused];
        Err(PruneError::GroupMatchesNothing {
            method,
            group: format!("{group:?}"),
            found: inventory.paths(),
        })
    }
}

/// The groups of a selection, ready to be asked.
struct Groups<'a> {
    targets: &'a Targets,
    include: ParamGroups<'a>,
    exclude: ParamGroups<'a>,
    axes: ParamGroups<'a>,
}

impl<'a> Groups<'a> {
    fn of(targets: &'a Targets) -> Self {
        Self {
            targets,
            include: ParamGroups::new(&targets.include),
            exclude: ParamGroups::new(&targets.exclude),
            axes: ParamGroups::new(targets.axes.iter().map(|(group, _)| group)),
        }
    }

    /// Whether all places of the parameter are chosen, or none.
    ///
    /// # Errors
    /// When some of them are: either all are meant, or they are not shared by intention.
    fn chooses(&self, parameter: &Parameter) -> Result<bool, PruneError> {
        let excludes = |place: usize| has(&self.exclude, parameter, place);
        let places = || 0..parameter.paths.len();
        let chooses = |place: &usize| self.wants(parameter, *place) && !excludes(*place);
        let Some(chosen) = places().find(chooses) else {
            return Ok(false);
        };
        let Some(left) = places().find(|place| !chooses(place)) else {
            return Ok(true);
        };
        let (method, named, other) = match &self.targets.only {
            _ if excludes(left) => ("exclude", left, chosen),
            Some(_) => ("only", chosen, left),
            None => ("include", chosen, left),
        };
        Err(PruneError::PartOfShared {
            method,
            path: parameter.paths[named].clone(),
            other: parameter.paths[other].clone(),
        })
    }

    /// Whether this place would be chosen if nothing were excluded.
    fn wants(&self, parameter: &Parameter, place: usize) -> bool {
        let by_default = match &self.targets.only {
            Some(group) => group.matches(&parameter.id, Some(&parameter.paths[place])),
            // A shared parameter is what it is where it is first.
            None => default_axes(parameter).is_some(),
        };
        // Groups are often drawn wide; statistics are never meant.
        (by_default || has(&self.include, parameter, place)) && !parameter.is_statistic()
    }

    fn axes(&self, parameter: &Parameter) -> Option<WeightAxes> {
        let declared = self.axes.of(parameter);
        declared
            .map(|declared| self.targets.axes[declared].1)
            .or_else(|| default_axes(parameter))
    }
}

fn has(groups: &ParamGroups<'_>, parameter: &Parameter, place: usize) -> bool {
    let group = groups.at(parameter.id, &parameter.paths[place]);
    group.is_some()
}

/// The axes of a weight that is pruned by default; `None` for any other parameter.
pub(crate) fn default_axes(parameter: &Parameter) -> Option<WeightAxes> {
    parameter.weight_of().and_then(WeightAxes::of_layer)
}
