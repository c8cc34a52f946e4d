use std::error::Error;
use std::fmt;
use std::fs;
use std::path::Path;

use burn_prune::plot::{Line, LinePlot, Point, Reference, ValueFormat, XAxis};
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;

/// A row of `results.csv`. Fractions are in `[0, 1]`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub method: String,
    /// Of the prunable weights, in the end.
    pub sparsity: f64,
    pub seed: u64,
    /// Of the dense network that was trained for as long.
    pub dense_accuracy: f64,
    pub accuracy: f64,
    /// The sparsity that was asked for, which is what groups the seeds.
    #[serde(skip)]
    pub target: f64,
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
            let same = |known: &Row| known.method == row.method && known.target == row.target;
            match groups.iter_mut().find(|rows| same(rows[0])) {
                Some(rows) => rows.push(row),
                None => groups.push(vec![row]),
            }
        }
        groups
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

    /// Accuracy against sparsity, mean and spread over the seeds, and that of the dense networks.
    pub(crate) fn plot(&self) -> LinePlot {
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
        for rows in groups.filter(|rows| rows[0].target > 0.0 && rows[0].method != "no-masks") {
            let method = &rows[0].method;
            let Summary { mean, spread } = Summary::of(&rows, |row| row.accuracy);
            let point = Point::new(rows[0].target, mean).spread(spread);
            match plot.lines.iter_mut().find(|line| line.name == *method) {
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
