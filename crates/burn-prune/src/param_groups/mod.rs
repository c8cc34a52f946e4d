//! Groups of parameters, of which the first counts that a parameter is in, and their form as data.

pub(crate) mod stored;

use std::collections::{HashMap, HashSet};

use burn::module::{ParamGroup, ParamId};
use serde_json::Value;

use crate::model::Parameter;

/// Groups in their order. Finds the one that a parameter is in without asking all of them, where
/// they name paths.
pub(crate) struct ParamGroups<'a> {
    groups: Vec<&'a ParamGroup>,
    /// The first group that names a path.
    by_path: HashMap<String, usize>,
    /// Groups that have to be asked.
    others: Vec<usize>,
}

impl<'a> ParamGroups<'a> {
    pub(crate) fn new(groups: impl IntoIterator<Item = &'a ParamGroup>) -> Self {
        let groups: Vec<&ParamGroup> = groups.into_iter().collect();
        let mut by_path = HashMap::new();
        let mut others = Vec::new();
        for (index, group) in groups.iter().enumerate() {
            match paths(group) {
                Some(paths) => {
                    for path in paths {
                        by_path.entry(path).or_insert(index);
                    }
                }
                None => others.push(index),
            }
        }
        Self {
            groups,
            by_path,
            others,
        }
    }

    /// The first group that has this place.
    pub(crate) fn at(&self, id: ParamId, path: &str) -> Option<usize> {
        let named = self.by_path.get(path).copied();
        let mut others = self.others.iter().copied();
        let other = others.find(|index| self.groups[*index].matches(&id, Some(path)));
        named.into_iter().chain(other).min()
    }

    /// The first group that has one of the places of this parameter.
    pub(crate) fn of(&self, parameter: &Parameter) -> Option<usize> {
        let paths = parameter.paths.iter();
        paths.filter_map(|path| self.at(parameter.id, path)).min()
    }

    /// The index of the first group that has none of these parameters.
    pub(crate) fn unused<'p>(
        &self,
        parameters: impl Iterator<Item = &'p Parameter> + Clone,
    ) -> Option<usize> {
        let all: HashSet<&str> = parameters
            .clone()
            .flat_map(|parameter| &parameter.paths)
            .map(String::as_str)
            .collect();
        let mut groups = self.groups.iter();
        groups.position(|group| match paths(group) {
            Some(paths) => !paths.iter().any(|path| all.contains(path.as_str())),
            None => !parameters.clone().any(|parameter| parameter.matches(group)),
        })
    }
}

/// The paths that a group names, if that is all it says. Burn has no other way to ask for them.
fn paths(group: &ParamGroup) -> Option<Vec<String>> {
    let group = serde_json::to_value(group).ok()?;
    let group = group.as_object()?;
    if group.len() != 2 || group.get("excludes") != Some(&Value::Null) {
        return None;
    }
    let matcher = group.get("matcher")?.as_object()?;
    let path = matcher.get("Path")?.as_object()?;
    let exact = path.get("Exact")?.as_array()?.iter();
    exact
        .map(|path| path.as_str().map(str::to_string))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_group_is_the_one_that_asking_all_of_them_finds() {
        let names = ["a", "b", "c", "a.b", "b.c"];
        let id = ParamId::new();
        let path = |index: usize| names[index % names.len()];
        let group = |kind: usize, index: usize| match kind % 7 {
            0 | 1 => ParamGroup::from_path(path(index)),
            2 => ParamGroup::from_paths(vec![path(index), path(index + 1)]),
            3 => ParamGroup::from_predicate(path(index)),
            4 => ParamGroup::from_ids(vec![ParamId::new()]),
            5 => ParamGroup::from_paths(vec!["a", "b", "c"]).exclude(ParamGroup::from_path("b")),
            _ => ParamGroup::from_path("a").fuse(&ParamGroup::from_path("c")),
        };
        for seed in 0..500 {
            let groups: Vec<ParamGroup> = (0..seed % 9)
                .map(|at| group(seed / 7 + at * at, seed + 3 * at))
                .collect();
            let found = ParamGroups::new(&groups);
            for path in names {
                let asked = groups
                    .iter()
                    .position(|group| group.matches(&id, Some(path)));
                assert_eq!(found.at(id, path), asked, "{path} in {groups:?}");
            }
        }
    }

    #[test]
    fn paths_are_found_out_where_a_group_is_nothing_else() {
        let both = ParamGroup::from_paths(vec!["a", "b"]);
        assert_eq!(paths(&both), Some(vec!["a".to_string(), "b".to_string()]));
        assert_eq!(paths(&both.exclude(ParamGroup::all())), None);
        assert_eq!(paths(&ParamGroup::from_predicate("a")), None);
        assert_eq!(paths(&ParamGroup::all()), None);
    }
}
