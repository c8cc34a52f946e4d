//! A study on several machines.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use burn_prune::lottery::{Method, Moment, Rewind, Shard, StudyReport};

use super::{Lab, controlled, csv, plain};

#[test]
fn shards_are_disjoint_and_together_the_whole_study() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let search = |dir: &Path| {
        plain(dir)
            .seeds([0, 1])
            .method(controlled())
            .method(Method::new("rate", Rewind::learning_rate(Moment::Start)))
    };
    let expected = csv(&whole, &Lab::new().run(&search(&whole)).unwrap());
    for count in [2, 3, 7] {
        let dir = folder.path().join(format!("{count}"));
        let mut done = BTreeSet::new();
        for index in 0..count {
            let lab = Lab::new();
            // In order, so none has to wait.
            let sharded = search(&dir).shard(Shard::new(index, count).unwrap());
            let report = lab.run(&sharded.patience(Duration::ZERO)).unwrap();
            let own = lab.order.borrow().clone();
            assert!(own.iter().all(|cell| done.insert(cell.clone())), "twice");
            assert_eq!(report.missing.len(), 22 - done.len());
        }
        assert_eq!(csv(&dir, &StudyReport::read(&dir).unwrap()), expected);
    }
}

#[test]
fn a_shard_waits_for_cells_of_lower_ones_and_says_whose_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let search = |shard| plain(folder.path()).method(controlled()).shard(shard);
    let last = Shard::new(2, 3).unwrap();
    let error = Lab::new()
        .run(&search(last).patience(Duration::from_millis(10)))
        .unwrap_err();
    assert!(error.to_string().contains("belongs to shard 0"), "{error}");

    // Side by side.
    std::thread::scope(|scope| {
        let shards = (0..3).map(|index| {
            scope.spawn(move || {
                let shard = Shard::new(index, 3).unwrap();
                Lab::new().run(&search(shard)).unwrap();
            })
        });
        // The last one first.
        let shards: Vec<_> = shards.rev().collect();
        shards.into_iter().for_each(|shard| shard.join().unwrap());
    });
    assert!(StudyReport::read(folder.path()).unwrap().missing.is_empty());
}
