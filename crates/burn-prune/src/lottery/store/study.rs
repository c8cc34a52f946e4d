//! What a study is, as it is written in its directory.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::lottery::Method;
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
        if !found.is_empty() {
            return Err(found);
        }
        let mut seeds = [self.seeds, here.seeds].concat();
        seeds.sort_unstable();
        seeds.dedup();
        Ok(Self {
            seeds,
            rounds: self.rounds.max(here.rounds),
            methods,
            version: self.version,
            settings: self.settings,
        })
    }
}

fn add_controls(known: &mut Method, method: Method) {
    for (control, rounds) in method.controls {
        match known.controls.iter_mut().find(|(of, _)| *of == control) {
            Some((_, known)) => {
                known.extend(rounds);
                known.sort_unstable();
                known.dedup();
            }
            None => known.controls.push((control, rounds)),
        }
    }
}
