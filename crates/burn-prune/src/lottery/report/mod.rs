//! What came out of a study: rows, summaries over the seeds, and the ways to show them.

mod page;
mod plots;
mod standing;
mod table;

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::error::file_error;
use super::store::{Directory, Found, Outcome};
use super::{CellId, LotteryError};
use crate::files;
use standing::Standing;

/// The results of a study, as far as they are there.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StudyReport {
    /// A row a cell: by seed, the dense run, the methods and their controls, by round.
    pub rows: Vec<StudyRow>,
    /// Cells that are not there yet.
    pub missing: Vec<CellId>,
    /// Cells that running the study makes anew, as they are not whole, or were made from masks or
    /// weights that are no longer there; and cells that were made with other settings.
    pub damaged: Vec<CellId>,
    /// What all cells have in common.
    pub settings: Value,
}

/// What came out of a cell.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StudyRow {
    /// Seed of the initial weights.
    pub seed: u64,
    /// `dense`, the name of a method, or that and the name of a control.
    pub method: String,
    /// How often the masks have been cut.
    pub round: usize,
    /// Fraction of the prunable weights that the masks keep, in `[0, 1]`.
    pub remaining: f64,
    /// Test accuracy of the weights with the lowest validation loss, in `[0, 1]`.
    pub test_accuracy: f64,
    /// The lowest validation loss.
    pub validation_loss: f64,
    /// The iteration of that loss, counted from the start of this training.
    pub early_stop_iteration: usize,
    /// Whether that was the last evaluation, so that the loss might have gone lower.
    pub censored: bool,
    /// Iterations of the training.
    pub iterations: usize,
    /// Seconds in the training closure.
    pub training_seconds: f64,
    /// Seconds for the cell, training and pruning; without writing it.
    pub seconds: f64,
}

/// A number of a [`StudyRow`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// [`StudyRow::test_accuracy`].
    TestAccuracy,
    /// [`StudyRow::validation_loss`].
    ValidationLoss,
    /// [`StudyRow::early_stop_iteration`].
    EarlyStopIteration,
}

impl Measure {
    fn of(self, row: &StudyRow) -> f64 {
        match self {
            Self::TestAccuracy => row.test_accuracy,
            Self::ValidationLoss => row.validation_loss,
            Self::EarlyStopIteration => row.early_stop_iteration as f64,
        }
    }
}

/// A measure over the seeds.
///
/// ```
/// use burn_prune::lottery::Summary;
///
/// let a = Summary::of([1.0, 2.0, 3.0]).unwrap();
/// assert_eq!((a.mean, a.spread, a.count), (2.0, 1.0, 3));
/// assert!(a.overlaps(&Summary::of([2.5, 3.0, 4.5]).unwrap()));
/// assert!(!a.overlaps(&Summary::of([8.0, 9.0]).unwrap()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// Mean.
    pub mean: f64,
    /// Sample standard deviation; 0 of a single value.
    pub spread: f64,
    /// How many values.
    pub count: usize,
}

impl Summary {
    /// Of these values; `None` when there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.into_iter().collect();
        let count = values.len();
        if count == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares = values.iter().map(|value| (value - mean).powi(2));
        let spread = match count {
            1 => 0.0,
            count => (squares.sum::<f64>() / (count as f64 - 1.0)).sqrt(),
        };
        Some(Self {
            mean,
            spread,
            count,
        })
    }

    /// Whether the intervals `mean ± spread` overlap: then the two cannot be told apart. A single
    /// value has no interval, and cannot be told apart from anything.
    pub fn overlaps(&self, other: &Self) -> bool {
        let single = self.count < 2 || other.count < 2;
        single || (self.mean - other.mean).abs() <= self.spread + other.spread
    }
}

