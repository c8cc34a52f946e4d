//! Files are whole whenever the process that writes them is killed.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use burn::tensor::Device;
use burn_prune::lottery::Ticket;
use burn_prune::{MaskSet, Prunable};

use crate::chance::{Chance, scale};
use crate::nets::{Net, seeded, values};

const CHILD: &str = "BURN_PRUNE_SAVING_CHILD";

/// One of two networks, with all that is saved of it.
fn net(seed: u64) -> Net {
    let net = seeded(Net::new(&Device::flex()), seed);
    net.l1_unstructured(0.5).unwrap().zero_pruned()
}

fn save(net: &Net, folder: &Path) {
    net.save_masked(folder.join("net.bpk")).unwrap();
    net.masks().save(folder.join("net.mask")).unwrap();
    let ticket = Ticket::new(net.clone(), net.masks());
    ticket.save(folder.join("net.ticket")).unwrap();
}

#[test]
fn the_process_that_saves_until_it_is_killed() {
    let Ok(folder) = std::env::var(CHILD) else {
        return;
    };
    let folder = PathBuf::from(folder);
    let nets = [net(1), net(2)];
    for net in nets.iter().cycle() {
        save(net, &folder);
        println!("saved");
    }
}

#[test]
fn files_are_those_of_one_save_or_of_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let nets = [net(1), net(2)];
    let mut chance = Chance::new(3);
    for _ in 0..8 * scale() {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let test = "kills::the_process_that_saves_until_it_is_killed";
        command.args([test, "--exact", "--nocapture"]);
        command.env(CHILD, folder.path()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut saved = lines.filter(|line| line.as_ref().unwrap().contains("saved"));
        assert!(saved.nth(chance.below(4)).is_some(), "the child has ended");
        // It is in the next save by now, anywhere.
        for spin in 0..chance.below(2_000_000) {
            std::hint::black_box(spin);
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let fresh = || Net::new(&Device::flex());
        let loaded = fresh().load_masked(folder.path().join("net.bpk")).unwrap();
        let weights = |net: &Net| values(net.fc1.weight.val());
        let same = |net: &Net| weights(net) == weights(&loaded) && net.masks() == loaded.masks();
        assert!(nets.iter().any(same));
        let masks = MaskSet::load(folder.path().join("net.mask")).unwrap();
        assert!(nets.iter().any(|net| net.masks() == masks));
        let ticket = Ticket::load(folder.path().join("net.ticket")).unwrap();
        let ticket = ticket.apply(fresh()).unwrap();
        let same = |net: &Net| weights(net) == weights(&ticket) && net.masks() == ticket.masks();
        assert!(nets.iter().any(same));
    }
}
