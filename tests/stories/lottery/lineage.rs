//! What a cell was made from: studies that notice what they read.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use burn_prune::lottery::{
    CellId, Event, LotteryError, LotteryTicketSearch, Method, Moment, Rewind, StudyReport, Ticket,
};
use burn_prune::{Magnitude, MaskSet, Pruner};

use super::csv;
use super::tiny::{STEPS, Trainings, all_files, copy_folder, folder, model, plain, search};

#[test]
fn a_round_made_anew_with_other_weights_has_those_after_it_made_anew() {
    let folder_of_all = tempfile::tempdir().unwrap();
    let dir = folder_of_all.path();
    Trainings::default().run(&search(dir)).unwrap();
    let first = CellId::new(0, "ticket", 1);
    fs::remove_dir_all(folder(dir, &first)).unwrap();

    let said = RefCell::new(Vec::new());
    let trainings = Trainings::default();
    let again = search(dir).on_event(|event| {
        if let Event::Outdated {
            cell,
            reason,
            moved_to,
        } = event
        {
            assert!(moved_to.ends_with("round-02.outdated-1") && moved_to.exists());
            said.borrow_mut().push(format!("{cell}: {reason}"));
        }
    });
    // Whoever does it has another learning rate, and did not describe it.
    let report = again.run(model, |cell, model| trainings.train(0.5, cell, model));
    let report = report.unwrap();
    assert!(report.missing.is_empty() && report.damaged.is_empty());
    let expected = [
        "ticket, round 1",
        "ticket, round 2",
        "ticket-shuffled-mask, round 2",
    ];
    let expected = expected.map(|cell| format!("seed 0, {cell}"));
    assert_eq!(trainings.cells(), expected);
    assert_eq!(said.borrow().len(), 2);
    assert!(
        said.borrow()[0].contains("its masks are not those that seed 0, ticket, round 1 has left"),
        "{said:?}"
    );
    // And they began with what the new one has left.
    let next = folder(dir, &first).join("next-end.mask");
    let starts = trainings.starts();
    let second = &starts[&CellId::new(0, "ticket", 2)].0;
    assert_eq!(*second, MaskSet::load(next).unwrap());
}

#[test]
fn a_dense_run_made_anew_as_it_was_leaves_its_rounds_valid() {
    let folder_of_all = tempfile::tempdir().unwrap();
    let dir = folder_of_all.path();
    let expected = csv(dir, &Trainings::default().run(&search(dir)).unwrap());
    fs::remove_dir_all(folder(dir, &CellId::new(1, "dense", 0))).unwrap();
    let trainings = Trainings::default();
    let report = trainings.run(&search(dir)).unwrap();
    assert_eq!(trainings.cells(), ["seed 1, dense"]);
    assert_eq!(csv(dir, &report), expected);
}

#[test]
fn masks_or_weights_of_another_seed_are_noticed_before_anything_is_trained_on_them() {
    for (file, cell, after) in [
        (
            "next-end.mask",
            CellId::new(0, "ticket", 1),
            CellId::new(0, "ticket", 2),
        ),
        (
            "weights-start.bpk",
            CellId::new(0, "dense", 0),
            CellId::new(0, "ticket", 1),
        ),
        (
            "weights-end.bpk",
            CellId::new(0, "rate", 1),
            CellId::new(0, "rate", 2),
        ),
    ] {
        let folder_of_all = tempfile::tempdir().unwrap();
        let dir = folder_of_all.path();
        Trainings::default().run(&search(dir)).unwrap();
        let other = CellId {
            seed: 1,
            ..cell.clone()
        };
        let path = folder(dir, &cell).join(file);
        fs::copy(folder(dir, &other).join(file), &path).unwrap();
        fs::remove_dir_all(folder(dir, &after)).unwrap();
        let trainings = Trainings::default();
        let error = trainings.run(&search(dir)).unwrap_err().to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
        assert!(
            error.contains("damaged, or that of another cell"),
            "{error}"
        );
        assert!(trainings.cells().is_empty());
    }
}

