//! `study.json`: what a study is.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::sealed::VERSION;
use crate::identity::differences;
use crate::lottery::study::{Method, Study};

/// What a study is: all that a report needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::lottery) struct StudyFile {
    pub version: u32,
    pub seeds: Vec<u64>,
    pub rounds: usize,
    pub methods: Vec<Method>,
    /// What all cells have in common.
    pub settings: Value,
}

impl StudyFile {
    /// The file of a study whose cells have these settings in common.
    pub(in crate::lottery) fn new(study: &Study, settings: Value) -> Self {
        let methods = study.methods().iter();
        let mut file = Self {
            version: VERSION,
            seeds: study.seeds().to_vec(),
            rounds: study.rounds(),
            methods: methods.map(|method| method.method().clone()).collect(),
            settings,
        };
        file.sort();
        file
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
                    "method `{}` is {:?} there and {:?} here",
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

/// A control of one method and another method with the same name would share their folders.
fn doubled(methods: &[Method]) -> Option<String> {
    let mut names = BTreeSet::new();
    let mut all = methods.iter().flat_map(Method::names);
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
