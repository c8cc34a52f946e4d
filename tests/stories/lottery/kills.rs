//! Studies that are killed at random moments.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use burn_prune::lottery::StudyReport;

use super::csv;
use super::tiny::{Trainings, search};
use crate::chance::{Chance, scale};

const CHILD: &str = "BURN_PRUNE_KILLED_STUDY";

#[test]
fn the_process_that_is_killed() {
    if let Ok(dir) = std::env::var(CHILD) {
        Trainings::default().run(&search(Path::new(&dir))).unwrap();
    }
}

fn child(dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["lottery::kills::the_process_that_is_killed", "--exact"])
        .env(CHILD, dir)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Hidden files, but for the lock: what somebody was writing.
fn half_written(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with('.') && name != ".lock" {
            found.push(path);
        } else if path.is_dir() {
            found.extend(half_written(&path));
        }
    }
    found
}

#[test]
fn kills_at_any_moment_change_nothing_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut whole = Vec::new();
    for run in 0..3 {
        let dir = folder.path().join(format!("whole-{run}"));
        let started = Instant::now();
        assert!(child(&dir).wait().unwrap().success());
        whole.push((started.elapsed(), dir));
    }
    let (time, whole) = whole.into_iter().min().unwrap();
    let expected = csv(folder.path(), &StudyReport::read(&whole).unwrap());

    let mut chance = Chance::new(1);
    let (mut studies, mut kills, mut left) = (0, 0, 0);
    while kills < 30 * scale() {
        studies += 1;
        assert!(studies < 100 * scale(), "{kills} kills");
        let dir = folder.path().join(format!("killed-{studies}"));
        for _ in 0..20 {
            let mut process = child(&dir);
            let (started, until) = (Instant::now(), time.mul_f64(chance.fraction()));
            let mut ended = None;
            while ended.is_none() && started.elapsed() < until.max(Duration::from_millis(1)) {
                std::thread::yield_now();
                ended = process.try_wait().unwrap();
            }
            if let Some(ended) = ended {
                assert!(ended.success());
                break;
            }
            process.kill().unwrap();
            process.wait().unwrap();
            kills += 1;
            if let Ok(report) = StudyReport::read(&dir) {
                assert!(report.damaged.is_empty(), "{:?}", report.damaged);
                left += half_written(&dir).len();
            }
        }
        let report = Trainings::default().run(&search(&dir)).unwrap();
        assert_eq!(csv(folder.path(), &report), expected);
        assert_eq!(half_written(&dir), Vec::<PathBuf>::new());
    }
    // Some of them while something was being written.
    assert!(left > 0, "{kills} kills");
}

#[test]
fn processes_that_run_the_same_study_at_once_end_with_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let alone = Trainings::default().run(&search(&folder.path().join("alone")));
    let expected = csv(folder.path(), &alone.unwrap());
    for study in 0..3 * scale() {
        let dir = folder.path().join(format!("{study}"));
        let together: Vec<Child> = (0..3).map(|_| child(&dir)).collect();
        for mut process in together {
            assert!(process.wait().unwrap().success());
        }
        assert_eq!(
            csv(folder.path(), &StudyReport::read(&dir).unwrap()),
            expected
        );
        assert_eq!(half_written(&dir), Vec::<PathBuf>::new());
        // A cell whose numbers were changed is moved away once.
        let path = dir.join("cells/seed-0/ticket/round-01/cell.json");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("\"censored\": ", "\"censored\":  ")).unwrap();
        let together: Vec<Child> = (0..3).map(|_| child(&dir)).collect();
        for mut process in together {
            assert!(process.wait().unwrap().success());
        }
        assert_eq!(
            csv(folder.path(), &StudyReport::read(&dir).unwrap()),
            expected
        );
        let aside = fs::read_dir(dir.join("cells/seed-0/ticket")).unwrap();
        assert_eq!(aside.count(), 3);
    }
}
