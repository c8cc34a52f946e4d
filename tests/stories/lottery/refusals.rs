//! What is refused: other studies, other models, settings that make no sense.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn_prune::Prunable;
use burn_prune::lottery::{
    CellId, CellTraining, Control, LearningCurve, LotteryError, LotteryTicketSearch, Method,
    Moment, Rewind, Shard, StudyReport, Trained,
};

use super::{EARLY, Lab, STEPS, plain, pruner, ticket, tiny};
use crate::nets::Net;

#[test]
fn a_directory_or_cell_of_other_settings_is_refused_and_says_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("study");
    let described = |dir: &Path, rate: f64| {
        let training = serde_json::json!({ "learning_rate": rate });
        plain(dir).method(ticket()).describe(&training)
    };
    let lab = Lab::new();
    lab.run(&described(&dir, 0.05)).unwrap();
    let trained = lab.trained();
    let refused = |search: &LotteryTicketSearch<'_>| lab.run(search).unwrap_err().to_string();

    let found = refused(&described(&dir, 0.1));
    assert!(
        found.contains("`training.learning_rate` is 0.05 there and 0.1 here"),
        "{found}"
    );
    let found = refused(&described(&dir, 0.05).steps(7));
    assert!(found.contains("`steps` is 6 there and 7 here"), "{found}");
    let found = refused(&described(&dir, 0.05).pruner(pruner()));
    assert!(found.contains("pruners"), "{found}");

    let other = Method::new("ticket", Rewind::fine_tuning());
    let training = serde_json::json!({ "learning_rate": 0.05 });
    let found = refused(&plain(&dir).method(other).describe(&training));
    assert!(found.contains("method `ticket` is Rewind"), "{found}");

    let smaller = |seed| Net {
        norm: None,
        ..Lab::model(seed)
    };
    let found = described(&dir, 0.05).run(smaller, |cell, net| lab.train(cell, net));
    let found = found.unwrap_err().to_string();
    assert!(
        found.contains("`model.norm.beta` is [6] there and missing here"),
        "{found}"
    );
    assert_eq!(lab.trained(), trained);

    // A cell that somebody copied here.
    let elsewhere = folder.path().join("elsewhere");
    lab.run(&described(&elsewhere, 0.1)).unwrap();
    let cell = |dir: &Path| dir.join("cells/seed-0/ticket/round-02/cell.json");
    fs::copy(cell(&elsewhere), cell(&dir)).unwrap();
    let found = lab.run(&described(&dir, 0.05)).unwrap_err();
    assert!(
        matches!(found, LotteryError::CellMismatch { .. }),
        "{found}"
    );
    assert!(found.to_string().contains("learning_rate"), "{found}");
    let report = StudyReport::read(&dir).unwrap();
    assert_eq!(report.damaged, [CellId::new(0, "ticket", 2)]);
}

#[test]
fn a_training_that_returns_something_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::new();
    lab.run(&plain(folder.path()).rounds(1).method(ticket()))
        .unwrap();
    let search = plain(folder.path()).method(ticket());
    let refused = |change: &dyn Fn(Trained<Net>) -> Trained<Net>| {
        let train = |cell: &CellTraining<'_>, net: Net| Ok(change(lab.train(cell, net)?));
        search.run(Lab::model, train).unwrap_err().to_string()
    };
    let found = refused(&|trained| Trained {
        model: trained.model.make_permanent().unwrap(),
        ..trained
    });
    assert!(
        found.contains("round 2") && found.contains("no masks"),
        "{found}"
    );
    let found = refused(&|trained| Trained {
        model: trained.model.l1_unstructured(0.1).unwrap(),
        ..trained
    });
    assert!(found.contains("its masks have changed"), "{found}");
    let found = refused(&|trained| Trained {
        model: Net {
            norm: None,
            ..trained.model
        },
        ..trained
    });
    assert!(found.contains("norm.beta"), "{found}");
    let found = refused(&|trained| Trained {
        curve: LearningCurve::new(),
        ..trained
    });
    assert!(found.contains("no finite validation loss"), "{found}");
    let found = refused(&|trained| Trained {
        test_accuracy: f64::NAN,
        ..trained
    });
    assert!(found.contains("a test accuracy of NaN"), "{found}");
    let found = refused(&|trained| Trained {
        curve: {
            let mut curve = LearningCurve::new();
            curve.push(STEPS + 1, 1.0);
            curve
        },
        ..trained
    });
    assert!(found.contains("step 7, outside of 0..6"), "{found}");
    // None of these has become a cell.
    assert_eq!(StudyReport::read(folder.path()).unwrap().missing.len(), 1);

    let silent = tempfile::tempdir().unwrap();
    let early = Method::new("early", Rewind::weights(Moment::Step(EARLY)));
    let search = plain(silent.path()).method(early);
    let train = |cell: &CellTraining<'_>, net: Net| {
        let mut curve = LearningCurve::new();
        curve.push(cell.schedule().end, 1.0);
        // It trains nothing, and says nothing.
        Ok(Trained {
            model: net,
            curve,
            test_accuracy: 0.5,
        })
    };
    let found = search.run(Lab::model, train).unwrap_err().to_string();
    assert!(
        found.contains("did not call `after_step` at step 2"),
        "{found}"
    );
}

