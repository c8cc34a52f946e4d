//! Checkpoints that do not say what they are, or in an old way: errors, never panics.

use burn::module::{Module, Param, ParamId};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use burn_prune::{Prunable, PruneError};
use chacha20::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use crate::learner::adam;
use crate::nets::batches;
use crate::recipes::{net, wrap};
use crate::schedules::global;

/// A checkpoint of burn-prune before recipes were data: their text, an integer a byte.
#[test]
fn a_checkpoint_from_before_recipes_were_data_is_told_and_its_model_loads() {
    #[derive(Module, Debug)]
    struct OldClock {
        steps: Param<Tensor<1, Int>>,
        recipe: Param<Tensor<1, Int>>,
    }
    #[derive(Module, Debug)]
    struct OldPruning<M: Module> {
        model: M,
        clock: OldClock,
    }
    let device = Device::flex().autodiff();
    let int = |values: Vec<i32>| {
        let data = TensorData::new(values.clone(), [values.len()]);
        Param::initialized(
            ParamId::new(),
            Tensor::<1, Int>::from_data(data, (&device, DType::I32)),
        )
    };
    let pruned = net().prune(&global().amount(0.5)).unwrap();
    let masks = pruned.masks();
    let text = "Pruner { criterion: Magnitude { n: 1.0 }, pattern: Unstructured } Gradual { .. }";
    let old = OldPruning {
        model: pruned,
        clock: OldClock {
            steps: int(vec![7]),
            recipe: int(text.bytes().map(i32::from).collect()),
        },
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model-1.bpk");
    old.save_file(&file).unwrap();

    let error = wrap(global()).check_checkpoint(&file).unwrap_err();
    assert!(
        matches!(
            error,
            PruneError::CheckpointVersion {
                found: 1,
                supported: 2,
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error.to_string().contains("Prunable::load_checkpoint"),
        "{error}"
    );
    let rejected = wrap(global()).resume_from(&file).unwrap_err();
    assert_eq!(rejected.error(), &error);
    let loaded = net().load_checkpoint(&file).unwrap();
    assert_eq!(loaded.masks(), masks);
}

#[test]
fn a_damaged_clock_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model-1.bpk");
    let pruning = wrap(global());
    let damage = |change: &dyn Fn(&str, &mut burn::tensor::TensorData)| {
        struct Change<'a>(Vec<String>, &'a dyn Fn(&str, &mut TensorData));
        impl burn::module::ModuleMapper for Change<'_> {
            fn enter_module(&mut self, name: &str, _container: &str) {
                self.0.push(name.to_string());
            }
            fn exit_module(&mut self, _name: &str, _container: &str) {
                self.0.pop();
            }
            fn map_int<const D: usize>(
                &mut self,
                param: Param<Tensor<D, Int>>,
            ) -> Param<Tensor<D, Int>> {
                let path = self.0.join(".");
                if !path.starts_with("clock.") {
                    return param;
                }
                param.map(|tensor| {
                    let device = tensor.device();
                    let mut data = tensor.into_data();
                    (self.1)(&path, &mut data);
                    let dtype = data.dtype();
                    Tensor::from_data(data, (&device, dtype))
                })
            }
        }
        let damaged = pruning.clone().map(&mut Change(Vec::new(), change));
        damaged.save_file(&file).unwrap();
        let error = wrap(global()).check_checkpoint(&file).unwrap_err();
        let loaded = wrap(global()).load_file(&file);
        // Not a panic either, and no silent start from 0.
        assert_eq!(loaded.steps(), 0);
        let grads = loaded
            .model()
            .gradients(&batches(1, &Device::flex().autodiff())[0])
            .1;
        assert!(loaded.try_step(&mut adam(), 1e-3, grads).is_err());
        error.to_string()
    };
    let negative = damage(&|path, data| {
        if path == "clock.steps" {
            *data = TensorData::new(vec![-1i32], [1]);
        }
    });
    assert!(
        negative.contains("number of steps is damaged"),
        "{negative}"
    );
    let blank = damage(&|path, data| {
        if path == "clock.recipe" {
            *data = TensorData::new(vec![0x2020_2020i32; 1024], [1024]);
        }
    });
    assert!(blank.contains("recipe is damaged"), "{blank}");
}

#[test]
fn no_damage_to_what_a_checkpoint_says_of_itself_is_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model-1.bpk");
    let pruning = wrap(global());
    pruning.clone().save_file(&file).unwrap();
    let whole = std::fs::read(&file).unwrap();
    let start = whole
        .windows(10)
        .position(|bytes| bytes == b"{\"pruned_a")
        .unwrap();
    let length = whole[start..]
        .iter()
        .position(|byte| *byte == b' ')
        .unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(6);
    let (mut refused, mut taken) = (0, 0);
    for _ in 0..600 {
        let mut bytes = whole.clone();
        for _ in 0..=random.next_u64() % 3 {
            let place = start + random.next_u64() as usize % length;
            bytes[place] = match random.next_u64() % 3 {
                0 => random.next_u64() as u8,
                1 => b"{}[]\",:0 "[random.next_u64() as usize % 9],
                _ => bytes[place] ^ (1 << (random.next_u64() % 8)),
            };
        }
        if bytes == whole {
            continue;
        }
        std::fs::write(&file, &bytes).unwrap();
        match pruning.check_checkpoint(&file) {
            Err(_) => refused += 1,
            Ok(()) => taken += 1,
        }
    }
    // Blanks between the parts of the JSON say the same.
    assert!(refused > 500 && taken < 20, "{refused} {taken}");
}
