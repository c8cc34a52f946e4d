use std::error::Error;
use std::fmt;
use std::fs;
use std::path::Path;

use burn_prune::{Line, LinePlot};
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
    fn of(values: &[f64]) -> Self {
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
    /// Methods and sparsities in the order of the rows, with what is of them.
    fn groups(&self) -> Vec<(&str, f64, Vec<&Row>)> {
        // Seeds differ in the last digits of what is asked for.
        let same = |a: f64, b: f64| (a - b).abs() < 5e-3;
        let mut groups: Vec<(&str, f64, Vec<&Row>)> = Vec::new();
        for row in &self.rows {
            let known = groups.iter_mut().find(|(method, sparsity, _)| {
                *method == row.method && same(*sparsity, row.sparsity)
            });
            match known {
                Some((_, _, rows)) => rows.push(row),
                None => groups.push((&row.method, row.sparsity, vec![row])),
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

    /// Accuracy against sparsity, mean and spread over the seeds.
    pub(crate) fn plot(&self) -> LinePlot {
        let mut lines: Vec<Line> = Vec::new();
        let pruned = self
            .groups()
            .into_iter()
            .filter(|(_, sparsity, _)| *sparsity > 0.5);
        for (method, sparsity, rows) in pruned {
            let accuracies: Vec<f64> = rows.iter().map(|row| row.accuracy).collect();
            let Summary { mean, spread } = Summary::of(&accuracies);
            let point = (sparsity, mean, spread);
            match lines.iter_mut().find(|line| line.name == method) {
                Some(line) => line.points.push(point),
                None => lines.push(Line {
                    name: method.to_string(),
                    points: vec![point],
                }),
            }
        }
        LinePlot {
            title: "Test accuracy by schedule, mean and standard deviation".to_string(),
            x: "sparsity".to_string(),
            y: "test accuracy".to_string(),
            lines,
        }
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        table.set_header(["method", "sparsity", "accuracy", "below dense"]);
        for (method, sparsity, rows) in self.groups() {
            let accuracies: Vec<f64> = rows.iter().map(|row| row.accuracy).collect();
            let below = rows.iter().map(|row| row.dense_accuracy - row.accuracy);
            table.add_row([
                method.to_string(),
                format!("{:.2} %", 100.0 * sparsity),
                Summary::of(&accuracies).to_string(),
                Summary::of(&below.collect::<Vec<_>>()).to_string(),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        write!(f, "{table}")
    }
}