impl StudyRow {
    fn of(outcome: &Outcome) -> Self {
        let CellId {
            seed,
            method,
            round,
        } = outcome.cell.clone();
        Self {
            seed,
            method,
            round,
            remaining: outcome.remaining(),
            test_accuracy: outcome.test_accuracy,
            validation_loss: outcome.validation_loss,
            early_stop_iteration: outcome.early_stop_iteration,
            censored: outcome.censored,
            iterations: outcome.iterations,
            training_seconds: outcome.training_seconds,
            seconds: outcome.seconds,
        }
    }
}

impl StudyReport {
    /// Reads what is there of the study in this directory.
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

    /// The rows of a method and round, one a seed.
    pub fn rows_of<'a>(
        &'a self,
        method: &'a str,
        round: usize,
    ) -> impl Iterator<Item = &'a StudyRow> {
        let rows = self.rows.iter();
        rows.filter(move |row| row.method == method && row.round == round)
    }

    /// A measure of a method and round over the seeds; `None` when no such cell is there.
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

    /// The rounds of a method that are there, in order.
    pub fn rounds(&self, method: &str) -> Vec<usize> {
        let rows = self.rows.iter().filter(|row| row.method == method);
        let mut rounds: Vec<usize> = rows.map(|row| row.round).collect();
        rounds.sort_unstable();
        rounds.dedup();
        rounds
    }

    /// Writes `results.csv`, `results.json`, the plots `accuracy` and `early-stop` as SVG and PNG,
    /// and `index.html`, which opens without a network.
    ///
    /// # Errors
    /// When a file cannot be written, or there is nothing to show.
    pub fn save(&self, directory: impl AsRef<Path>) -> Result<(), LotteryError> {
        self.save_with(directory, "Lottery tickets", &[])
    }

    /// As [`save`](Self::save), with a title and further sections for the page: headings and lines
    /// of text.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub fn save_with(
        &self,
        directory: impl AsRef<Path>,
        title: &str,
        sections: &[(String, Vec<String>)],
    ) -> Result<(), LotteryError> {
        let directory = directory.as_ref();
        if self.rows.is_empty() {
            return Err(file_error(directory, "no cell is there to report on"));
        }
        std::fs::create_dir_all(directory).map_err(|error| file_error(directory, error))?;
        let path = directory.join("results.csv");
        let csv = self.csv().map_err(|error| file_error(&path, error))?;
        files::write(&path, &csv).map_err(|error| file_error(&path, error))?;
        let path = directory.join("results.json");
        let json = serde_json::to_vec_pretty(self).map_err(|error| file_error(&path, error))?;
        files::write(&path, &json).map_err(|error| file_error(&path, error))?;
        let mut drawings = Vec::new();
        for (name, plot) in self.plots() {
            for extension in ["svg", "png"] {
                let path = directory.join(format!("{name}.{extension}"));
                plot.save(&path)?;
            }
            let path = directory.join(format!("{name}.svg"));
            let drawing = std::fs::read_to_string(&path);
            drawings.push(drawing.map_err(|error| file_error(&path, error))?);
        }
        let path = directory.join("index.html");
        let page = page::page(self, title, sections, &drawings);
        let page = page.map_err(|error| file_error(&path, error))?;
        files::write(&path, page.as_bytes()).map_err(|error| file_error(&path, error))
    }

    /// The columns `seed`, `method`, `round`, `remaining`, `test_accuracy`, `validation_loss` and
    /// `early_stop_iteration`.
    fn csv(&self) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        #[derive(Serialize)]
        struct Line<'a> {
            seed: u64,
            method: &'a str,
            round: usize,
            remaining: f64,
            test_accuracy: f64,
            validation_loss: f64,
            early_stop_iteration: usize,
        }

        let mut writer = csv::Writer::from_writer(Vec::new());
        for row in &self.rows {
            writer.serialize(Line {
                seed: row.seed,
                method: &row.method,
                round: row.round,
                remaining: row.remaining,
                test_accuracy: row.test_accuracy,
                validation_loss: row.validation_loss,
                early_stop_iteration: row.early_stop_iteration,
            })?;
        }
        Ok(writer.into_inner().map_err(|error| error.into_error())?)
    }
}
