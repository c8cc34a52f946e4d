//! Damaged records: those of burn-prune, which have a digest, and those of plain Burn.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, SgdConfig};
use burn::store::ModuleRecord;
use burn::tensor::Device;
use burn_prune::{Magnitude, Prunable, Pruner, Pruning, ScheduleConfig, Span, TrainingLength};

use super::{File, Small, content, damaged, other_bytes, plain, refused};
use crate::chance::for_seeds;

#[test]
fn no_byte_of_a_masked_file_changes_unnoticed() {
    let saved = Small::pruned(1);
    let (file, bytes) = File::of("small.bpk", |path| saved.save_masked(path).unwrap());
    let load = |bytes: &[u8]| Small::new(2).load_masked(file.write(bytes));
    assert_eq!(content(&load(&bytes).unwrap()), content(&saved));

    let target = Small::new(2);
    let before = content(&target);
    other_bytes(&bytes, |place, damaged| {
        let loaded = target.valid().load_masked(file.write(damaged));
        let rejected = loaded.err().unwrap_or_else(|| panic!("byte {place}"));
        refused(rejected, &before, &file.path);
    });
}

#[test]
fn no_accident_to_a_masked_file_goes_unnoticed() {
    let saved = Small::pruned(1);
    let (file, bytes) = File::of("small.bpk", |path| saved.save_masked(path).unwrap());
    let target = Small::new(2);
    let before = content(&target);
    for_seeds(500, |_, chance| {
        let damaged = damaged(&bytes, chance);
        if damaged != bytes {
            let loaded = target.valid().load_masked(file.write(&damaged));
            refused(loaded.unwrap_err(), &before, &file.path);
        }
    });
}

#[test]
fn a_file_whose_digest_was_taken_away_is_refused() {
    let saved = Small::pruned(1);
    let (file, bytes) = File::of("small.bpk", |path| saved.save_masked(path).unwrap());
    for name in ["burn-prune.sha256", "burn-prune.version"] {
        let place = bytes
            .windows(name.len())
            .position(|window| window == name.as_bytes())
            .unwrap();
        let mut renamed = bytes.clone();
        renamed[place] = b'B';
        let error = Small::new(2).load_masked(file.write(&renamed)).unwrap_err();
        assert!(error.to_string().contains("damaged"), "{error}");
    }
}

#[test]
fn a_newer_version_is_named() {
    let saved = Small::pruned(1);
    let (file, mut bytes) = File::of("small.bpk", |path| saved.save_masked(path).unwrap());
    // `{"burn-prune.version": {"UInt": 1}}` in CBOR.
    let name = b"burn-prune.version\xa1\x64UInt\x01";
    let place = bytes.windows(name.len()).position(|window| window == name);
    bytes[place.unwrap() + name.len() - 1] = 2;
    let error = Small::new(2).load_masked(file.write(&bytes)).unwrap_err();
    assert!(error.to_string().contains("version 2"), "{error}");
}

/// Burn gives no digest, and neither did burn-prune at first.
#[test]
fn files_without_a_digest_load() {
    let saved = Small::pruned(1);
    let (file, _) = File::of("small.bpk", |path| plain(saved.masked_record(), path));
    let loaded = Small::new(2).load_masked(&file.path).unwrap();
    assert_eq!(content(&loaded), content(&saved));
}

#[test]
fn plain_burn_loads_a_file_with_a_digest() {
    let layer = |seed| crate::nets::seeded(LinearConfig::new(5, 3).init(&Device::flex()), seed);
    let pruned = |seed| layer(seed).l1_unstructured(0.4).unwrap().zero_pruned();
    let saved = pruned(1);
    let file = File::new("layer.bpk");
    saved.save_masked(&file.path).unwrap();
    assert!(content(&pruned(2).load_file(&file.path)) == content(&saved));
    let record = ModuleRecord::load(&file.path).unwrap().allow_unused(true);
    let dense = layer(2).load_record(record);
    assert_eq!(
        dense.weight.val().into_data(),
        saved.weight.val().into_data()
    );
}

