//! A training that is killed goes on from its newest complete checkpoint.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use burn::tensor::Device;
use burn::train::Learner;
use burn_prune::{Prunable, Pruning};
use examples_shared::Cnn;

use crate::schedules::{Data, RUN, adam, checkpoint, cnn, weights, wrap};

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
    let newest = (1..=RUN.epochs).rev().find(complete);
    let training = data.training(training).with_default_checkpointers();
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
        command.args(["resume::the_process_that_is_killed", "--exact"]);
        command.env(CHILD, &dir).stdout(std::process::Stdio::null());
        command.stderr(std::process::Stdio::null()).spawn().unwrap()
    };
    // SplitMix64, so that the times are the same each run and fall anywhere.
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
        // Longer and longer, so that it comes to an end.
        let patience = 20 + random() % 200 + 10 * kills;
        std::thread::sleep(Duration::from_millis(patience));
        if child.try_wait().unwrap().is_some() && dir.join("done.bpk").exists() {
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
