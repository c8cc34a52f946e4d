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
    let verdict = match (censored(TICKET, 7), censored(other, round)) {
        (true, _) => "not decided",
        // It would have stopped later still: enough to be later, but not to be earlier.
        (false, true) => match verdict(other_stop, ticket) {
            "fails" => "not decided",
            verdict => verdict,
        },
        (false, false) => verdict(other_stop, ticket),
    };
    let censored = if censored(TICKET, 7) || censored(other, round) {
        "; censored: a minimum is the last evaluation"
    } else {
        ""
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

#[cfg(test)]
mod tests {
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;
    use burn_prune::lottery::{
        CellId, CellTraining, Control, LearningCurve, LotteryTicketSearch, Method, Rewind, Trained,
    };
    use burn_prune::{Magnitude, Pruner};

    use super::*;

    const STEPS: usize = 100;

    /// A study of 100 weights, of which 21 and 14 are left after rounds 7 and 9, with these means
    /// of early stopping and accuracy. Seeds differ from them by -1, 0 and 1, steps and points.
    fn study(seeds: u64, found: impl Fn(&CellId) -> (usize, f64)) -> StudyReport {
        let folder = tempfile::tempdir().unwrap();
        let train = |cell: &CellTraining<'_>, model: Linear| {
            let (stop, accuracy) = found(cell.id());
            let mut curve = LearningCurve::new();
            for step in cell.schedule() {
                let lowest = stop as u64 + cell.seed() == step as u64 + 2;
                curve.push(step + 1, if lowest { 0.1 } else { 0.2 });
            }
            Ok(Trained {
                model,
                curve,
                test_accuracy: accuracy + 0.01 * (cell.seed() as f64 - 1.0),
            })
        };
        let ticket = Method::new(TICKET, Rewind::to_initialization());
        let search = LotteryTicketSearch::new(folder.path())
            .steps(STEPS)
            .rounds(9)
            .seeds(0..seeds)
            .pruner(Pruner::new(Magnitude::l1()).amount(0.2))
            .method(ticket.control(Control::Reinitialized, [7, 9]));
        let linear = |_| LinearConfig::new(10, 10).init(&Device::flex());
        search.run(linear, train).unwrap()
    }

    fn kind(cell: &CellId) -> (&str, usize) {
        (cell.method.as_str(), cell.round)
    }

    #[test]
    fn claims_that_hold() {
        let report = study(3, |cell| match kind(cell) {
            ("dense", _) => (50, 0.9),
            (REINITIALIZED, _) => (80, 0.8),
            (_, 9) => (20, 0.95),
            _ => (20, 0.9),
        });
        assert_eq!(
            claims(&report),
            [
                "At 21.0 % of the weights the ticket reaches its lowest validation loss earlier \
                 than the dense network: holds. Iteration 20 ± 1 against 50 ± 1, 2.50 times \
                 (paper: 1.6 times, 38 % earlier).",
                "At 21.0 % of the weights the ticket reaches its lowest validation loss earlier \
                 than the re-initialised one: holds. Iteration 20 ± 1 against 80 ± 1, 4.00 times \
                 (paper: 2.51 times).",
                "At 21.0 % of the weights the ticket's test accuracy is above that of the \
                 re-initialised one: holds. 90.00 ± 1.00 % against 80.00 ± 1.00 %, +10.00 points \
                 (paper: +0.5).",
                "At 14.0 % of the weights the ticket's test accuracy is above that of the dense \
                 network: holds. 95.00 ± 1.00 % against 90.00 ± 1.00 %, +5.00 points (paper: \
                 +0.3).",
                "Test accuracy of re-initialised networks is separably below the dense network's \
                 90.00 ± 1.00 % from 21.0 % down (paper: from about 21 % down). Points: -10.00 at \
                 21.0 %, -10.00 at 14.0 %.",
                "Test accuracy of tickets is separably below the dense network's 90.00 ± 1.00 % \
                 in no round (paper: from about 3 % down). Points: +0.00 at 80.0 %, +0.00 at \
                 64.0 %, +0.00 at 51.0 %, +0.00 at 41.0 %, +0.00 at 33.0 %, +0.00 at 26.0 %, \
                 +0.00 at 21.0 %, +0.00 at 17.0 %, +5.00 at 14.0 %.",
            ]
        );
    }

    #[test]
    fn claims_that_fail_or_cannot_be_separated() {
        let report = study(3, |cell| match kind(cell) {
            ("dense", _) => (50, 0.9),
            (REINITIALIZED, 7) => (61, 0.91),
            (REINITIALIZED, _) => (60, 0.8),
            // A round below by chance does not count.
            (_, 3 | 8 | 9) => (60, 0.85),
            _ => (60, 0.9),
        });
        let found = claims(&report);
        let starts = [
            "At 21.0 % of the weights the ticket reaches its lowest validation loss earlier than \
             the dense network: fails. Iteration 60 ± 1 against 50 ± 1, 0.83 times",
            "At 21.0 % of the weights the ticket reaches its lowest validation loss earlier than \
             the re-initialised one: not separable. Iteration 60 ± 1 against 61 ± 1, 1.02 times",
            "At 21.0 % of the weights the ticket's test accuracy is above that of the \
             re-initialised one: not separable. 90.00 ± 1.00 % against 91.00 ± 1.00 %, -1.00",
            "At 14.0 % of the weights the ticket's test accuracy is above that of the dense \
             network: fails. 85.00 ± 1.00 % against 90.00 ± 1.00 %, -5.00 points",
            "Test accuracy of re-initialised networks is separably below the dense network's \
             90.00 ± 1.00 % from 14.0 % down (paper: from about 21 % down). Points: +1.00 at \
             21.0 %, -10.00 at 14.0 %.",
            "Test accuracy of tickets is separably below the dense network's 90.00 ± 1.00 % from \
             17.0 % down",
        ];
        assert_eq!(found.len(), starts.len());
        for (found, start) in found.iter().zip(starts) {
            assert!(found.starts_with(start), "{found}");
        }
    }

    #[test]
    fn a_minimum_at_the_last_evaluation_decides_only_what_it_can() {
        let lines = |dense, ticket, reinitialized| {
            let report = study(3, |cell| match kind(cell) {
                ("dense", _) => (dense, 0.9),
                (REINITIALIZED, _) => (reinitialized, 0.9),
                _ => (ticket, 0.9),
            });
            let [first, second] = claims(&report)[..2].to_vec().try_into().unwrap();
            [first, second]
        };
        let censored = "; censored: a minimum is the last evaluation.";
        // The last seed stops at the last step.
        let [of_dense, of_reinitialized] = lines(STEPS - 1, 20, 50);
        assert!(
            of_dense.contains("network: holds. Iteration 20 ± 1 against 99 ± 1, 4.95 times")
                && of_dense.ends_with(censored),
            "{of_dense}"
        );
        assert!(
            of_reinitialized.ends_with("2.50 times (paper: 2.51 times)."),
            "{of_reinitialized}"
        );
        for line in lines(50, STEPS - 1, STEPS - 1) {
            let undecided = line.contains(": not decided. Iteration 99 ± 1 against ");
            assert!(undecided && line.ends_with(censored), "{line}");
        }
    }

    #[test]
    fn what_is_censored_in_a_seed_may_be_the_later_one_after_all() {
        let report = study(3, |cell| match (kind(cell), cell.seed) {
            (("dense", _), 2) => (STEPS - 1, 0.9),
            (("dense", _), _) => (10, 0.9),
            _ => (STEPS - 2, 0.9),
        });
        let found = &claims(&report)[0];
        let undecided = found.contains(": not decided. Iteration 98 ± 1 against 40 ± 52, 0.40");
        assert!(undecided, "{found}");
    }

    #[test]
    fn a_single_seed_separates_nothing() {
        let found = claims(&study(1, |cell| match kind(cell) {
            ("dense", _) => (50, 0.9),
            _ => (20, 0.5),
        }));
        for claim in &found[..4] {
            assert!(
                claim.contains(": not separable with a single seed. "),
                "{claim}"
            );
        }
        for claim in &found[4..] {
            assert!(claim.contains("in no round"), "{claim}");
        }
    }

    #[test]
    fn claims_about_what_is_not_there_are_left_out() {
        let mut report = study(2, |_| (50, 0.9));
        report.rows.retain(|row| row.round < 7);
        let found = claims(&report);
        assert!(found.len() == 1 && found[0].starts_with("Test accuracy of tickets"));
        report.rows.clear();
        assert!(claims(&report).is_empty());
    }
}
