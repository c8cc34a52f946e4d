//! Damaged mask files, tickets, state dicts of PyTorch and recipes, their checksums made anew.

use burn::config::Config;
use burn::module::{Module, ParamGroup};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::Device;
use burn_prune::lottery::Ticket;
use burn_prune::{
    Allocation, Magnitude, MaskSet, Prunable, Pruner, Recipe, ScheduleConfig, Span, TrainingLength,
};

use super::{File, Small, content, damaged, other_bytes};
use crate::chance::for_seeds;
use crate::torch_file::TorchFile;

/// The same with the CRC-32 that mask files and tickets end in.
fn with_checksum(bytes: &[u8]) -> Vec<u8> {
    let content = &bytes[..bytes.len().saturating_sub(4)];
    [content, &crc32fast::hash(content).to_le_bytes()].concat()
}

#[test]
fn no_damage_to_a_mask_file_makes_a_panic() {
    let model = Small::pruned(1);
    let (file, bytes) = File::of("small.mask", |path| model.masks().save(path).unwrap());
    let target = Small::new(2);
    let before = content(&target);
    let mut loaded = 0;
    let mut attack = |damaged: &[u8]| {
        let Ok(masks) = MaskSet::load(file.write(damaged)) else {
            return;
        };
        loaded += 1;
        assert!(masks.sparsity() <= 1.0);
        assert!(!masks.to_string().is_empty());
        match target.valid().with_masks(&masks) {
            Ok(masked) => assert!(
                masks
                    .iter()
                    .all(|(path, _)| masked.masks().get(path).is_some())
            ),
            Err(rejected) => assert!(content(&rejected.into_model()) == before),
        }
    };
    other_bytes(&bytes, |_, damaged| {
        attack(&with_checksum(damaged));
        if damaged != bytes {
            MaskSet::load(file.write(damaged)).unwrap_err();
        }
    });
    for_seeds(1_000, |_, chance| {
        attack(&with_checksum(&damaged(&bytes, chance)))
    });
    assert!(loaded > 0, "nothing was tried to the end");
}

#[test]
fn no_damage_to_a_ticket_makes_a_panic() {
    let model = Small::new(1);
    let masks = model.clone().l1_unstructured(0.4).unwrap().masks();
    let file = File::new("small.ticket");
    Ticket::new(model, masks).save(&file.path).unwrap();
    let bytes = std::fs::read(&file.path).unwrap();
    let target = Small::new(2);
    let before = content(&target);
    let mut applied = 0;
    let mut attack = |damaged: &[u8]| {
        let Ok(ticket) = Ticket::load(file.write(damaged)) else {
            return;
        };
        match ticket.apply(target.valid()) {
            Ok(model) => {
                model.used();
                applied += 1;
            }
            Err(rejected) => assert!(content(&rejected.into_model()) == before),
        }
    };
    other_bytes(&bytes, |_, damaged| {
        attack(&with_checksum(damaged));
        if damaged != bytes {
            Ticket::load(file.write(damaged)).unwrap_err();
        }
    });
    for_seeds(500, |_, chance| {
        attack(&with_checksum(&damaged(&bytes, chance)))
    });
    assert!(applied > 0, "nothing was tried to the end");
}

fn state_dict() -> TorchFile {
    TorchFile::default()
        .floats("weight_orig", &[2, 3], &[1.0, -2.0, 3.0, -4.0, 5.0, -6.0])
        .floats("weight_mask", &[2, 3], &[1.0, 0.0, 1.0, 1.0, 0.0, 1.0])
        .floats("bias", &[2], &[0.5, -0.5])
}

#[test]
fn no_damage_to_a_state_dict_makes_a_panic() {
    let target: Linear = LinearConfig::new(3, 2).init(&Device::flex());
    let before = content(&target);
    let file = File::new("model.pt");
    let mut loaded = 0;
    let mut attack = |damaged: &[u8]| match target.valid().load_pytorch(file.write(damaged)) {
        Ok(layer) => {
            loaded += 1;
            assert_eq!(layer.weight.val().into_data().iter::<f32>().count(), 6);
            assert!(layer.masks().sparsity() <= 1.0);
        }
        Err(rejected) => assert!(content(&rejected.into_model()) == before),
    };
    let whole = state_dict();
    let bytes = whole.to_bytes();
    attack(&bytes);
    other_bytes(&bytes, |_, damaged| attack(damaged));
    // Damaged inside an archive that is whole.
    for_seeds(500, |_, chance| {
        attack(&damaged(&bytes, chance));
        let damaged = whole.with_content(chance.below(4), |content| damaged(content, chance));
        attack(&damaged.to_bytes());
    });
    assert!(loaded > 1, "nothing was tried to the end");
}

#[test]
fn no_damage_to_a_recipe_makes_a_panic() {
    let pruner = Pruner::new(Magnitude::l1())
        .allocation(Allocation::Global)
        .only(ParamGroup::from_path("rows.weight"))
        .min_density(0.125);
    let recipe = Recipe::new(pruner, ScheduleConfig::cubic(0.8, Span::steps(0, 8, 2)));
    let json = serde_json::to_vec(&recipe).unwrap();
    let model = Small::new(1);
    let before = content(&model);
    let mut wrapped = 0;
    let mut attack = |json: &[u8]| {
        let Ok(recipe) = Recipe::load_binary(json) else {
            return;
        };
        match recipe.wrap(
            model.clone(),
            TrainingLength {
                epochs: 1,
                steps_per_epoch: 10,
            },
        ) {
            Ok(pruning) => {
                wrapped += 1;
                assert!(pruning.sparsity() <= 1.0);
            }
            Err(rejected) => assert!(content(&rejected.into_model()) == before),
        }
    };
    attack(&json);
    other_bytes(&json, |_, damaged| attack(damaged));
    for_seeds(500, |_, chance| {
        attack(&damaged(&json, chance));
        // Other digits leave a recipe that can be read.
        let mut digits = json.clone();
        for byte in digits.iter_mut().filter(|byte| byte.is_ascii_digit()) {
            if chance.once_in(3) {
                *byte = b'0' + chance.below(10) as u8;
            }
        }
        attack(&digits);
    });
    assert!(wrapped > 1, "nothing was tried to the end");
}
