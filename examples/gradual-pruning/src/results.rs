use std::error::Error;
use std::fmt;
use std::fs;
use std::path::Path;

use burn_prune::plot::{Line, LinePlot, PlotError, Point, Reference, ValueFormat, XAxis};
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde::{Deserialize, Serialize};

/// The control whose zeros have no masks.
pub(crate) const NO_MASKS: &str = "no-masks";

/// A row of `results.csv`. Fractions are in `[0, 1]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    pub method: String,
    /// Of the prunable weights, in the end.
    pub sparsity: f64,
    pub seed: u64,
    /// Of the dense network that was trained for as long.
    pub dense_accuracy: f64,
    pub accuracy: f64,
}

impl Row {
    /// What rows of several seeds have in common: the method, and the sparsity that was asked for,
    /// to a hundredth of a per cent. Without masks the zeros come back, to another sparsity for each
    /// seed.
    fn group(&self) -> (&str, f64) {
        match self.method.as_str() {
            NO_MASKS => (NO_MASKS, 0.0),
            method => (method, (1e4 * self.sparsity).round() / 1e4),
        }
    }
}

#[derive(Default)]
pub(crate) struct Results {
    pub rows: Vec<Row>,
}

/// Mean and sample standard deviation.
#[derive(Clone, Copy)]
struct Summary {
    mean: f64,
    spread: f64,
}

impl Summary {
    fn of(rows: &[&Row], value: impl Fn(&Row) -> f64) -> Self {
        let values: Vec<f64> = rows.iter().map(|row| value(row)).collect();
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares = values.iter().map(|value| (value - mean).powi(2));
        let spread = match values.len() {
            0 | 1 => 0.0,
            _ => (squares.sum::<f64>() / (count - 1.0)).sqrt(),
        };
        Self { mean, spread }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} ± {:.2} %", 100.0 * self.mean, 100.0 * self.spread)
    }
}

impl Results {
    /// The rows of each method and target, in the order of the first seed.
    fn groups(&self) -> Vec<Vec<&Row>> {
        let mut groups: Vec<Vec<&Row>> = Vec::new();
        for row in &self.rows {
            match groups
                .iter_mut()
                .find(|rows| rows[0].group() == row.group())
            {
                Some(rows) => rows.push(row),
                None => groups.push(vec![row]),
            }
        }
        groups
    }

    /// Reads `results.csv`.
    pub(crate) fn load_csv(out: &Path) -> Result<Self, Box<dyn Error>> {
        let path = out.join("results.csv");
        let failed = |error: csv::Error| format!("cannot read `{}`: {error}", path.display());
        let mut reader = csv::Reader::from_path(&path).map_err(failed)?;
        let rows: Result<Vec<Row>, csv::Error> = reader.deserialize().collect();
        Ok(Self {
            rows: rows.map_err(failed)?,
        })
    }

    /// Writes `results.csv`, whole or not at all.
    pub(crate) fn save_csv(&self, out: &Path) -> Result<(), Box<dyn Error>> {
        let part = out.join("results.csv.part");
        let mut writer = csv::Writer::from_path(&part)?;
        for row in &self.rows {
            writer.serialize(row)?;
        }
        writer.flush()?;
        fs::rename(part, out.join("results.csv"))?;
        Ok(())
    }

    /// Draws [`plot`](Self::plot) into `results.svg` and `results.png`.
    pub(crate) fn save_plots(&self, out: &Path) -> Result<(), PlotError> {
        let plot = self.plot();
        plot.save(out.join("results.svg"))?;
        plot.save(out.join("results.png"))
    }

    /// Accuracy against sparsity, mean and spread over the seeds, and that of the dense networks.
    fn plot(&self) -> LinePlot {
        let mut plot = LinePlot::new("Test accuracy by schedule, mean and standard deviation")
            .x("sparsity", XAxis::Linear, ValueFormat::Percent)
            .y("test accuracy", ValueFormat::Percent);
        // Each seed has one dense network, which several rows name.
        let mut dense: Vec<&Row> = Vec::new();
        for row in &self.rows {
            if dense.iter().all(|known| known.seed != row.seed) {
                dense.push(row);
            }
        }
        if !dense.is_empty() {
            let Summary { mean, spread } = Summary::of(&dense, |row| row.dense_accuracy);
            plot = plot.reference(Reference::new("dense", mean).spread(spread));
        }
        let groups = self.groups().into_iter();
        for rows in groups {
            let (method, sparsity) = rows[0].group();
            if sparsity == 0.0 {
                continue;
            }
            let Summary { mean, spread } = Summary::of(&rows, |row| row.accuracy);
            let point = Point::new(sparsity, mean).spread(spread);
            match plot.lines.iter_mut().find(|line| line.name == method) {
                Some(line) => line.points.push(point),
                None => plot.lines.push(Line::new(method, [point])),
            }
        }
        plot
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        table.set_header(["method", "sparsity", "accuracy", "below dense"]);
        for rows in self.groups() {
            table.add_row([
                rows[0].method.clone(),
                Summary::of(&rows, |row| row.sparsity).to_string(),
                Summary::of(&rows, |row| row.accuracy).to_string(),
                Summary::of(&rows, |row| row.dense_accuracy - row.accuracy).to_string(),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        write!(f, "{table}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(method: &str, sparsity: f64, seed: u64, accuracy: f64) -> Row {
        Row {
            method: method.to_string(),
            sparsity,
            seed,
            dense_accuracy: 0.9,
            accuracy,
        }
    }

    #[test]
    fn what_is_read_back_is_what_was_written() {
        let results = Results {
            rows: vec![
                row("dense", 0.0, 0, 0.9),
                row("cubic", 0.9000037, 0, 0.88),
                row("cubic", 0.9000037, 1, 0.87),
                row("cubic", 0.9800011, 0, 0.8),
                row(NO_MASKS, 0.2, 0, 0.86),
                row(NO_MASKS, 0.1, 1, 0.85),
            ],
        };
        let folder = std::env::temp_dir().join(format!("gradual-pruning-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        results.save_csv(&folder).unwrap();
        let written = fs::read(folder.join("results.csv")).unwrap();
        let read = Results::load_csv(&folder).unwrap();
        read.save_csv(&folder).unwrap();
        assert_eq!(fs::read(folder.join("results.csv")).unwrap(), written);
        fs::remove_dir_all(&folder).unwrap();

        let groups: Vec<(&str, f64, usize)> = read
            .groups()
            .iter()
            .map(|rows| (rows[0].group().0, rows[0].group().1, rows.len()))
            .collect();
        let expected = [
            ("dense", 0.0, 1),
            ("cubic", 0.9, 2),
            ("cubic", 0.98, 1),
            (NO_MASKS, 0.0, 2),
        ];
        assert_eq!(groups, expected);
        let plot = read.plot();
        assert_eq!(plot.lines.len(), 1);
        assert_eq!(plot.lines[0].points.len(), 2);
    }
}
