//! Which of the cells that are there are results of the study.

use serde_json::Value;

use crate::identity::differences;
use crate::lottery::cell_id::CellId;
use crate::lottery::store::{Outcome, SEALED, Sources, StudyFile};
use crate::lottery::study::find_method;

/// All cells of a study, each after those that it is made from.
pub(super) fn expected(study: &StudyFile) -> Vec<CellId> {
    let mut expected = Vec::new();
    for &seed in &study.seeds {
        expected.push(CellId::dense(seed));
        for method in &study.methods {
            for round in 1..=study.rounds {
                expected.push(CellId::new(seed, &method.name, round));
            }
            for (control, rounds) in &method.controls {
                let name = method.name_of(*control);
                for round in rounds {
                    expected.push(CellId::new(seed, &name, *round));
                }
            }
        }
    }
    expected
}

/// The cells of a study, one after the other.
pub(super) struct Standing<'a> {
    study: &'a StudyFile,
    found: Vec<Outcome>,
    /// Made from what is no longer there.
    outdated: Vec<CellId>,
}

impl<'a> Standing<'a> {
    pub(super) fn new(study: &'a StudyFile) -> Self {
        Self {
            study,
            found: Vec::new(),
            outdated: Vec::new(),
        }
    }

    /// A cell that is whole, when it has the settings of the study and was made from what is there.
    ///
    /// Whether a cell that is lost or damaged would come out otherwise is unknown, so cells that
    /// were made from it count.
    pub(super) fn add(&mut self, cell: Outcome) -> Option<&Outcome> {
        if !of_study(&cell.settings, &self.study.settings) {
            return None;
        }
        if self.is_outdated(&cell) {
            self.outdated.push(cell.cell);
            return None;
        }
        self.found.push(cell);
        self.found.last()
    }

    fn is_outdated(&self, cell: &Outcome) -> bool {
        let method = find_method(&self.study.methods, &cell.cell.method);
        let Some((method, control)) = method.filter(|_| cell.version >= SEALED) else {
            return false;
        };
        let sources = Sources::of(&cell.cell, method, control);
        let known = |cell: &CellId| self.found.iter().find(|outcome| outcome.cell == *cell);
        let needs = sources.cells();
        if needs.iter().any(|needed| self.outdated.contains(needed)) {
            return true;
        }
        let all_known = needs.iter().all(|needed| known(needed).is_some());
        all_known
            && sources
                .outdated(&cell.made_from, &sources.now(known))
                .is_some()
    }
}

/// Whether a cell has the settings that all cells have in common.
fn of_study(cell: &Value, common: &Value) -> bool {
    let Value::Object(common) = common else {
        return false;
    };
    let mut settings = common.iter();
    settings.all(|(name, value)| differences(&cell[name.as_str()], value).is_empty())
}
