//! Studies that are stopped, killed, out of disk, damaged or extended.

use std::cell::{Cell as Slot, RefCell};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn_prune::lottery::{
    CellId, CellTraining, Event, LotteryError, Method, Moment, Rewind, Shard, StudyReport,
};

use super::{EARLY, Lab, controlled, csv, plain, ticket};
use crate::nets::Net;

#[test]
fn a_study_that_was_stopped_goes_on_and_ends_as_if_it_never_was() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, stopped] = ["whole", "stopped"].map(|name| folder.path().join(name));
    let search = |dir: &Path| plain(dir).seeds([3, 4]).method(controlled());
    let expected = csv(&whole, &Lab::new().run(&search(&whole)).unwrap());

    // By a closure that fails, by the flag that Ctrl-C sets, and not at all.
    let lab = Lab::new();
    let left = Slot::new(4i32);
    let failing = |cell: &CellTraining<'_>, net: Net| {
        left.set(left.get() - 1);
        match left.get() {
            ..=0 => Err("the machine is on fire".into()),
            _ => lab.train(cell, net),
        }
    };
    let error = search(&stopped).run(Lab::model, failing).unwrap_err();
    assert!(matches!(error, LotteryError::Training { .. }), "{error}");
    assert!(error.to_string().contains("on fire"), "{error}");
    assert_eq!(lab.trained(), 3);

    let stop = Arc::new(AtomicBool::new(false));
    let stopping = |cell: &CellTraining<'_>, net: Net| {
        stop.store(true, Ordering::Relaxed);
        lab.train(cell, net)
    };
    let paused = search(&stopped)
        .stop_when(Arc::clone(&stop))
        .run(Lab::model, stopping);
    let paused = paused.unwrap();
    assert_eq!(
        (lab.trained(), paused.rows.len(), paused.missing.len()),
        (4, 4, 14)
    );
    assert!(paused.to_string().contains("missing: 14 cells"), "{paused}");

    let report = lab.run(&search(&stopped)).unwrap();
    assert_eq!(lab.trained(), 18);
    assert_eq!(csv(&stopped, &report), expected);
    // Nothing is left to do.
    lab.run(&search(&stopped)).unwrap();
    assert_eq!(lab.trained(), 18);
}

const CHILD: &str = "BURN_PRUNE_STUDY";

#[test]
fn the_study_process() {
    if let Ok(dir) = std::env::var(CHILD) {
        let search = plain(Path::new(&dir)).seeds([0, 1]).method(controlled());
        let said = search.on_event(|event| {
            if let Event::Step { .. } = event {
                println!("step");
            }
        });
        if let Err(error) = Lab::new().run(&said) {
            println!("failed: {error}");
        }
    }
}

fn child(dir: &Path, limits: &str) -> Command {
    let mut command = Command::new("bash");
    command.args(["-c", &format!("{limits} exec \"$0\" \"$@\"")]);
    command.arg(std::env::current_exe().unwrap());
    command.args([
        "lottery::resuming::the_study_process",
        "--exact",
        "--nocapture",
    ]);
    command
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

#[test]
fn a_study_that_is_killed_again_and_again_ends_as_if_it_never_was() {
    use std::io::{BufRead, BufReader};

    let folder = tempfile::tempdir().unwrap();
    let [whole, killed] = ["whole", "killed"].map(|name| folder.path().join(name));
    let expected = csv(
        &whole,
        &Lab::new()
            .run(&plain(&whole).seeds([0, 1]).method(controlled()))
            .unwrap(),
    );
    let mut kills = 0;
    loop {
        let mut process = child(&killed, "").spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        // 18 cells of 6 steps: somewhere in the third.
        let mut steps = lines.filter(|line| line.as_ref().unwrap().ends_with("step"));
        if steps.nth(13 + kills % 4).is_none() {
            assert!(process.wait().unwrap().success());
            break;
        }
        process.kill().unwrap();
        process.wait().unwrap();
        kills += 1;
        assert!(kills < 20, "it never ends");
    }
    assert!(kills >= 3, "killed only {kills} times");
    assert_eq!(csv(&killed, &StudyReport::read(&killed).unwrap()), expected);
}

#[test]
fn a_full_disk_is_an_error_that_names_the_file_and_costs_no_finished_cell() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("study");
    let lab = Lab::new();
    lab.run(&plain(&dir).rounds(1).method(ticket())).unwrap();
    let cells = || -> BTreeSet<_> {
        let files = walk(&dir.join("cells")).into_iter();
        files.map(|path| (fs::read(&path).unwrap(), path)).collect()
    };
    let before = cells();
    // No file may become larger than 16 KiB: masks are smaller, weights are not.
    let output = child(&dir, "trap '' XFSZ; ulimit -f 16;").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("failed: ") && said.contains("weights-start.bpk"),
        "{said}"
    );
    assert!(cells().is_superset(&before));
    let left = StudyReport::read(&dir).unwrap();
    assert_eq!(
        (left.rows.len(), left.missing.len(), left.damaged.len()),
        (9, 9, 0)
    );
    let whole = lab
        .run(&plain(&dir).seeds([0, 1]).method(controlled()))
        .unwrap();
    assert_eq!((whole.rows.len(), whole.missing.len()), (18, 0));
}

