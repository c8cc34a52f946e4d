//! What the paper claims of LeNet-300-100, against what a study has found.

use burn_prune::lottery::{Measure, StudyReport, Summary};

const TICKET: &str = "ticket";
const REINITIALIZED: &str = "ticket-reinitialized";

/// The claims one by one; a line says what was measured and whether it holds. Claims whose rounds
/// are not there are left out.
pub(crate) fn claims(report: &StudyReport) -> Vec<String> {
    let found = [
        earlier(
            report,
            "dense",
            0,
            "the dense network",
            "1.6 times, 38 % earlier",
        ),
        earlier(
            report,
            REINITIALIZED,
            7,
            "the re-initialised one",
            "2.51 times",
        ),
        better(report, 7, REINITIALIZED, 7, "the re-initialised one", 0.5),
        better(report, 9, "dense", 0, "the dense network", 0.3),
        worse_from(
            report,
            REINITIALIZED,
            "re-initialised networks",
            "about 21 %",
        ),
        worse_from(report, TICKET, "tickets", "about 3 %"),
    ];
    found.into_iter().flatten().collect()
}

/// Does the ticket of round 7 reach its lowest validation loss earlier?
fn earlier(
    report: &StudyReport,
    other: &str,
    round: usize,
    name: &str,
    paper: &str,
) -> Option<String> {
    let [ticket, other_stop] = [(TICKET, 7), (other, round)]
        .map(|(method, round)| report.summary(method, round, Measure::EarlyStopIteration));
    let (ticket, other_stop) = (ticket?, other_stop?);
    let censored = |method: &str, round| report.rows_of(method, round).any(|row| row.censored);
    let censored = match censored(TICKET, 7) || censored(other, round) {
        true => "; censored: a minimum is the last evaluation",
        false => "",
    };
    let verdict = match report.rows_of(TICKET, 7).any(|row| row.censored) {
        true => "not decided",
        false => verdict(other_stop, ticket),
    };
    Some(format!(
        "At {} of the weights the ticket reaches its lowest validation loss earlier than {name}: \
         {verdict}. Iteration {} against {}, {:.2} times (paper: {paper}){censored}.",
        remaining(report, TICKET, 7)?,
        text(ticket, 1.0, 0),
        text(other_stop, 1.0, 0),
        other_stop.mean / ticket.mean,
    ))
}

/// Is the test accuracy of the ticket higher?
fn better(
    report: &StudyReport,
    of: usize,
    other: &str,
    round: usize,
    name: &str,
    paper: f64,
) -> Option<String> {
    let ticket = report.summary(TICKET, of, Measure::TestAccuracy)?;
    let other = report.summary(other, round, Measure::TestAccuracy)?;
    Some(format!(
        "At {} of the weights the ticket's test accuracy is above that of {name}: {}. {} % against \
         {} %, {:+.2} points (paper: {paper:+.1}).",
        remaining(report, TICKET, of)?,
        verdict(ticket, other),
        text(ticket, 100.0, 2),
        text(other, 100.0, 2),
        100.0 * (ticket.mean - other.mean),
    ))
}

/// From which round on the accuracy is below that of the dense network.
fn worse_from(report: &StudyReport, method: &str, name: &str, paper: &str) -> Option<String> {
    let dense = report.summary("dense", 0, Measure::TestAccuracy)?;
    let rounds = report.rounds(method);
    if rounds.is_empty() {
        return None;
    }
    let below = |round: &&usize| {
        let accuracy = report.summary(method, **round, Measure::TestAccuracy);
        accuracy.is_some_and(|accuracy| !accuracy.overlaps(&dense) && accuracy.mean < dense.mean)
    };
    // To the end: a single round may be below by chance.
    let last = rounds.iter().rev().take_while(below).last();
    let steps = rounds.iter().map(|round| {
        let accuracy = report.summary(method, *round, Measure::TestAccuracy)?;
        let points = 100.0 * (accuracy.mean - dense.mean);
        Some(format!(
            "{points:+.2} at {}",
            remaining(report, method, *round)?
        ))
    });
    let steps: Vec<String> = steps.collect::<Option<_>>()?;
    let found = match last {
        Some(round) => format!("from {} down", remaining(report, method, *round)?),
        None => "in no round".to_string(),
    };
    Some(format!(
        "Test accuracy of {name} is separably below the dense network's {} % {found} (paper: from \
         {paper} down). Points: {}.",
        text(dense, 100.0, 2),
        steps.join(", "),
    ))
}

fn verdict(higher: Summary, lower: Summary) -> &'static str {
    match (higher.overlaps(&lower), higher.mean > lower.mean) {
        _ if higher.count < 2 || lower.count < 2 => "not separable with a single seed",
        (true, _) => "not separable",
        (false, true) => "holds",
        (false, false) => "fails",
    }
}

fn remaining(report: &StudyReport, method: &str, round: usize) -> Option<String> {
    let row = report.rows_of(method, round).next()?;
    Some(format!("{:.1} %", 100.0 * row.remaining))
}

fn text(summary: Summary, scale: f64, decimals: usize) -> String {
    let (mean, spread) = (scale * summary.mean, scale * summary.spread);
    format!("{mean:.decimals$} ± {spread:.decimals$}")
}