#[test]
fn a_number_changed_in_a_cell_is_noticed() {
    let folder_of_all = tempfile::tempdir().unwrap();
    let dir = folder_of_all.path();
    let expected = csv(dir, &Trainings::default().run(&search(dir)).unwrap());
    let cell = CellId::new(1, "ticket", 1);
    let path = folder(dir, &cell).join("cell.json");
    let text = fs::read_to_string(&path).unwrap();
    for field in [
        "\"test_accuracy\": 0.",
        "\"kept\": ",
        "\"early_stop_iteration\": ",
    ] {
        let at = text.find(field).unwrap() + field.len();
        let mut changed = text.clone().into_bytes();
        changed[at] = if changed[at] == b'7' { b'6' } else { b'7' };
        fs::write(&path, changed).unwrap();
        assert_eq!(
            StudyReport::read(dir).unwrap().damaged,
            std::slice::from_ref(&cell),
            "{field}"
        );
    }
    let trainings = Trainings::default();
    let report = trainings.run(&search(dir)).unwrap();
    assert_eq!(trainings.cells(), [cell.to_string()]);
    assert_eq!(csv(dir, &report), expected);

    let path = dir.join("study.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"rounds\": 2", "\"rounds\": 3")).unwrap();
    let error = trainings.run(&search(dir)).unwrap_err().to_string();
    assert!(
        error.contains("study.json") && error.contains("damaged"),
        "{error}"
    );
    fs::remove_file(&path).unwrap();
    assert_eq!(csv(dir, &trainings.run(&search(dir)).unwrap()), expected);
    assert_eq!(trainings.cells().len(), 1);
}

#[test]
fn a_report_does_not_count_what_was_made_from_something_else() {
    let folder_of_all = tempfile::tempdir().unwrap();
    let [dir, other] = ["one", "other"].map(|name| folder_of_all.path().join(name));
    Trainings::default().run(&search(&dir)).unwrap();
    let differently = Trainings::default();
    let run = search(&other).run(model, |cell, model| differently.train(0.5, cell, model));
    run.unwrap();
    // The first round of another study, whole, with the same settings.
    let cell = CellId::new(0, "ticket", 1);
    let replace = |cell: &CellId| {
        fs::remove_dir_all(folder(&dir, cell)).unwrap();
        copy_folder(&folder(&other, cell), &folder(&dir, cell));
    };
    replace(&cell);
    let outdated = |rounds: &[(&str, usize)]| -> Vec<CellId> {
        let rounds = rounds.iter();
        rounds
            .map(|(method, round)| CellId::new(0, *method, *round))
            .collect()
    };
    let of_ticket = outdated(&[("ticket", 1), ("ticket", 2), ("ticket-shuffled-mask", 2)]);
    assert_eq!(StudyReport::read(&dir).unwrap().damaged, of_ticket);
    // A ticket would have weights that its round did not go back to.
    replace(&CellId::new(0, "rate", 1));
    let of_rate = outdated(&[("rate", 1), ("rate", 2)]);
    let damaged = StudyReport::read(&dir).unwrap().damaged;
    assert_eq!(damaged, [of_ticket, of_rate.clone()].concat());
    let error = Ticket::from_study(&dir, &of_rate[1])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no longer those of seed 0, rate, round 1"),
        "{error}"
    );
    let trainings = Trainings::default();
    let report = trainings.run(&search(&dir)).unwrap();
    assert!(report.damaged.is_empty());
    assert_eq!(trainings.cells()[0], cell.to_string());
}

#[test]
fn another_model_of_the_same_seed_is_said() {
    let folder_of_all = tempfile::tempdir().unwrap();
    let dir = folder_of_all.path();
    let other_starts = |shift: u64| {
        let said = RefCell::new(Vec::new());
        let trainings = Trainings::default();
        let search = search(dir).on_event(|event| {
            if let Event::OtherStart { cell } = event {
                said.borrow_mut().push(cell.to_string());
            }
        });
        let made = |seed| model(seed + shift);
        let run = search.run(made, |cell, model| trainings.train(0.05, cell, model));
        let csv = csv(dir, &run.unwrap());
        drop(search);
        (said.into_inner(), csv)
    };
    let (said, expected) = other_starts(0);
    assert!(said.is_empty());
    let lost = folder(dir, &CellId::new(0, "rate", 2));
    fs::remove_dir_all(&lost).unwrap();
    assert_eq!(other_starts(0), (vec![], expected.clone()));
    fs::remove_dir_all(&lost).unwrap();
    // The rounds go back to what the dense run has left, and come out as they were.
    assert_eq!(
        other_starts(7),
        (vec!["seed 0, dense".to_string()], expected)
    );
}

/// Everything there is to see of a folder.
fn listing(folder: &Path) -> Vec<(PathBuf, std::time::SystemTime, Vec<u8>)> {
    let files = all_files(folder).into_iter();
    files
        .map(|path| {
            let modified = fs::metadata(&path).unwrap().modified().unwrap();
            let bytes = fs::read(&path).unwrap();
            (path, modified, bytes)
        })
        .collect()
}

