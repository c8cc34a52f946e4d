//! Damaged files: refused with an error, or what they say can be used. Never a panic.

mod masked;
mod others;

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, LinearLayout};
use burn::store::ModuleRecord;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use burn_prune::{Prunable, PruneError, Rejected};

use crate::chance::{Chance, scale};
use crate::nets::seeded;

/// A small model with everything that a record has.
#[derive(Module, Debug)]
struct Small {
    rows: Linear,
    columns: Linear,
    norm: BatchNorm,
    steps: Param<Tensor<1, Int>>,
    flags: Param<Tensor<1, Bool>>,
}

impl Small {
    fn new(seed: u64) -> Self {
        let device = Device::flex();
        let columns = LinearConfig::new(3, 2).with_layout(LinearLayout::Col);
        let steps = Tensor::<1, Int>::from_data([3, -7], &device);
        let flags = Tensor::<1, Bool>::from_data([true, false, true], &device);
        seeded(
            Self {
                rows: LinearConfig::new(5, 3).init(&device),
                columns: columns.init(&device),
                norm: BatchNormConfig::new(2).init(&device),
                steps: Param::initialized(ParamId::new(), steps),
                flags: Param::initialized(ParamId::new(), flags),
            },
            seed,
        )
    }

    fn pruned(seed: u64) -> Self {
        let pruned = Self::new(seed).l1_unstructured(0.4).unwrap();
        pruned.zero_pruned()
    }

    /// Uses every parameter.
    fn used(&self) {
        let inputs = Tensor::<2>::ones([2, 5], &Device::flex());
        let hidden = self.columns.forward(self.rows.forward(inputs));
        let outputs = self.norm.forward::<2>(hidden).into_data();
        assert_eq!(outputs.shape().to_vec(), [2, 2]);
        let steps = self.steps.val().into_data();
        assert_eq!(steps.iter::<i64>().count(), 2);
        assert_eq!(self.flags.val().into_data().iter::<bool>().count(), 3);
        for (_, mask) in self.masks().iter() {
            assert_eq!(mask.iter().filter(|kept| *kept).count(), mask.kept());
        }
    }
}

type Content = Vec<(String, Option<ParamId>, TensorData)>;

/// Everything that a record has, bit for bit, but for the ids of statistics: those stay.
fn content<M: Module>(model: &M) -> Content {
    struct Walk {
        path: Vec<String>,
        found: Content,
    }

    impl Walk {
        fn add(&mut self, id: ParamId, data: TensorData) {
            let path = self.path.join(".");
            let id = (!path.contains("running")).then_some(id);
            self.found.push((path, id, data));
        }
    }

    impl ModuleVisitor for Walk {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_string());
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.add(param.id, param.base().into_data());
        }

        fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
            self.add(param.id, param.val().into_data());
        }

        fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
            self.add(param.id, param.val().into_data());
        }
    }

    let mut walk = Walk {
        path: Vec::new(),
        found: Vec::new(),
    };
    model.visit(&mut walk);
    walk.found
}

/// A file in a folder of its own.
struct File {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl File {
    fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        Self {
            _folder: folder,
            path,
        }
    }

    fn of(name: &str, write: impl FnOnce(&Path)) -> (Self, Vec<u8>) {
        let file = Self::new(name);
        write(&file.path);
        let bytes = fs::read(&file.path).unwrap();
        (file, bytes)
    }

    fn write(&self, bytes: &[u8]) -> &Path {
        // Some file systems wait for the disk where a file is cut off and written anew.
        drop(fs::remove_file(&self.path));
        fs::write(&self.path, bytes).unwrap();
        &self.path
    }
}

/// What Burn writes.
fn plain(record: ModuleRecord, path: &Path) {
    record.save(path).unwrap();
}

/// The model that was not changed, and a message that names the file.
fn refused<M: Module>(rejected: Rejected<M>, before: &Content, path: &Path) -> PruneError {
    let (model, error) = rejected.into_parts();
    assert!(content(&model) == *before, "the refused model has changed");
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(error.to_string().contains(name), "{error}");
    error
}

/// Every place of some bytes with other values, in turn: one in a short run.
fn other_bytes(bytes: &[u8], mut test: impl FnMut(usize, &[u8])) {
    let mut chance = Chance::new(0);
    let mut damaged = bytes.to_vec();
    for (place, byte) in bytes.iter().enumerate() {
        let random = chance.bits().to_le_bytes()[0];
        let mut others = [byte ^ 1, random, byte ^ 0x80, !byte];
        others.rotate_left(place % 4);
        for other in others.into_iter().take(scale()) {
            if other != *byte {
                damaged[place] = other;
                test(place, &damaged);
            }
        }
        damaged[place] = *byte;
    }
}

/// These bytes after one to three accidents.
fn damaged(bytes: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut damaged = bytes.to_vec();
    for _ in 0..chance.between(1, 3) {
        if !damaged.is_empty() {
            damage(&mut damaged, chance);
        }
    }
    damaged
}

fn damage(bytes: &mut Vec<u8>, chance: &mut Chance) {
    let place = chance.below(bytes.len());
    let longest = bytes.len() - place;
    let length = match chance.below(3) {
        0 => longest.min(chance.between(1, 4)),
        1 => longest.min(chance.between(1, 64)),
        _ => chance.between(1, longest),
    };
    let run = place..place + length;
    match chance.below(12) {
        0 => bytes[place] = chance.bits().to_le_bytes()[0],
        1 => bytes[place] ^= 1 << chance.below(8),
        2 => bytes[run].fill(0),
        3 => bytes[run].fill(0xff),
        4 => bytes[run].fill_with(|| chance.bits().to_le_bytes()[0]),
        5 => bytes.truncate(place),
        6 => drop(bytes.drain(run)),
        7 => {
            let repeated = bytes[run].to_vec();
            bytes.splice(place..place, repeated);
        }
        8 => {
            let random = (0..length.min(40)).map(|_| chance.bits().to_le_bytes()[0]);
            let random: Vec<u8> = random.collect();
            bytes.splice(place..place, random);
        }
        9 => {
            // Two blocks in each other's place.
            let other = chance.below(bytes.len() - length + 1);
            for offset in 0..length {
                bytes.swap(place + offset, other + offset);
            }
        }
        10 => {
            // A length, an offset or a count that is far off.
            let huge = [
                0,
                1,
                u32::MAX.into(),
                1 << 31,
                1 << 45,
                u64::MAX,
                u64::MAX / 8,
            ];
            let huge = chance.pick(&huge).to_le_bytes();
            let width = longest.min(*chance.pick(&[2, 4, 8]));
            bytes[place..place + width].copy_from_slice(&huge[..width]);
        }
        _ => bytes.extend((0..length).map(|_| chance.bits().to_le_bytes()[0])),
    }
}
