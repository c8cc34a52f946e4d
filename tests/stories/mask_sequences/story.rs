//! A model, what is done to it, and what has to be true of it then.

use burn::module::Module;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, ModuleOptimizer, SgdConfig};
use burn::store::ModuleRecord;
use burn::tensor::Device;
use burn_prune::{Mask, MaskMode, MaskSet, Prunable};
use burn_store::{ModuleSnapshot, SafetensorsStore};
use proptest::prelude::*;

use super::deed::{Deed, Mapper, Where, twice};
use super::small::{CONV, LINEAR, Small};
use crate::nets::values;

const PATHS: [&str; 3] = ["conv.weight", "first.weight", "second.weight"];

/// Random masks of these layers, a function of the seed.
fn masks(layers: Where, seed: u64) -> MaskSet {
    let chosen = PATHS.iter().zip(layers).filter(|(_, chosen)| *chosen);
    let masks = chosen.enumerate().map(|(layer, (path, _))| {
        let shape: &[usize] = if *path == "conv.weight" {
            &CONV
        } else {
            &LINEAR
        };
        let count: usize = shape.iter().product();
        let hash = |index: usize| {
            let mixed = (seed * 31 + layer as u64) * 1009 + index as u64;
            mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60
        };
        let kept: Vec<bool> = (0..count).map(|index| hash(index) < 10).collect();
        (path.to_string(), Mask::from_kept(shape, &kept).unwrap())
    });
    masks.collect()
}

/// The model, and what its masks have to be.
pub(super) struct Story {
    model: Small,
    masks: MaskSet,
    mode: MaskMode,
    sgd: ModuleOptimizer,
    adam: ModuleOptimizer,
    device: Device,
}

impl Story {
    pub(super) fn new(seed: u64, mode: MaskMode) -> Self {
        let device = Device::flex().autodiff();
        let set = masks([true, true, seed.is_multiple_of(2)], seed);
        let model = Small::new(seed, &device).with_masks(&set).unwrap();
        let momentum = MomentumConfig::new().with_momentum(0.9);
        Self {
            model: model.with_mask_mode(mode).unwrap(),
            masks: set,
            mode,
            sgd: SgdConfig::new().with_momentum(Some(momentum)).init(),
            adam: AdamConfig::new().init(),
            device,
        }
    }

    fn masked(&self) -> Where {
        PATHS.map(|path| self.masks.get(path).is_some())
    }

    /// A record of a model whose masks are at the same places.
    fn other(&self, seed: u64) -> (Small, MaskSet) {
        let set = masks(self.masked(), seed);
        let other = Small::new(seed + 1, &Device::flex());
        (other.with_masks(&set).unwrap(), set)
    }

    fn dense(&self, seed: u64) -> ModuleRecord {
        Small::new(seed + 2, &Device::flex()).into_record()
    }

