//! One page with everything in it: no script, no font and no picture from elsewhere.

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment};
use serde::Serialize;

use super::StudyReport;

/// What the template shows.
#[derive(Serialize)]
struct Page<'a> {
    title: &'a str,
    sections: &'a [(String, Vec<String>)],
    drawings: &'a [String],
    header: [&'static str; 6],
    lines: Vec<[String; 6]>,
    rows: Vec<[String; 7]>,
    settings: String,
    missing: Vec<String>,
    cells: usize,
    seeds: usize,
}

pub(super) fn page(
    report: &StudyReport,
    title: &str,
    sections: &[(String, Vec<String>)],
    drawings: &[String],
) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_template("page", include_str!("page.html"))?;
    let lines: Vec<_> = report.lines().into_iter().map(|line| line.cells).collect();
    let settings = serde_json::to_string_pretty(&report.settings).unwrap_or_default();
    let missing: Vec<_> = report
        .missing
        .iter()
        .chain(&report.damaged)
        .map(ToString::to_string)
        .collect();
    let rows = report
        .rows
        .iter()
        .map(|row| {
            [
                row.seed.to_string(),
                row.method.clone(),
                row.round.to_string(),
                format!("{:.2} %", 100.0 * row.remaining),
                format!("{:.2} %", 100.0 * row.test_accuracy),
                format!("{:.4}", row.validation_loss),
                format!(
                    "{}{}",
                    if row.censored { "> " } else { "" },
                    row.early_stop_iteration
                ),
            ]
        })
        .collect();
    let mut seeds: Vec<u64> = report.rows.iter().map(|row| row.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    environment.get_template("page")?.render(Serde(Page {
        title,
        sections,
        drawings,
        header: StudyReport::HEADER,
        lines,
        rows,
        settings,
        missing,
        cells: report.rows.len(),
        seeds: seeds.len(),
    }))
}