#[test]
fn a_loaded_model_does_not_follow_its_file() {
    let (first, second) = (Small::pruned(1), Small::pruned(2));
    let file = File::new("small.bpk");
    first.save_masked(&file.path).unwrap();
    let loaded = Small::new(3).load_masked(&file.path).unwrap();
    second.save_masked(&file.path).unwrap();
    assert_eq!(content(&loaded), content(&first));
    std::fs::remove_file(&file.path).unwrap();
    assert_eq!(content(&loaded), content(&first));
}

/// Without a digest damage may go unnoticed, but what is loaded can be used.
fn usable_or_refused(file: &File, damaged: &[u8], target: &Small) -> bool {
    let before = content(target);
    let path = file.write(damaged);
    match target.valid().load_masked(path) {
        Ok(loaded) => {
            loaded.used();
            true
        }
        Err(rejected) => {
            let message = rejected.to_string();
            let (model, _) = rejected.into_parts();
            assert_eq!(content(&model), before);
            assert!(!message.is_empty());
            false
        }
    }
}

#[test]
fn no_byte_of_a_plain_record_makes_a_panic() {
    let (file, bytes) = File::of("small.bpk", |path| {
        plain(Small::pruned(1).into_record(), path);
    });
    let target = Small::new(2);
    let mut loaded = 0;
    other_bytes(&bytes, |_, damaged| {
        loaded += usize::from(usable_or_refused(&file, damaged, &target));
    });
    assert!(loaded > 0, "nothing was tried to the end");
}

#[test]
fn no_accident_to_a_plain_record_makes_a_panic() {
    let (file, bytes) = File::of("small.bpk", |path| {
        plain(Small::pruned(1).into_record(), path);
    });
    let target = Small::new(2);
    for_seeds(500, |_, chance| {
        usable_or_refused(&file, &damaged(&bytes, chance), &target);
    });
}

fn pruning(seed: u64) -> Pruning<Linear> {
    let layer = LinearConfig::new(5, 3).init(&Device::flex().autodiff());
    let schedule = ScheduleConfig::cubic(0.8, Span::steps(0, 8, 2));
    let schedule = schedule
        .build(TrainingLength {
            epochs: 1,
            steps_per_epoch: 10,
        })
        .unwrap();
    let pruner = Pruner::new(Magnitude::l1());
    Pruning::new(crate::nets::seeded(layer, seed), pruner, schedule).unwrap()
}

#[test]
fn no_damage_to_a_checkpoint_makes_a_panic() {
    let mut trained = pruning(1);
    let mut optimizer = SgdConfig::new().init();
    for _ in 0..3 {
        let gradients = GradientsParams::new();
        trained = trained.step(&mut optimizer, 0.1, gradients);
    }
    let (file, bytes) = File::of("model-1.bpk", |path| {
        plain(trained.clone().into_record(), path);
    });
    let target = pruning(2);
    target.check_checkpoint(&file.path).unwrap();
    let layer = LinearConfig::new(5, 3).init(&Device::flex());
    let loaded = layer.clone().load_checkpoint(&file.path).unwrap();
    assert_eq!(loaded.masks(), trained.masks());

    let mut accepted = 0;
    let mut attack = |damaged: &[u8]| {
        let path = file.write(damaged);
        let fits = target.check_checkpoint(path).is_ok();
        if let Ok(loaded) = layer.clone().load_checkpoint(path) {
            assert!(loaded.sparsity_report().sparsity() <= 1.0);
        }
        if fits {
            accepted += 1;
            // What `Learner` does next.
            let resumed = target.clone().load_file(path);
            let gradients = GradientsParams::new();
            let resumed = resumed.step(&mut SgdConfig::new().init(), 0.1, gradients);
            assert!(resumed.sparsity() <= 1.0);
        }
    };
    other_bytes(&bytes, |_, damaged| attack(damaged));
    for_seeds(500, |_, chance| attack(&damaged(&bytes, chance)));
    assert!(accepted > 0, "nothing was tried to the end");
}
