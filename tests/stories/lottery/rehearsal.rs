//! What is tried before the first training, so that nothing is trained that cannot be finished.

use std::collections::HashMap;
use std::path::Path;

use burn::module::{Param, ParamGroup};
use burn::nn::Linear;
use burn_prune::lottery::{
    CellTraining, Control, LearningCurve, LotteryError, LotteryTicketSearch, Method, Moment,
    Rewind, StudyReport, Trained,
};
use burn_prune::{
    Allocation, Axis, Criterion, Magnitude, NM, Pattern, Prunable, PruneError, Pruner, Scores,
    Units, Weight,
};

use super::tiny::{STEPS, Trainings, model};
use crate::chance::for_seeds;

fn search(dir: &Path, rounds: usize, pruner: Pruner) -> LotteryTicketSearch<'static> {
    let ticket = Method::new("ticket", Rewind::to_initialization());
    LotteryTicketSearch::new(dir)
        .steps(STEPS)
        .rounds(rounds)
        .pruner(pruner)
        .method(ticket.control(Control::RandomMask, [1]))
}

fn l1() -> Pruner {
    Pruner::new(Magnitude::l1())
}

#[test]
fn a_wrong_pruner_costs_no_training() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("study");
    let path = |path: &str| ParamGroup::from_path(path.to_string());
    let outputs = Pattern::Channels(Axis::Output);
    let wrong = [
        ("no amount", l1(), 1),
        (
            "a mistyped exclude",
            l1().amount(0.2).exclude(path("wieght")),
            1,
        ),
        (
            "a mistyped only",
            l1().amount(0.2).only(path("fc.weight")),
            1,
        ),
        ("too large an amount", l1().amount(1.5), 1),
        ("no number", l1().amount(f64::NAN), 1),
        (
            "an axis that 3 does not divide",
            l1().pattern(NM::new(2, 3)),
            1,
        ),
        ("too many", l1().amount(81), 1),
        ("too many in the third round", l1().amount(30), 3),
        ("channels that are gone", l1().pattern(outputs).amount(3), 3),
        ("below the floor", l1().amount(0.5).min_density(0.3), 2),
        (
            "too many of a layer",
            l1().amount(0.1)
                .allocation(Allocation::per_layer([(path("weight"), 45)])),
            2,
        ),
        (
            "wrong importance",
            l1().amount(0.1)
                .importance("weight", model(0).bias.unwrap().val()),
            1,
        ),
    ];
    for (what, pruner, first) in wrong {
        let trainings = Trainings::default();
        let error = trainings.run(&search(&dir, 3, pruner.clone())).unwrap_err();
        let LotteryError::CannotPrune { seed: 0, round, .. } = error else {
            panic!("{what}: {error}");
        };
        assert_eq!(round, first, "{what}");
        assert!(trainings.cells().is_empty() && !dir.exists(), "{what}");
        // As the second of two, and for the rounds that it can do.
        let second = search(&dir, 3, l1().amount(0.1)).pruner(pruner.clone());
        assert!(trainings.run(&second).is_err() && !dir.exists(), "{what}");
        if first > 1 {
            let other = folder.path().join(what);
            trainings.run(&search(&other, first - 1, pruner)).unwrap();
        }
    }
}

#[test]
fn a_last_round_needs_no_masks_of_a_round_that_does_not_exist() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    // Of 80 weights 30 go twice.
    let pruner = || l1().amount(30);
    let trainings = Trainings::default();
    let report = trainings.run(&search(dir, 2, pruner())).unwrap();
    let kept: Vec<f64> = report.rows.iter().map(|row| 80.0 * row.remaining).collect();
    assert_eq!(kept, [80.0, 50.0, 20.0, 50.0]);
    assert_eq!(trainings.run(&search(dir, 2, pruner())).unwrap(), report);
    assert_eq!(trainings.cells().len(), 4);
    // A third one is refused before it is trained.
    let error = trainings
        .run(&search(dir, 3, pruner()))
        .unwrap_err()
        .to_string();
    assert!(error.contains("next-end.mask"), "{error}");
    assert_eq!(trainings.cells().len(), 4);
    assert!(StudyReport::read(dir).unwrap().missing.is_empty());
}

#[test]
fn what_is_begun_can_be_finished_whatever_the_amount_and_the_rounds_are() {
    for_seeds(40, |seed, chance| {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("study");
        let (count, rounds) = (chance.between(1, 60), chance.between(1, 5));
        let patterns = [Pattern::Unstructured, Pattern::Channels(Axis::Output)];
        let pattern = chance.pick(&patterns).clone();
        let units = match pattern {
            Pattern::Unstructured => 80,
            _ => 8,
        };
        let count = match units {
            8 => 1 + count % 4,
            _ => count,
        };
        let trainings = Trainings::default();
        let pruner = l1().pattern(pattern).amount(count);
        let run = trainings.run(&search(&dir, rounds, pruner));
        if count * rounds <= units {
            assert!(run.unwrap().missing.is_empty(), "seed {seed}");
            assert_eq!(trainings.cells().len(), rounds + 2);
        } else {
            let error = run.unwrap_err();
            let first = units / count + 1;
            assert!(
                matches!(error, LotteryError::CannotPrune { round, .. } if round == first),
                "{count} of {units} in {rounds}: {error}"
            );
            assert!(trainings.cells().is_empty() && !dir.exists());
        }
    });
}