#[test]
fn what_a_killed_process_was_writing_goes_with_the_next_run_and_what_a_live_one_writes_stays() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, killed] = ["whole", "killed"].map(|name| folder.path().join(name));
    let search = |dir: &Path| plain(dir).seeds([0, 1]).method(controlled());
    let expected = csv(&whole, &Lab::new().run(&search(&whole)).unwrap());
    let parts = || {
        let part = |path: &PathBuf| path.to_string_lossy().contains("/.part-");
        let files = walk(&killed.join("cells")).into_iter();
        let parts = files.filter(part).map(|path| path.display().to_string());
        parts.collect::<Vec<_>>()
    };
    // Killed as soon as a part is seen, until one is left by that.
    let mut kills = 0;
    while parts().is_empty() {
        let mut process = child(&killed, "").spawn().unwrap();
        while parts().is_empty() && process.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        process.kill().unwrap();
        process.wait().unwrap();
        kills += 1;
        assert!(kills < 20, "a part is never left");
    }

    // Two that somebody else is writing, so far as anybody can tell.
    let live = killed.join("cells/seed-0/ticket/.part-round-02-live");
    fs::create_dir_all(&live).unwrap();
    let lock = fs::File::create(live.join("lock")).unwrap();
    lock.lock().unwrap();
    let other = killed.join("cells/seed-1/ticket/.part-round-02-other");
    fs::create_dir_all(&other).unwrap();
    fs::File::create(other.join("lock")).unwrap();
    let first = search(&killed).shard(Shard::new(0, 2).unwrap());
    Lab::new().run(&first).unwrap();
    let left = [&live, &other].map(|part| part.join("lock").display().to_string());
    assert_eq!(parts(), left);

    drop(lock);
    let report = Lab::new().run(&search(&killed)).unwrap();
    assert!(parts().is_empty());
    assert_eq!(csv(&killed, &report), expected);
}

/// The files that are there, while others come and go.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let found = entries.flat_map(|entry| match entry.path() {
        path if path.is_dir() => walk(&path),
        path => vec![path],
    });
    found.collect()
}

#[test]
fn a_study_can_be_extended_by_seeds_rounds_methods_and_controls() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::new();
    lab.run(&plain(folder.path()).rounds(1).method(ticket()))
        .unwrap();
    let more = plain(folder.path()).seeds([0, 1]).method(controlled());
    let report = lab.run(&more).unwrap();
    assert_eq!((lab.trained(), report.rows.len()), (18, 18));
    // What the dense run did not keep cannot be had any more.
    let early = Method::new("early", Rewind::weights(Moment::Step(EARLY)));
    let error = lab.run(&more.method(early)).unwrap_err();
    assert!(error.to_string().contains("weights-step-2.bpk"), "{error}");
    // Nor is it part of the study now.
    assert!(StudyReport::read(folder.path()).unwrap().missing.is_empty());
}

#[test]
fn a_half_written_cell_is_put_aside_and_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let lab = Lab::new();
    let said = RefCell::new(Vec::new());
    let search = plain(dir).method(ticket()).on_event(|event| {
        if let Event::Damaged { cell, reason, .. } = event {
            said.borrow_mut().push(format!("{cell}: {reason}"));
        }
    });
    let expected = csv(dir, &lab.run(&search).unwrap());
    let round = |round: usize| dir.join(format!("cells/seed-0/ticket/round-0{round}"));
    fs::write(round(1).join("next-end.mask"), b"half").unwrap();
    fs::remove_file(round(2).join("cell.json")).unwrap();
    let report = StudyReport::read(dir).unwrap();
    assert_eq!((report.rows.len(), report.damaged.len()), (1, 2));

    assert_eq!(csv(dir, &lab.run(&search).unwrap()), expected);
    assert_eq!(said.borrow().len(), 2);
    assert!(said.borrow()[0].contains("next-end.mask"), "{said:?}");
    assert!(round(1).with_extension("damaged-1").exists());

    // The size is right, but not the content: an error, as others may have been made of it.
    let path = round(1).join("next-end.mask");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    fs::remove_dir_all(round(2)).unwrap();
    let error = lab.run(&search).unwrap_err().to_string();
    assert!(
        error.contains("next-end.mask") && error.contains("damaged"),
        "{error}"
    );
    fs::remove_dir_all(round(1)).unwrap();
    assert_eq!(csv(dir, &lab.run(&search).unwrap()), expected);
}

#[test]
fn a_training_that_fails_costs_only_what_comes_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::new();
    let rate = Method::new("rate", Rewind::learning_rate(Moment::Start));
    let search = plain(folder.path())
        .seeds([0, 1])
        .method(ticket())
        .method(rate);
    let failing = CellId::new(0, "ticket", 1);
    let train = |cell: &CellTraining<'_>, net: Net| {
        if *cell.id() == failing {
            Err("it diverged".into())
        } else {
            lab.train(cell, net)
        }
    };
    let error = search.run(Lab::model, train).unwrap_err();
    assert!(
        error.to_string().contains("seed 0, ticket, round 1: "),
        "{error}"
    );
    let missing = search.report().unwrap().missing;
    assert_eq!(missing, [failing.clone(), CellId::new(0, "ticket", 2)]);
}
