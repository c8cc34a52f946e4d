//! Channels that go gradually against channels that go at once.

use std::error::Error;
use std::fmt;
use std::fs;
use std::path::Path;

use burn_prune::plot::{Line, LinePlot, Point, Reference, ValueFormat, XAxis};
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde::{Deserialize, Serialize};

pub(crate) const DENSE: &str = "dense";

/// A row of `comparison.csv`. Fractions are in `[0, 1]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Compared {
    /// `dense`, `one-shot` or `gradual`.
    pub method: String,
    /// Of the channels of each group that are gone.
    pub fraction: f64,
    pub seed: u64,
    /// For one image.
    pub multiply_adds: u64,
    /// On the test images, right after the cut.
    pub accuracy_before: f64,
    /// On the test images, after all epochs.
    pub accuracy: f64,
}

#[derive(Default)]
pub(crate) struct Comparison {
    pub rows: Vec<Compared>,
}

/// Mean and sample standard deviation.
struct Summary {
    mean: f64,
    spread: f64,
}

impl Summary {
    fn of(rows: &[&Compared], value: impl Fn(&Compared) -> f64) -> Self {
        let values: Vec<f64> = rows.iter().map(|row| value(row)).collect();
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let spread = match values.len() {
            0 | 1 => 0.0,
            _ => (squares / (count - 1.0)).sqrt(),
        };
        Self { mean, spread }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} ± {:.2} %", 100.0 * self.mean, 100.0 * self.spread)
    }
}

impl Comparison {
    /// The rows of each method and fraction, in the order of the first seed.
    fn groups(&self) -> Vec<Vec<&Compared>> {
        let mut groups: Vec<Vec<&Compared>> = Vec::new();
        for row in &self.rows {
            let same =
                |known: &Compared| known.method == row.method && known.fraction == row.fraction;
            match groups.iter_mut().find(|rows| same(rows[0])) {
                Some(rows) => rows.push(row),
                None => groups.push(vec![row]),
            }
        }
        groups
    }

    /// Writes `comparison.csv`, `comparison.svg` and `comparison.png`.
    pub(crate) fn save(&self, out: &Path) -> Result<(), Box<dyn Error>> {
        let part = out.join("comparison.csv.part");
        let mut writer = csv::Writer::from_path(&part)?;
        for row in &self.rows {
            writer.serialize(row)?;
        }
        writer.flush()?;
        fs::rename(part, out.join("comparison.csv"))?;
        self.save_plots(out)
    }

    /// Draws what `comparison.csv` has anew.
    pub(crate) fn redraw(out: &Path) -> Result<Self, Box<dyn Error>> {
        let path = out.join("comparison.csv");
        let failed = |error: csv::Error| format!("cannot read `{}`: {error}", path.display());
        let mut reader = csv::Reader::from_path(&path).map_err(failed)?;
        let rows: Result<Vec<Compared>, csv::Error> = reader.deserialize().collect();
        let comparison = Self {
            rows: rows.map_err(failed)?,
        };
        comparison.save_plots(out)?;
        Ok(comparison)
    }

    fn save_plots(&self, out: &Path) -> Result<(), Box<dyn Error>> {
        let plot = self.plot();
        plot.save(out.join("comparison.svg"))?;
        plot.save(out.join("comparison.png"))?;
        Ok(())
    }

    /// Accuracy against the multiply-adds that are left, mean and spread over the seeds.
    fn plot(&self) -> LinePlot {
        let mut plot = LinePlot::new("Test accuracy after the same number of epochs")
            .x(
                "multiply-adds, of those of the dense network",
                XAxis::Linear,
                ValueFormat::Percent,
            )
            .y("test accuracy", ValueFormat::Percent);
        let dense = self.rows.iter().find(|row| row.method == DENSE);
        let whole = dense.map_or(1.0, |dense| dense.multiply_adds as f64);
        for rows in self.groups() {
            let Summary { mean, spread } = Summary::of(&rows, |row| row.accuracy);
            let method = &rows[0].method;
            if method == DENSE {
                plot = plot.reference(Reference::new(DENSE, mean).spread(spread));
                continue;
            }
            let left = rows[0].multiply_adds as f64 / whole;
            let point = Point::new(left, mean).spread(spread);
            match plot.lines.iter_mut().find(|line| line.name == *method) {
                Some(line) => line.points.insert(0, point),
                None => plot.lines.push(Line::new(method, [point])),
            }
        }
        plot
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        table.set_header([
            "method",
            "channels gone",
            "multiply-adds",
            "right after the cut",
            "accuracy",
        ]);
        for rows in self.groups() {
            table.add_row([
                rows[0].method.clone(),
                format!("{:.0} %", 100.0 * rows[0].fraction),
                crate::results::thousands(rows[0].multiply_adds),
                Summary::of(&rows, |row| row.accuracy_before).to_string(),
                Summary::of(&rows, |row| row.accuracy).to_string(),
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

    fn row(method: &str, fraction: f64, seed: u64, accuracy: f64) -> Compared {
        Compared {
            method: method.to_string(),
            fraction,
            seed,
            multiply_adds: (1000.0 * (1.0 - fraction)) as u64,
            accuracy_before: 0.1,
            accuracy,
        }
    }

    #[test]
    fn lines_go_from_few_multiply_adds_to_many() {
        let rows = vec![
            row(DENSE, 0.0, 0, 0.9),
            row("gradual", 0.25, 0, 0.875),
            row("gradual", 0.5, 0, 0.75),
            row("gradual", 0.5, 1, 0.5),
        ];
        let plot = Comparison { rows }.plot();
        let points = &plot.lines[0].points;
        let places: Vec<(f64, f64)> = points.iter().map(|point| (point.x, point.y)).collect();
        assert_eq!(places, [(0.5, 0.625), (0.75, 0.875)]);
        assert_eq!(plot.references.len(), 1);
    }
}