    pub(super) fn act(mut self, deed: Deed) -> Self {
        let any_masks = self.masked().contains(&true);
        let model = self.model;
        self.model = match deed {
            Deed::OwnRecord => {
                let record = model.clone().into_record();
                model.load_record(record)
            }
            Deed::OnReadRecord(seed) => {
                self.model = model;
                let (other, set) = if any_masks {
                    self.other(seed)
                } else {
                    (Small::new(seed, &Device::flex()), MaskSet::new())
                };
                self.masks = set;
                self.model.load_record(other.into_record())
            }
            Deed::DensePartialRecord(seed) => {
                let record = Small::new(seed, &Device::flex()).into_record();
                model.load_record(record.allow_partial(true))
            }
            Deed::Safetensors(seed) => {
                let folder = tempfile::tempdir().unwrap();
                let file = folder.path().join("dense.safetensors");
                let dense = Small::new(seed, &Device::flex());
                dense
                    .save_into(&mut SafetensorsStore::from_file(&file))
                    .unwrap();
                let mut store = SafetensorsStore::from_file(&file).allow_partial(true);
                let mut model = model;
                model.load_from(&mut store).unwrap();
                model
            }
            Deed::MaskedRecord(seed) => {
                self.model = model;
                if any_masks {
                    let (other, set) = self.other(seed);
                    self.masks = set;
                    self.model
                        .load_masked_record(other.masked_record())
                        .unwrap()
                } else {
                    self.model
                }
            }
            Deed::Map(change) => model.map(&mut Mapper(change)),
            Deed::Step => {
                let model = if model.first.weight.base().is_require_grad() {
                    model
                } else {
                    model.fork(&self.device).unfreeze().train()
                };
                let gradients = model.gradients();
                let model = self.sgd.step(0.01, model, gradients);
                let gradients = model.gradients();
                self.adam.step(0.01, model, gradients)
            }
            Deed::ZeroPruned => model.zero_pruned(),
            Deed::Valid => model.valid(),
            Deed::Train => model.train(),
            Deed::Clone => model.clone(),
            Deed::Fork => model.fork(&self.device),
            // Of a trainable model it would make one that Burn cannot train.
            Deed::ToDevice => model.valid().to_device(&Device::flex()),
            Deed::FreezeAndBack => model.freeze().unfreeze(),
            Deed::WithMasks(layers, seed) => {
                let set = masks(layers, seed);
                if set.is_empty() {
                    model
                } else {
                    self.masks = in_order(PATHS.map(|path| {
                        let (before, with) = (self.masks.get(path), set.get(path));
                        match (before.cloned(), with) {
                            (Some(before), Some(with)) => Some(before.intersect(with).unwrap()),
                            (before, with) => before.or(with.cloned()),
                        }
                    }));
                    model.with_masks(&set).unwrap()
                }
            }
            Deed::ReplaceMasks(layers, seed) => {
                let set = masks(layers, seed);
                if set.is_empty() {
                    model
                } else {
                    self.masks =
                        in_order(PATHS.map(|path| set.get(path).or(self.masks.get(path)).cloned()));
                    model.replace_masks(&set).unwrap()
                }
            }
            Deed::Mode(after_step) if any_masks => {
                self.mode = if after_step {
                    MaskMode::AfterStep
                } else {
                    MaskMode::OnRead
                };
                model.with_mask_mode(self.mode).unwrap()
            }
            Deed::Mode(_) => model,
            Deed::Rewind(seed) => {
                self.model = model;
                let record = self.dense(seed);
                self.model.rewind(record).unwrap()
            }
            Deed::WriteField(layer) => {
                let mut model = model;
                match layer {
                    0 => model.conv.weight = twice(model.conv.weight),
                    1 => model.first.weight = twice(model.first.weight),
                    _ => model.second.weight = twice(model.second.weight),
                }
                self.masks = in_order(PATHS.map(|path| {
                    let kept = path != PATHS[layer];
                    self.masks.get(path).filter(|_| kept).cloned()
                }));
                model
            }
        };
        if !self.masked().contains(&true) {
            // The mode is a property of the masks.
            self.mode = MaskMode::OnRead;
        }
        self
    }

    pub(super) fn check(&self) -> Result<(), TestCaseError> {
        let report = self.model.sparsity_report();
        prop_assert_eq!(&self.model.masks(), &self.masks);
        let mut zeros = 0;
        for (path, read, stored) in self.model.weights() {
            let row = report.get(path).unwrap();
            let counted = read.iter().filter(|weight| **weight == 0.0).count();
            prop_assert_eq!(row.zeros, counted, "{}", path);
            prop_assert_eq!(row.masked, self.masks.get(path).is_some());
            zeros += counted;
            for (index, (read, stored)) in read.iter().zip(&stored).enumerate() {
                let pruned = self
                    .masks
                    .get(path)
                    .is_some_and(|mask| !mask.is_kept(index));
                let expected = if pruned { 0 } else { stored.to_bits() };
                prop_assert_eq!(read.to_bits(), expected, "{} {} {}", path, index, stored);
            }
        }
        prop_assert_eq!(report.zeros(), zeros);
        if self.model.first.weight.base().is_require_grad() {
            self.check_gradients()?;
        }
        Ok(())
    }

    /// Of what is kept and of what is dense: all of it. Of a pruned weight: 0 on read, all of it
    /// after the step, but for one that is not finite.
    fn check_gradients(&self) -> Result<(), TestCaseError> {
        let gradients = self.model.gradients();
        let found = [
            gradients.get::<4>(self.model.conv.weight.id).map(values),
            gradients.get::<2>(self.model.first.weight.id).map(values),
            gradients.get::<2>(self.model.second.weight.id).map(values),
        ];
        for ((path, _, stored), found) in self.model.weights().into_iter().zip(found) {
            let Some(found) = found else {
                continue;
            };
            for (index, (gradient, stored)) in found.iter().zip(&stored).enumerate() {
                let pruned = self
                    .masks
                    .get(path)
                    .is_some_and(|mask| !mask.is_kept(index));
                let all = (index + 1) as f32;
                let expected = match self.mode {
                    MaskMode::OnRead if pruned => 0.0,
                    _ => all,
                };
                let excused = self.mode == MaskMode::AfterStep && !stored.is_finite();
                prop_assert!(
                    *gradient == expected || excused && *gradient == 0.0,
                    "{path} {index} stored {stored}: {gradient}, not {expected}"
                );
            }
        }
        Ok(())
    }
}

fn in_order(masks: [Option<Mask>; 3]) -> MaskSet {
    let masks = PATHS.iter().zip(masks);
    masks
        .filter_map(|(path, mask)| Some((path.to_string(), mask?)))
        .collect()
}
