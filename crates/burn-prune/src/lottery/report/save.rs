//! The files of a report.

use std::error::Error;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{StudyReport, StudyRow, page};
use crate::files;
use crate::lottery::error::{LotteryError, file_error};

const CSV: &str = "results.csv";
const JSON: &str = "results.json";

/// A line of `results.csv`.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    seed: u64,
    method: &'a str,
    round: usize,
    remaining: f64,
    test_accuracy: f64,
    validation_loss: f64,
    early_stop_iteration: usize,
}

impl<'a> Line<'a> {
    fn of(row: &'a StudyRow) -> Self {
        Self {
            seed: row.seed,
            method: &row.method,
            round: row.round,
            remaining: row.remaining,
            test_accuracy: row.test_accuracy,
            validation_loss: row.validation_loss,
            early_stop_iteration: row.early_stop_iteration,
        }
    }

    /// Puts the numbers into the row of the same cell.
    fn put_into(self, row: &mut StudyRow) -> Result<(), String> {
        let cell = (
            self.seed,
            self.method,
            self.round,
            self.early_stop_iteration,
        );
        let expected = (
            row.seed,
            row.method.as_str(),
            row.round,
            row.early_stop_iteration,
        );
        if cell != expected {
            return Err(format!(
                "expected the cell {expected:?} of {JSON}, found {cell:?}"
            ));
        }
        row.remaining = self.remaining;
        row.test_accuracy = self.test_accuracy;
        row.validation_loss = self.validation_loss;
        Ok(())
    }
}

impl StudyReport {
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
            return Err(file_error(
                directory,
                "there is nothing to report: no cell of the study is finished",
            ));
        }
        std::fs::create_dir_all(directory).map_err(|error| file_error(directory, error))?;
        let path = directory.join(CSV);
        let csv = self.csv().map_err(|error| file_error(&path, error))?;
        files::write(&path, &csv).map_err(|error| file_error(&path, error))?;
        let path = directory.join(JSON);
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
        let page = page::page(self, title, sections, &drawings)
            .map_err(|error| file_error(&path, error))?;
        files::write(&path, page.as_bytes()).map_err(|error| file_error(&path, error))
    }

    /// Reads the report that [`save`](Self::save) wrote into this directory, from `results.json`
    /// and `results.csv`; so that its plots and page can be made again without the study.
    ///
    /// # Errors
    /// When a file cannot be read, or the two are not of the same report.
    pub fn load(directory: impl AsRef<Path>) -> Result<Self, LotteryError> {
        let path = directory.as_ref().join(JSON);
        let json = std::fs::read(&path).map_err(|error| file_error(&path, error))?;
        let read = serde_json::from_slice::<Self>(&json);
        let mut report = read.map_err(|error| file_error(&path, error))?;
        let path = directory.as_ref().join(CSV);
        let csv = std::fs::read(&path).map_err(|error| file_error(&path, error))?;
        let exact = report.put_exact(&csv);
        exact.map_err(|error| file_error(&path, error))?;
        Ok(report)
    }

    /// Takes numbers from the CSV: reading a float from JSON may change its last bit.
    fn put_exact(&mut self, csv: &[u8]) -> Result<(), Box<dyn Error>> {
        let mut reader = csv::Reader::from_reader(csv);
        let headers = reader.headers()?.clone();
        let records: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>()?;
        if records.len() != self.rows.len() {
            let (found, expected) = (records.len(), self.rows.len());
            return Err(format!("expected the {expected} rows of {JSON}, found {found}").into());
        }
        for (record, row) in records.iter().zip(&mut self.rows) {
            record
                .deserialize::<Line<'_>>(Some(&headers))?
                .put_into(row)?;
        }
        Ok(())
    }

    fn csv(&self) -> Result<Vec<u8>, Box<dyn Error>> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for row in &self.rows {
            writer.serialize(Line::of(row))?;
        }
        Ok(writer.into_inner().map_err(|error| error.into_error())?)
    }
}
