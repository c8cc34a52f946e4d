//! The results of a study: rows, summaries over the seeds, and the ways to show them.

mod page;
mod plots;
mod row;
mod save;
mod standing;
mod summary;
mod table;

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cell_id::CellId;
use super::error::{LotteryError, file_error};
use super::store::{Directory, Found};
use standing::Standing;

pub use row::{Measure, StudyRow};
pub use summary::Summary;

/// The results of a study, as far as they exist.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StudyReport {
    /// One row per cell, by seed, method and round; the dense run of a seed comes first.
    pub rows: Vec<StudyRow>,
    /// Cells that are not finished yet.
    pub missing: Vec<CellId>,
    /// Cells that running the study trains again, as they are damaged or were made from masks or
    /// weights that are no longer there; and cells that were made with other settings.
    pub damaged: Vec<CellId>,
    /// What all cells have in common.
    pub settings: Value,
}

impl StudyReport {
    /// Reads the results that the study in this directory has so far.
    ///
    /// # Errors
    /// When there is no study, or a file cannot be read.
    pub fn read(directory: impl AsRef<Path>) -> Result<Self, LotteryError> {
        let directory = Directory::new(directory.as_ref());
        let Some(study) = directory.study()? else {
            let found = "there is no study here: no `study.json`";
            return Err(file_error(directory.root(), found));
        };
        let mut standing = Standing::new(&study);
        let mut report = Self {
            rows: Vec::new(),
            missing: Vec::new(),
            damaged: Vec::new(),
            settings: study.settings.clone(),
        };
        for cell in standing::expected(&study) {
            match directory.find(&cell)? {
                Found::Nothing => report.missing.push(cell),
                Found::Whole(outcome) => match standing.add(*outcome) {
                    Some(outcome) => report.rows.push(StudyRow::of(outcome)),
                    None => report.damaged.push(cell),
                },
                Found::Damaged(_) => report.damaged.push(cell),
            }
        }
        Ok(report)
    }

    /// The rows of a method and round, one per seed.
    pub fn rows_of<'a>(
        &'a self,
        method: &'a str,
        round: usize,
    ) -> impl Iterator<Item = &'a StudyRow> {
        self.rows
            .iter()
            .filter(move |row| row.method == method && row.round == round)
    }

    /// A measure of a method and round over the seeds; `None` when no such cell is finished.
    pub fn summary(&self, method: &str, round: usize, measure: Measure) -> Option<Summary> {
        Summary::of(self.rows_of(method, round).map(|row| measure.of(row)))
    }

    /// Methods and controls, in the order of the study; the dense run comes first.
    pub fn methods(&self) -> Vec<&str> {
        let mut methods: Vec<&str> = Vec::new();
        for row in &self.rows {
            if !methods.contains(&row.method.as_str()) {
                methods.push(&row.method);
            }
        }
        methods
    }

    /// The finished rounds of a method, in order.
    pub fn rounds(&self, method: &str) -> Vec<usize> {
        let rows = self.rows.iter().filter(|row| row.method == method);
        let mut rounds: Vec<usize> = rows.map(|row| row.round).collect();
        rounds.sort_unstable();
        rounds.dedup();
        rounds
    }
}
