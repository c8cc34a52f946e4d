//! Studies that grow by rounds, seeds, methods and shards, in any order.

use std::path::Path;
use std::time::Duration;

use burn_prune::lottery::{
    Control, LotteryError, LotteryTicketSearch, Method, Moment, Rewind, Shard,
};

use super::csv;
use super::tiny::{Trainings, plain};
use crate::chance::{Chance, for_seeds};

fn methods(rounds: usize) -> Vec<Method> {
    let rate = Method::new("rate", Rewind::learning_rate(Moment::Start));
    let late = Rewind {
        schedule_to: Moment::Step(1),
        ..Rewind::to_initialization()
    };
    let mut ticket = Method::new("ticket", Rewind::to_initialization());
    for (control, of) in [
        (Control::ShuffledMask, vec![1, 2]),
        (Control::Reinitialized, vec![3]),
    ] {
        let of: Vec<usize> = of.into_iter().filter(|round| *round <= rounds).collect();
        if !of.is_empty() {
            ticket = ticket.control(control, of);
        }
    }
    vec![ticket, rate, Method::new("late", late)]
}

/// A part of the study.
fn part(dir: &Path, chance: &mut Chance) -> LotteryTicketSearch<'static> {
    let mut seeds: Vec<u64> = (0..3).filter(|_| chance.once_in(2)).collect();
    if seeds.is_empty() {
        seeds.push(2);
    }
    if chance.once_in(2) {
        seeds.reverse();
    }
    let rounds = chance.between(1, 3);
    let mut methods = methods(rounds);
    if chance.once_in(3) {
        methods.pop();
    }
    if chance.once_in(2) {
        methods.reverse();
    }
    let count = chance.between(1, 5);
    let shard = Shard::new(chance.below(count), count).unwrap();
    let search = plain(dir).seeds(seeds).rounds(rounds).shard(shard);
    let search = search.patience(Duration::from_millis(1));
    methods
        .into_iter()
        .fold(search, LotteryTicketSearch::method)
}

fn whole(dir: &Path) -> LotteryTicketSearch<'static> {
    let search = plain(dir).seeds([2, 0, 1]).rounds(3);
    methods(3)
        .into_iter()
        .fold(search, LotteryTicketSearch::method)
}

fn sorted(csv: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = csv.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn in_whatever_parts_a_study_is_run_each_cell_is_trained_once_and_comes_out_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("straight");
    let straight = csv(&dir, &Trainings::default().run(&whole(&dir)).unwrap());
    for_seeds(8, |seed, chance| {
        let dir = folder.path().join(seed.to_string());
        let trainings = Trainings::default();
        for _ in 0..chance.below(5) {
            match trainings.run(&part(&dir, chance)) {
                // For a shard that is not run here.
                Ok(_) | Err(LotteryError::Waited { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        let report = trainings.run(&whole(&dir)).unwrap();
        assert_eq!(trainings.cells().len(), report.rows.len());
        assert_eq!(sorted(&csv(&dir, &report)), sorted(&straight));
    });
}
