//! Which parameters, or which groups of coupled channels, are pruned.

#[cfg(feature = "optim")]
use std::collections::HashMap;
#[cfg(feature = "optim")]
use std::sync::Arc;

use burn::module::ParamGroup;

use crate::error::{CoupledError, PruneError};
use crate::model::{Inventory, Parameter};
use crate::param_groups::ParamGroups;
use crate::pattern::{CoupledChannels, WeightAxes};
use crate::ranking::{Selected, SelectedGroup};

/// The selection of parameters, and what is known of their axes.
#[derive(Debug, Clone, Default)]
pub(crate) struct ParameterFilter {
    /// Replaces the default, the weights of Linear and convolution layers.
    pub only: Option<ParamGroup>,
    pub include: Vec<ParamGroup>,
    pub exclude: Vec<ParamGroup>,
    pub axes: Vec<(ParamGroup, WeightAxes)>,
    /// What all that has been found to mean, in its place: the paths that are chosen, and their axes.
    #[cfg(feature = "optim")]
    found: Option<Arc<HashMap<String, Option<WeightAxes>>>>,
}

impl ParameterFilter {
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

    /// Selects this group and nothing else.
    #[cfg(feature = "optim")]
    pub(crate) fn select_only(&mut self, group: ParamGroup) {
        self.only = Some(group);
        self.include.clear();
        self.exclude.clear();
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

    /// The selected groups of coupled channels in the order of the pattern, each member fit to carry
    /// a mask.
    ///
    /// Where nothing is said all are selected. A group is what its members are: `only` and `include`
    /// take it when they have one of them, `exclude` leaves it out when it has one of them.
    pub(crate) fn select_groups<'a>(
        &self,
        inventory: &'a Inventory,
        channels: &'a CoupledChannels,
    ) -> Result<Vec<SelectedGroup<'a>>, PruneError> {
        self.check_groups(inventory)?;
        let groups: Vec<_> = channels
            .groups()
            .iter()
            .map(|group| SelectedGroup::find(group, inventory))
            .collect::<Result<_, _>>()?;
        if groups.is_empty() {
            return Err(CoupledError::NoGroups.into());
        }
        self.check_named_members(&groups)?;
        let include = ParamGroups::new(&self.include);
        let exclude = ParamGroups::new(&self.exclude);
        let has = |groups: &ParamGroups<'_>, group: &SelectedGroup<'_>| {
            let mut parameters = group.parameters.iter();
            parameters.any(|parameter| groups.of(parameter).is_some())
        };
        let in_only = |group: &SelectedGroup<'_>| match &self.only {
            Some(only) => group.parameters.iter().any(|known| known.matches(only)),
            None => true,
        };
        let (wanted, _): (Vec<_>, Vec<_>) = groups
            .into_iter()
            .partition(|group| in_only(group) || has(&include, group));
        let (excluded, selected): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|group| has(&exclude, group));
        if selected.is_empty() {
            let names: Vec<&str> = excluded.iter().map(|known| known.group.name()).collect();
            return Err(PruneError::AllExcluded {
                excluded: names.join(", "),
            });
        }
        for parameter in selected.iter().flat_map(|group| &group.parameters) {
            parameter.check_maskable()?;
        }
        Ok(selected)
    }

    /// Refuses to be told of parameters that have no coupled channels.
    fn check_named_members(&self, groups: &[SelectedGroup<'_>]) -> Result<(), PruneError> {
        let included = self.include.iter().map(|group| ("include", group));
        let only = self.only.iter().map(|group| ("only", group));
        let all: Vec<_> = only.chain(included).collect();
        let named = ParamGroups::new(all.iter().map(|(_, group)| *group));
        let members = groups.iter().flat_map(|group| &group.parameters).copied();
        let Some(unused) = named.unused(members.clone()) else {
            return Ok(());
        };
        let (method, group) = all[unused];
        let mut paths: Vec<&str> = members.map(Parameter::path).collect();
        paths.sort_unstable();
        paths.dedup();
        Err(CoupledError::MatchesNoMember {
            method,
            group: format!("{group:?}"),
            members: paths.join(", "),
        }
        .into())
    }

    /// A group that matches nothing is a mistyped path: refuse it rather than prune something else.
    fn check_groups(&self, inventory: &Inventory) -> Result<(), PruneError> {
        let included = self.include.iter().map(|group| ("include", group));
        let excluded = self.exclude.iter().map(|group| ("exclude", group));
        let axes = self.axes.iter().map(|(group, _)| ("weight_axes", group));
        let only = self.only.iter().map(|group| ("only", group));
        let weights = inventory
            .parameters
            .iter()
            .filter(|known| !known.is_statistic());
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
    filter: &'a ParameterFilter,
    include: ParamGroups<'a>,
    exclude: ParamGroups<'a>,
    axes: ParamGroups<'a>,
}

impl<'a> Groups<'a> {
    fn of(filter: &'a ParameterFilter) -> Self {
        Self {
            filter,
            include: ParamGroups::new(&filter.include),
            exclude: ParamGroups::new(&filter.exclude),
            axes: ParamGroups::new(filter.axes.iter().map(|(group, _)| group)),
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
        let (method, named, other) = match &self.filter.only {
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
        let by_default = match &self.filter.only {
            Some(group) => group.matches(&parameter.id, Some(&parameter.paths[place])),
            // A shared parameter is what it is where it is first.
            None => WeightAxes::of(parameter).is_some(),
        };
        // Groups are often drawn wide; statistics are never meant.
        (by_default || has(&self.include, parameter, place)) && !parameter.is_statistic()
    }

    fn axes(&self, parameter: &Parameter) -> Option<WeightAxes> {
        let declared = self.axes.of(parameter);
        declared
            .map(|declared| self.filter.axes[declared].1)
            .or_else(|| WeightAxes::of(parameter))
    }
}

fn has(groups: &ParamGroups<'_>, parameter: &Parameter, place: usize) -> bool {
    let group = groups.at(parameter.id, &parameter.paths[place]);
    group.is_some()
}
