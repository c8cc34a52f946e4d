//! A training that is killed goes on from its newest complete checkpoint.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use burn::tensor::Device;
use burn::train::Learner;
use burn_prune::{Prunable, Pruning};
use examples_shared::Cnn;

use crate::learner::{Data, adam, checkpoint, cnn, weights};
use crate::schedules::wrap;

/// More than elsewhere, so that there is something to interrupt.
const EPOCHS: usize = 6;

const CHILD: &str = "BURN_PRUNE_STORIES_CHILD";

/// What the killed process does: resumes from the newest complete checkpoint and trains on.
fn train_in(dir: &Path, training: &Path) -> Pruning<Cnn> {
    let device = Device::flex().autodiff();
    let data = Data::small();
    let pruning = wrap(cnn(&device));
    let complete = |epoch: &usize| {
        let part = |name: &str| {
            let file = dir.join("checkpoint").join(format!("{name}-{epoch}.bpk"));
            burn::store::ModuleRecord::load(&file).is_ok() || (name != "model" && file.exists())
        };
        part("model") && part("optim") && part("scheduler")
    };
    let newest = (1..=EPOCHS).rev().find(complete);
    let training = data.training(training).num_epochs(EPOCHS);
    let training = training.with_default_checkpointers();
    let training = match newest {
        Some(epoch) => {
            pruning.check_checkpoint(checkpoint(dir, epoch)).unwrap();
            training.checkpoint(epoch)
        }
        None => training,
    };
    training.launch(Learner::new(pruning, adam(), 1e-3)).model
}

#[test]
fn the_process_that_is_killed() {
    if let Ok(dir) = std::env::var(CHILD) {
        let dir = PathBuf::from(dir);
        let trained = train_in(&dir, &dir);
        let done = trained.into_inner();
        done.save_masked(dir.join("done")).unwrap();
    }
}

#[test]
fn a_training_that_is_killed_again_and_again_ends_as_if_it_never_was() {
    let folder = tempfile::tempdir().unwrap();
    let expected = train_in(&folder.path().join("none"), &folder.path().join("whole"));
    let dir = folder.path().join("killed");
    std::fs::create_dir(&dir).unwrap();
    let child = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([
            "resume::the_process_that_is_killed",
            "--exact",
            "--nocapture",
        ]);
        command.env(CHILD, &dir).stdout(Stdio::piped());
        command.stderr(Stdio::null()).spawn().unwrap()
    };
    // SplitMix64: the same each run, and anywhere in an epoch.
    let mut state = 5u64;
    let mut random = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (z ^ (z >> 31)) >> 40
    };
    let mut kills = 0;
    loop {
        let mut child = child();
        // Burn prints a line for each of the 12 batches of an epoch, trained and validated. No more
        // than 20 of 72 at a time, so that it takes some kills.
        let patience = (5 + random() % 16) as usize;
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut batches = lines.filter(|line| {
            let line = line.as_ref().unwrap();
            line.contains("ProgressSnapshot")
        });
        if batches.nth(patience - 1).is_none() {
            assert!(child.wait().unwrap().success());
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        assert!(kills < 60, "it never ends");
    }
    println!("killed {kills} times");
    assert!(kills >= 3, "killed only {kills} times");
    let found = Cnn::new(&Device::flex())
        .load_masked(dir.join("done"))
        .unwrap();
    assert_eq!(found.masks(), expected.masks());
    assert!(weights(&found) == weights(&expected));
}
