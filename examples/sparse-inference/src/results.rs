use std::error::Error;
use std::fmt;
use std::fs;
use std::path::Path;

use burn_prune::plot::{Line, LinePlot, Point, ValueFormat, XAxis};
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;

use crate::latency::Latency;

/// A row of `results.json`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub model: String,
    /// The fraction of zeros in the weights of Linear and Conv2d, in `[0, 1]`.
    pub sparsity: f64,
    pub batch: usize,
    /// Burn, on flex. Milliseconds, the median.
    pub dense_ms_p50: f64,
    pub engine_ms_p50: f64,
    /// Null without `--python`.
    pub onnxruntime_ms_p50: Option<f64>,
    /// How many times faster than Burn the engine is.
    pub speedup: f64,
    /// Between the outputs of engine and Burn, as a fraction of the largest output.
    pub max_relative_error: f64,
    /// Packed weights in memory.
    pub engine_bytes: usize,
    pub dense_bytes: usize,
}

/// A row of `results.csv`: one runtime.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Timed {
    pub model: String,
    pub sparsity: f64,
    pub batch: usize,
    pub runtime: &'static str,
    pub ms_p50: f64,
    pub ms_p95: f64,
    /// Of the weights in memory; not known of others.
    pub bytes: Option<usize>,
    /// On the test images, in `[0, 1]`; not measured in others.
    pub accuracy: Option<f64>,
}

impl Timed {
    /// This row for another runtime.
    pub(crate) fn of(row: &Row, runtime: &'static str, latency: Latency) -> Self {
        Self {
            model: row.model.clone(),
            sparsity: row.sparsity,
            batch: row.batch,
            runtime,
            ms_p50: latency.p50,
            ms_p95: latency.p95,
            bytes: None,
            accuracy: None,
        }
    }
}

pub(crate) const ENGINE: &str = "engine";

#[derive(Default)]
pub(crate) struct Results {
    pub rows: Vec<Row>,
    pub timed: Vec<Timed>,
}

impl Results {
    /// Writes `results.json`, `results.csv` and a plot for each model; the files whole or not at all.
    pub(crate) fn save(&self, out: &Path) -> Result<(), Box<dyn Error>> {
        let json = serde_json::to_string_pretty(&self.rows)? + "\n";
        let mut csv = csv::Writer::from_writer(Vec::new());
        for row in &self.timed {
            csv.serialize(row)?;
        }
        for (name, bytes) in [
            ("results.json", json.into_bytes()),
            ("results.csv", csv.into_inner()?),
        ] {
            let part = out.join(format!("{name}.part"));
            fs::write(&part, bytes)?;
            fs::rename(part, out.join(name))?;
        }
        let mut models: Vec<&str> = self.rows.iter().map(|row| row.model.as_str()).collect();
        models.dedup();
        for model in models {
            let plot = self.plot(model);
            plot.save(out.join(format!("{model}.svg")))?;
            plot.save(out.join(format!("{model}.png")))?;
        }
        Ok(())
    }

    /// Latency of one image against sparsity, a line for each runtime.
    fn plot(&self, model: &str) -> LinePlot {
        let rows = self.timed.iter();
        let rows = rows.filter(|row| row.model == model && row.batch == 1);
        let mut runtimes: Vec<(&str, Vec<Point>)> = Vec::new();
        for row in rows {
            let point = Point::new(row.sparsity, row.ms_p50);
            let known = runtimes.iter_mut().find(|(name, _)| *name == row.runtime);
            match known {
                Some((_, points)) => points.push(point),
                None => runtimes.push((row.runtime, vec![point])),
            }
        }
        let plot = LinePlot::new(format!("{model}: one image"))
            .x("sparsity", XAxis::Linear, ValueFormat::Percent)
            .y("milliseconds, median", ValueFormat::Plain);
        let lines = runtimes.into_iter();
        lines.fold(plot, |plot, (name, points)| {
            plot.line(Line::new(name, points))
        })
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        table.set_header([
            "model", "zeros", "batch", "runtime", "ms, p50", "ms, p95", "bytes", "accuracy",
        ]);
        for row in &self.timed {
            let bytes = row.bytes.map_or(String::new(), |bytes| bytes.to_string());
            let accuracy = row.accuracy;
            table.add_row([
                row.model.clone(),
                format!("{:.0} %", 100.0 * row.sparsity),
                row.batch.to_string(),
                row.runtime.to_string(),
                format!("{:.3}", row.ms_p50),
                format!("{:.3}", row.ms_p95),
                bytes,
                accuracy.map_or(String::new(), |found| format!("{:.2} %", 100.0 * found)),
            ]);
        }
        for column in [1, 2, 4, 5, 6, 7] {
            let column = table.column_mut(column).expect("the header has as many");
            column.set_cell_alignment(CellAlignment::Right);
        }
        write!(f, "{table}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row {
            model: "mlp".to_string(),
            sparsity: 0.9,
            batch: 1,
            dense_ms_p50: 3.0,
            engine_ms_p50: 1.5,
            onnxruntime_ms_p50: None,
            speedup: 2.0,
            max_relative_error: 1e-6,
            engine_bytes: 10,
            dense_bytes: 40,
        }
    }

    #[test]
    fn the_fields_are_the_documented_ones() {
        let json = serde_json::to_string(&row()).unwrap();
        assert_eq!(
            json,
            r#"{"model":"mlp","sparsity":0.9,"batch":1,"dense_ms_p50":3.0,"engine_ms_p50":1.5,"onnxruntime_ms_p50":null,"speedup":2.0,"max_relative_error":1e-6,"engine_bytes":10,"dense_bytes":40}"#
        );
    }

    #[test]
    fn each_runtime_is_a_line_over_the_sparsities() {
        let mut results = Results::default();
        for (sparsity, ours, theirs) in [(0.0, 4.0, 5.5), (0.9, 1.0, 5.0)] {
            let row = Row { sparsity, ..row() };
            let latency = |p50| Latency { p50, p95: 9.0 };
            results.timed.push(Timed::of(&row, "flex", latency(theirs)));
            results.timed.push(Timed::of(&row, ENGINE, latency(ours)));
            let batch = Row { batch: 32, ..row };
            results
                .timed
                .push(Timed::of(&batch, ENGINE, latency(100.0)));
        }
        let plot = results.plot("mlp");
        let drawn: Vec<(&str, Vec<f64>)> = plot
            .lines
            .iter()
            .map(|line| {
                let points = line.points.iter();
                (line.name.as_str(), points.map(|point| point.y).collect())
            })
            .collect();
        assert_eq!(drawn, [("flex", vec![5.5, 5.0]), (ENGINE, vec![4.0, 1.0])]);
    }
}