#[test]
fn nothing_is_written_into_a_study_that_is_finished() {
    let folder_of_all = tempfile::tempdir().unwrap();
    let dir = folder_of_all.path().join("study");
    let trainings = Trainings::default();
    let search = |dir: &Path| search(dir).seeds([1, 0]);
    trainings.run(&search(&dir)).unwrap();
    let trained = trainings.cells().len();
    // As on a disk that cannot be written, where not even a lock can be taken.
    fs::remove_file(dir.join(".lock")).unwrap();
    let before = (
        listing(&dir),
        fs::metadata(&dir).unwrap().modified().unwrap(),
    );
    let report = trainings.run(&search(&dir)).unwrap();
    assert!(report.missing.is_empty() && report.rows.len() == 12);
    assert_eq!(search(&dir).report().unwrap(), report);
    assert_eq!(StudyReport::read(&dir).unwrap(), report);
    Ticket::from_study(&dir, &CellId::new(1, "rate", 2)).unwrap();
    // A part of it as well.
    trainings
        .run(&search(&dir).seeds([1]).rounds(1))
        .unwrap_err();
    let part = LotteryTicketSearch::new(&dir)
        .steps(STEPS)
        .seeds([1])
        .pruner(Pruner::new(Magnitude::l1()).amount(0.2))
        .method(Method::new("rate", Rewind::learning_rate(Moment::Start)));
    trainings.run(&part).unwrap();
    assert_eq!(trainings.cells().len(), trained);
    let after = (
        listing(&dir),
        fs::metadata(&dir).unwrap().modified().unwrap(),
    );
    assert!(before == after);
}

#[test]
fn what_a_killed_process_left_of_the_study_file_goes_with_the_next_run() {
    let folder_of_all = tempfile::tempdir().unwrap();
    let dir = folder_of_all.path();
    Trainings::default().run(&search(dir)).unwrap();
    let left = dir.join(".study.json.aB3xY9.tmp.json");
    let live = dir.join(".study.json.aB3xY8.tmp.json");
    let others = dir.join(".tmpaB3xY9");
    let written = [&left, &live, &others].map(|path| fs::File::create(path).unwrap());
    written[1].lock().unwrap();
    Trainings::default().run(&search(dir)).unwrap();
    assert_eq!(
        [&left, &live, &others].map(|path| path.exists()),
        [false, true, true]
    );
    drop(written);
    fs::remove_dir_all(folder(dir, &CellId::new(0, "rate", 2))).unwrap();
    Trainings::default().run(&search(dir)).unwrap();
    assert!(!live.exists() && others.exists());
}

#[test]
fn a_study_of_the_first_version_is_read_and_not_continued() {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/first_format/study");
    let folder_of_all = tempfile::tempdir().unwrap();
    let dir = folder_of_all.path();
    copy_folder(&from, dir);
    let before = listing(dir);
    let ticket = Ticket::from_study(dir, &CellId::new(0, "ticket", 2)).unwrap();
    // Of 30 and 15 weights, 9 and 6, then 4 and 3.
    assert_eq!(ticket.masks().sparsity(), 22.0 / 45.0);
    let trainings = Trainings::default();
    let error = trainings.run(&search(dir)).unwrap_err();
    assert!(
        matches!(error, LotteryError::OldStudy { version: 1, .. }),
        "{error}"
    );
    assert!(trainings.cells().is_empty() && listing(dir) == before);
}

#[test]
fn a_dense_run_made_anew_for_one_method_leaves_the_results_of_others() {
    let folder_of_all = tempfile::tempdir().unwrap();
    let dir = folder_of_all.path();
    let trainings = Trainings::default();
    let whole = csv(dir, &trainings.run(&search(dir)).unwrap());
    let trained = trainings.cells().len();
    let dense = folder(dir, &CellId::new(0, "dense", 0));
    fs::remove_dir_all(&dense).unwrap();
    // It does not keep what the tickets went back to.
    let rate = Method::new("rate", Rewind::learning_rate(Moment::Start));
    let report = trainings.run(&plain(dir).method(rate)).unwrap();
    assert!(report.damaged.is_empty() && report.missing.is_empty());
    assert_eq!(csv(dir, &report), whole);
    let error = trainings.run(&search(dir)).unwrap_err().to_string();
    assert!(error.contains("weights-start.bpk"), "{error}");
    // As it says.
    fs::remove_dir_all(&dense).unwrap();
    assert_eq!(csv(dir, &trainings.run(&search(dir)).unwrap()), whole);
    assert_eq!(trainings.cells().len(), trained + 2);
}