#[test]
fn settings_that_make_no_sense_are_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("study");
    let refused = |search: LotteryTicketSearch<'_>, expected: &str| {
        let found = Lab::new().run(&search).unwrap_err().to_string();
        assert!(found.contains(expected), "{found}");
        assert!(!dir.exists());
    };
    let search = || plain(&dir).method(ticket());
    refused(
        LotteryTicketSearch::new(&dir)
            .pruner(pruner())
            .method(ticket()),
        "steps: ",
    );
    refused(search().rounds(0), "rounds: ");
    let keys = std::collections::BTreeMap::from([([1, 2], 3)]);
    refused(search().describe(&keys), "description: ");
    refused(search().seeds([]), "seeds: ");
    refused(search().seeds([1, 1]), "seeds: ");
    refused(plain(&dir), "methods: ");
    refused(
        LotteryTicketSearch::new(&dir).steps(1).method(ticket()),
        "pruners: ",
    );
    refused(search().method(ticket()), "`ticket` twice");
    let named = |name: &str| Method::new(name, Rewind::to_initialization());
    refused(search().method(named("../elsewhere")), "lower-case letters");
    refused(search().method(named("dense")), "`dense`");
    let control = |round| named("other").control(Control::RandomMask, [round]);
    refused(search().method(control(3)), "a round from 1 to 2");
    refused(search().method(control(0)), "a round from 1 to 2");
    let with = |rewind| Method::new("other", rewind);
    let late = Rewind::weights(Moment::Step(STEPS + 1));
    refused(search().method(with(late)), "at most 6 steps");
    refused(
        search().method(with(Rewind::weights(Moment::Step(STEPS)))),
        "before the last step",
    );
    refused(
        search().method(with(Rewind::weights(Moment::Epoch(1)))),
        "steps per epoch",
    );
    refused(
        search().method(with(Rewind::weights(Moment::Step(0)))),
        "`Moment::Start` for the beginning",
    );
    let kept = with(Rewind::fine_tuning()).control(Control::RandomMask, [1]);
    refused(search().method(kept), "weights that go back");
    let before = Rewind {
        prune_at: Moment::Step(1),
        ..Rewind::weights(Moment::Step(2))
    };
    refused(search().method(with(before)), "after step 2");
    assert!(Shard::new(2, 2).is_err());
    let nothing = StudyReport::read(&dir).unwrap_err().to_string();
    assert!(nothing.contains("no study here"), "{nothing}");
}

#[test]
fn a_method_is_not_called_as_a_control_of_another_one_is() {
    let folder = tempfile::tempdir().unwrap();
    let search = || tiny::plain(folder.path());
    let trainings = tiny::Trainings::default();
    // Before the control has been run, so that the study alone knows of it.
    let stopped = search().stop_when(Arc::new(AtomicBool::new(true)));
    let controlled = || ticket().control(Control::RandomMask, [2]);
    trainings.run(&stopped.method(controlled())).unwrap();
    let other = Method::new("ticket-random-mask", Rewind::to_initialization());
    let error = trainings.run(&search().method(other)).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`ticket-random-mask` is a method and a control"),
        "{error}"
    );
    assert!(trainings.cells().is_empty());
    let report = trainings.run(&search().method(controlled())).unwrap();
    assert!(report.missing.is_empty() && report.rows.len() == 4);
}