#[test]
fn weights_of_any_seed_that_cannot_be_ranked_are_refused_before_the_first_training() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("study");
    let trainings = Trainings::default();
    let broken = |seed| {
        let mut linear = model(seed);
        if seed == 2 {
            linear.weight = Param::from_tensor(linear.weight.val().inner() / 0.0);
        }
        linear
    };
    let search = search(&dir, 2, l1().amount(0.2)).seeds([0, 1, 2]);
    let error = search.run(broken, |cell, model| trainings.train(0.05, cell, model));
    let error = error.unwrap_err();
    assert!(
        matches!(
            error,
            LotteryError::CannotPrune {
                seed: 2,
                round: 1,
                ..
            }
        ),
        "{error}"
    );
    assert!(trainings.cells().is_empty() && !dir.exists());

    let masked = |seed| model(seed).l1_unstructured(0.5).unwrap();
    let error = search.run(masked, |cell, model| trainings.train(0.05, cell, model));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("without masks"), "{error}");
    assert!(trainings.cells().is_empty() && !dir.exists());
}

/// Ranks by a table, as the example of [`Criterion`] does. Maps print in another order each time.
#[derive(Debug)]
struct Table(HashMap<String, f64>);

impl Criterion for Table {
    fn scores(&self, weight: &Weight<'_>, units: &Units) -> Result<Scores, PruneError> {
        let scale = self.0.get(weight.path()).copied().unwrap_or(1.0);
        Ok(units
            .sum(weight.iter().map(|w| (w * scale - 0.1).abs()))
            .into())
    }
}

#[test]
fn a_criterion_with_a_map_goes_on_with_its_study_and_another_one_is_refused_by_its_field() {
    let folder = tempfile::tempdir().unwrap();
    let trainings = Trainings::default();
    let table = |scale: f64| {
        let others = (0..20).map(|index| (format!("other{index}"), 1.0));
        let table = others.chain([("weight".to_string(), scale)]);
        Pruner::new(Table(table.collect())).amount(0.2)
    };
    for rounds in 1..=4 {
        trainings
            .run(&search(folder.path(), rounds, table(2.0)))
            .unwrap();
    }
    assert_eq!(trainings.cells().len(), 1 + 4 + 1);
    for (other, field) in [
        (table(3.0), "criterion"),
        (table(2.0).amount(0.3), "amount"),
        (table(2.0).min_count(3), "min_count"),
        (l1().amount(0.2), "criterion"),
    ] {
        let error = trainings
            .run(&search(folder.path(), 4, other))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("pruners[0]") && error.contains(field),
            "{error}"
        );
    }
    assert_eq!(trainings.cells().len(), 1 + 4 + 1);
}

/// The lowest loss is at this step of a round that begins at step 2.
fn early_stop_at(low: usize) -> Result<StudyReport, LotteryError> {
    let folder = tempfile::tempdir().unwrap();
    let early = Method::new("early", Rewind::weights(Moment::Step(1)));
    let search = LotteryTicketSearch::new(folder.path())
        .steps(STEPS)
        .pruner(l1().amount(0.2))
        .method(early);
    let trainings = Trainings::default();
    let train = |cell: &CellTraining<'_>, net: Linear| {
        let Trained { model, .. } = trainings.train(0.05, cell, net)?;
        let mut curve = LearningCurve::new();
        let start = cell.schedule().start;
        let low = if cell.round() == 0 { 0 } else { low };
        for step in (start..=cell.schedule().end).chain([low]) {
            // Some evaluations come to nothing.
            let loss = if step == start + 1 { f64::NAN } else { 1.0 };
            curve.push(step, if step == low { 0.25 } else { loss });
        }
        Ok(Trained {
            model,
            curve,
            test_accuracy: 0.5,
        })
    };
    search.run(model, train)
}

#[test]
fn a_loss_before_the_first_step_may_be_the_lowest() {
    for (low, expected) in [(1, 0), (2, 1), (STEPS, STEPS - 1)] {
        let report = early_stop_at(low).unwrap();
        let found: Vec<usize> = report
            .rows
            .iter()
            .map(|row| row.early_stop_iteration)
            .collect();
        assert_eq!(found, [0, expected], "{low}");
        assert!(report.rows.iter().all(|row| row.validation_loss == 0.25));
    }
    // Not one of this training at all.
    for low in [0, STEPS + 1] {
        let error = early_stop_at(low).unwrap_err().to_string();
        assert!(
            error.contains(&format!("step {low}, outside of 1..3")),
            "{error}"
        );
    }
}
