//! Whenever the process that cuts checkpoints is killed, the large checkpoint is whole, and the small
//! one is that of one plan or has no model.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use burn::module::Module;
use burn::tensor::Device;
use burn::train::Learner;
use burn_prune::Prunable;
use burn_prune_deploy::ShrinkPlan;

use super::net::{Net, halved_net, plan_without};
use super::{adam, chance, rate, training};
use crate::common::values;

const CHILD: &str = "BURN_PRUNE_SHRINKING_CHILD";

fn plans() -> [ShrinkPlan; 2] {
    [0.25, 0.5].map(plan_without)
}

fn shrink(plan: &ShrinkPlan, folder: &Path, to: &str) {
    let (from, to) = (folder.join("large").join("checkpoint"), folder.join(to));
    let model = Net::new(&Device::flex());
    plan.shrink_checkpoint(&model, from, 1, to).unwrap();
}

const NAMES: [&str; 3] = ["model-1.bpk", "optim-1.bpk", "scheduler-1.bpk"];

fn files(folder: &Path) -> [Vec<u8>; 3] {
    NAMES.map(|name| fs::read(folder.join(name)).unwrap())
}

/// The plan that a small checkpoint is of. Not by its bytes: Burn gives statistics new ids.
fn plan_of(folder: &Path, expected: &[PathBuf; 2]) -> Option<usize> {
    let [_, optimizer, scheduler] = files(folder);
    let read = |folder: &Path, plan: &ShrinkPlan| {
        let small = plan.apply(&Net::new(&Device::flex())).unwrap();
        let small = small.try_load_file(folder.join(NAMES[0])).ok()?;
        Some(values(small.forward(Net::example(&Device::flex()))))
    };
    plans().iter().zip(expected).position(|(plan, expected)| {
        let whole = files(expected);
        read(folder, plan) == read(expected, plan)
            && whole[1..] == [optimizer.clone(), scheduler.clone()]
    })
}

#[test]
fn the_process_that_cuts_until_it_is_killed() {
    let Ok(folder) = std::env::var(CHILD) else {
        return;
    };
    let folder = PathBuf::from(folder);
    for plan in plans().iter().cycle() {
        shrink(plan, &folder, "small");
        println!("cut");
    }
}

#[test]
fn a_killed_cut_leaves_one_whole_checkpoint_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let device = Device::flex().autodiff();
    let large = folder.join("large");
    // What both plans cut is masked.
    let masked = Net::new(&device).with_masks(&halved_net().0).unwrap();
    training(&large, 1).launch(Learner::new(masked, adam(), rate()));
    let checkpoint = large.join("checkpoint");
    let before = files(&checkpoint);
    let expected = ["first", "second"].map(|name| folder.join(name));
    for (plan, to) in plans().iter().zip(["first", "second"]) {
        shrink(plan, folder, to);
    }

    let mut random = chance(9);
    for _ in 0..10 {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let test = "training::checkpoint_kills::the_process_that_cuts_until_it_is_killed";
        command.args([test, "--exact", "--nocapture"]);
        command.env(CHILD, folder).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut cuts = lines.filter(|line| line.as_ref().unwrap().contains("cut"));
        assert!(
            cuts.nth((random() % 4) as usize).is_some(),
            "the child has ended"
        );
        for spin in 0..random() % 4_000_000 {
            std::hint::black_box(spin);
        }
        child.kill().unwrap();
        child.wait().unwrap();

        assert!(files(&checkpoint) == before);
        let small = folder.join("small");
        if small.join(NAMES[0]).exists() {
            assert!(plan_of(&small, &expected).is_some(), "it has parts of two");
        }
    }
    // The next cut is a whole one.
    shrink(&plans()[1], folder, "small");
    assert_eq!(plan_of(&folder.join("small"), &expected), Some(1));
}
