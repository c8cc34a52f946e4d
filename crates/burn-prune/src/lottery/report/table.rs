use std::fmt;

use super::{Measure, StudyReport, Summary};
use crate::table::Table;

/// A line of the table: a method and a round over the seeds.
pub(super) struct Line {
    pub cells: [String; 6],
}

impl StudyReport {
    pub(super) const HEADER: [&'static str; 6] = [
        "method",
        "round",
        "weights remaining",
        "test accuracy",
        "lowest validation loss",
        "at iteration",
    ];

    /// Mean and spread over the seeds, by method and round. A `>` is before iterations of which
    /// one or more are the last evaluation.
    pub(super) fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        for method in self.methods() {
            for round in self.rounds(method) {
                let summary = |measure| self.summary(method, round, measure);
                let remaining = Summary::of(self.rows_of(method, round).map(|row| row.remaining));
                let all = (
                    remaining,
                    summary(Measure::TestAccuracy),
                    summary(Measure::ValidationLoss),
                    summary(Measure::EarlyStopIteration),
                );
                let (Some(remaining), Some(accuracy), Some(loss), Some(early)) = all else {
                    continue;
                };
                let censored = self.rows_of(method, round).any(|row| row.censored);
                let after = if censored { "> " } else { "" };
                lines.push(Line {
                    cells: [
                        method.to_string(),
                        round.to_string(),
                        format!("{:.2} %", 100.0 * remaining.mean),
                        format!(
                            "{:.2} ± {:.2} %",
                            100.0 * accuracy.mean,
                            100.0 * accuracy.spread
                        ),
                        format!("{:.4} ± {:.4}", loss.mean, loss.spread),
                        format!("{after}{:.0} ± {:.0}", early.mean, early.spread),
                    ],
                });
            }
        }
        lines
    }
}

/// A table of means and standard deviations over the seeds, and what is missing.
impl fmt::Display for StudyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(1, Self::HEADER);
        for line in self.lines() {
            table.row(line.cells);
        }
        write!(f, "{table}")?;
        for (what, cells) in [("missing", &self.missing), ("damaged", &self.damaged)] {
            if let [first, .., last] | [first @ last] = cells.as_slice() {
                let count = cells.len();
                match count {
                    1 => write!(f, "\n{what}: {first}")?,
                    _ => write!(f, "\n{what}: {count} cells, from {first} to {last}")?,
                }
            }
        }
        Ok(())
    }
}
