//! What a study is, as it is written in its directory.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::VERSION;
use crate::lottery::Method;
use crate::lottery::plan::control_name;
use crate::lottery::settings::differences;

/// What a study is: all that `report` needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::lottery) struct Study {
    pub version: u32,
    pub seeds: Vec<u64>,
    pub rounds: usize,
    pub methods: Vec<Method>,
    /// What all cells have in common.
    pub settings: Value,
}

impl Study {
    /// A study of this release.
    pub(in crate::lottery) fn new(
        seeds: &[u64],
        rounds: usize,
        methods: &[Method],
        settings: Value,
    ) -> Self {
        let mut study = Self {
            version: VERSION,
            seeds: seeds.to_vec(),
            rounds,
            methods: methods.to_vec(),
            settings,
        };
        study.sort();
        study
    }

    /// Into the order in which a study that was joined is.
    fn sort(&mut self) {
        sort(&mut self.seeds);
        let controls = self
            .methods
            .iter_mut()
            .flat_map(|method| &mut method.controls);
        controls.for_each(|(_, rounds)| sort(rounds));
    }

    /// This study with what another one adds to it, or how they differ.
    pub(super) fn joined(self, here: Self) -> Result<Self, Vec<String>> {
        let mut found = differences(&self.settings, &here.settings);
        let mut methods = self.methods.clone();
        for method in here.methods {
            match methods.iter_mut().find(|known| known.name == method.name) {
                Some(known) if known.rewind == method.rewind => add_controls(known, method),
                Some(known) => found.push(format!(
                    "{}: there {:?}, here {:?}",
                    method.name, known.rewind, method.rewind
                )),
                None => methods.push(method),
            }
        }
        found.extend(doubled(&methods));
        if !found.is_empty() {
            return Err(found);
        }
        let mut joined = Self {
            seeds: [self.seeds, here.seeds].concat(),
            rounds: self.rounds.max(here.rounds),
            methods,
            version: self.version,
            settings: self.settings,
        };
        joined.sort();
        Ok(joined)
    }
}

/// And drops what is there twice.
fn sort<T: Ord>(values: &mut Vec<T>) {
    values.sort_unstable();
    values.dedup();
}

/// A control of one method that is called as another method is would have its folders.
fn doubled(methods: &[Method]) -> Option<String> {
    let mut names = BTreeSet::new();
    let mut all = methods.iter().flat_map(|method| {
        let controls = method.controls.iter();
        let controls = controls.map(|(control, _)| control_name(&method.name, *control));
        controls.chain([method.name.clone()])
    });
    let twice = all.find(|name| !names.insert(name.clone()))?;
    Some(format!(
        "`{twice}` is a method and a control of another one"
    ))
}

fn add_controls(known: &mut Method, method: Method) {
    for (control, rounds) in method.controls {
        match known.controls.iter_mut().find(|(of, _)| *of == control) {
            Some((_, known)) => known.extend(rounds),
            None => known.controls.push((control, rounds)),
        }
    }
}
