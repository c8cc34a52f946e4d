//! A training that prunes coupled channels in `Learner` is killed again and again, and ends as if it
//! never was.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use burn::store::ModuleRecord;
use burn::tensor::Device;
use burn::train::Learner;
use burn_prune::{Prunable, Pruning};

use super::coupled::wrap;
use super::net::{Net, weights};
use super::{adam, chance, rate, with_progress_lines};

const EPOCHS: usize = 4;
const CHILD: &str = "BURN_PRUNE_COUPLED_CHILD";

/// Resumes from the newest complete checkpoint in a folder, and trains to the end.
fn train_in(folder: &Path) -> Pruning<Net> {
    let device = Device::flex().autodiff();
    let pruning = wrap(Net::new(&device));
    let file = |name: &str, epoch| {
        folder
            .join("checkpoint")
            .join(format!("{name}-{epoch}.bpk"))
    };
    let is_complete = |epoch: &usize| {
        let has = |name| file(name, *epoch).exists();
        has("optim") && has("scheduler") && ModuleRecord::load(file("model", *epoch)).is_ok()
    };
    let training = with_progress_lines(folder, EPOCHS);
    let training = match (1..=EPOCHS).rev().find(is_complete) {
        Some(epoch) => {
            pruning.check_checkpoint(file("model", epoch)).unwrap();
            training.checkpoint(epoch)
        }
        None => training,
    };
    training.launch(Learner::new(pruning, adam(), rate())).model
}

#[test]
fn the_training_that_is_killed() {
    if let Ok(folder) = std::env::var(CHILD) {
        let folder = PathBuf::from(folder);
        let trained = train_in(&folder).into_inner();
        trained.save_masked(folder.join("done")).unwrap();
    }
}

#[test]
fn a_training_that_is_killed_again_and_again_ends_as_if_it_never_was() {
    let folder = tempfile::tempdir().unwrap();
    let expected = train_in(&folder.path().join("whole"));
    let killed = folder.path().join("killed");
    std::fs::create_dir(&killed).unwrap();
    let mut random = chance(5);
    let mut kills = 0;
    loop {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let test = "training::coupled_kills::the_training_that_is_killed";
        command.args([test, "--exact", "--nocapture"]);
        command.env(CHILD, &killed).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        // A line for each of the 12 batches of an epoch, trained and validated.
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut batches = lines.filter(|line| line.as_ref().unwrap().contains("ProgressSnapshot"));
        if batches.nth((5 + random() % 14) as usize).is_none() {
            assert!(child.wait().unwrap().success());
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        assert!(kills < 60, "it never ends");
    }
    assert!(kills >= 2, "killed only {kills} times");
    let fresh = Net::seeded(99, &Device::flex());
    let found = fresh.load_masked(killed.join("done")).unwrap();
    assert_eq!(found.masks(), expected.masks());
    assert!(weights(&found) == weights(expected.model()));
}
