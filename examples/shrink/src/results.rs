use std::error::Error;
use std::fmt;
use std::fs;
use std::path::Path;

use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;

/// A row of `results.csv`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// Of the channels of each group that are gone, in `[0, 1]`.
    pub fraction: f64,
    pub parameters: u64,
    /// For one image.
    pub multiply_adds: u64,
    /// Of the file of weights.
    pub bytes: u64,
    pub latency_ms_batch1: f64,
    pub latency_ms_batch32: f64,
    /// On the test images, in `[0, 1]`.
    pub accuracy: f64,
}

/// The shrunk models, and the same ones with weights of 8 bits.
#[derive(Default)]
pub(crate) struct Results {
    pub floats: Vec<Row>,
    pub quantized: Vec<Row>,
}

impl Results {
    /// Writes `results.csv`, and `quantized.csv` with the same columns; each whole or not at all.
    pub(crate) fn save(&self, out: &Path) -> Result<(), Box<dyn Error>> {
        for (name, rows) in [
            ("results.csv", &self.floats),
            ("quantized.csv", &self.quantized),
        ] {
            let part = out.join(format!("{name}.part"));
            let mut writer = csv::Writer::from_path(&part)?;
            for row in rows {
                writer.serialize(row)?;
            }
            writer.flush()?;
            fs::rename(part, out.join(name))?;
        }
        Ok(())
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        table.set_header([
            "channels gone",
            "weights",
            "parameters",
            "multiply-adds",
            "bytes",
            "ms, batch 1",
            "ms, batch 32",
            "accuracy",
        ]);
        let parts = [("32 bits", &self.floats), ("8 bits", &self.quantized)];
        // The first row is what all are compared with.
        let dense = self.floats.first();
        for (weights, rows) in parts {
            for row in rows {
                let dense = dense.unwrap_or(row);
                let times = |dense: f64, now: f64| format!(" ({:.2}x)", dense / now);
                let count = |dense: u64, now: u64| {
                    format!("{}{}", thousands(now), times(dense as f64, now as f64))
                };
                let latency = |dense: f64, now: f64| format!("{now:.2}{}", times(dense, now));
                table.add_row([
                    format!("{:.0} %", 100.0 * row.fraction),
                    weights.to_string(),
                    count(dense.parameters, row.parameters),
                    count(dense.multiply_adds, row.multiply_adds),
                    count(dense.bytes, row.bytes),
                    latency(dense.latency_ms_batch1, row.latency_ms_batch1),
                    latency(dense.latency_ms_batch32, row.latency_ms_batch32),
                    format!("{:.2} %", 100.0 * row.accuracy),
                ]);
            }
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        write!(f, "{table}")
    }
}

pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_the_documented_one() {
        let row = Row {
            fraction: 0.5,
            parameters: 1,
            multiply_adds: 2,
            bytes: 3,
            latency_ms_batch1: 0.25,
            latency_ms_batch32: 4.0,
            accuracy: 0.75,
        };
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.serialize(row).unwrap();
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        assert_eq!(
            text,
            "fraction,parameters,multiply_adds,bytes,latency_ms_batch1,latency_ms_batch32,accuracy\n\
             0.5,1,2,3,0.25,4.0,0.75\n"
        );
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_234_567), "1,234,567");
    }
}
