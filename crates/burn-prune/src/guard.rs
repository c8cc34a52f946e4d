//! Detects lost masks.

use std::collections::{HashMap, HashSet};

#[cfg(feature = "optim")]
use burn::module::Reparameterization;
use burn::module::{Module, Param, ParamId};
use burn::tensor::{Device, Int, Tensor};

use crate::error::PruneError;
use crate::mask::{MaskMode, Trust, WeightMask};
use crate::model::{Inventory, Position, WeightVisitor, attach_at, visit};
use crate::rejected::{Rejected, accept};

/// Detects masks that a model has lost, for training loops of your own.
///
/// A mask belongs to its parameter, and what walks over a module keeps it: optimizers, records,
/// `valid`, `train`, `fork`, `to_device`, `freeze`, `no_grad`, [`Module::map`]. Burn drops it where
/// the [`Param`] in a field is itself written to, by [`Param::map`], [`Param::set_require_grad`],
/// [`Param::init_mapper`] or another parameter in its place: a weight that is clipped by
/// `layer.weight = layer.weight.map(..)` is silently dense from then on. Change weights with
/// a [`ModuleMapper`](burn::module::ModuleMapper), or freeze layers as a whole
/// (`layer.no_grad()`), and the masks stay.
///
/// The guard remembers the masks of a model at one moment: [`check`](Self::check) names those that
/// are lost, and [`restore`](Self::restore) puts them back. Make a new guard after changing masks
/// on purpose. [`Pruning`](crate::Pruning) does all this itself.
///
/// ```
/// use burn::{nn::LinearConfig, tensor::Device};
/// use burn_prune::{MaskGuard, Prunable, PruneError};
///
/// let mut layer = LinearConfig::new(8, 4).init(&Device::flex()).l1_unstructured(0.5)?;
/// let guard = MaskGuard::of(&layer);
/// guard.check(&layer)?;
///
/// layer.weight = layer.weight.map(|weight| weight.clamp(-0.1, 0.1));
/// let lost = guard.check(&layer).unwrap_err();
/// assert_eq!(lost, PruneError::MasksLost { paths: vec!["weight".to_string()] });
///
/// let layer = guard.restore(layer)?;
/// assert_eq!(layer.sparsity_report().zeros(), 16);
/// # Ok::<(), PruneError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct MaskGuard {
    /// The masks by the path of their weight, in the order of the model.
    masks: Vec<Guarded>,
}

/// The mask of a weight, on its device.
#[derive(Debug, Clone)]
struct Guarded {
    path: String,
    shape: Vec<usize>,
    mode: MaskMode,
    id: ParamId,
    bits: Tensor<1, Int>,
}

impl MaskGuard {
    /// Remembers the masks of a model. Neither copies nor reads a tensor.
    pub fn of<M: Module>(model: &M) -> Self {
        let masks = visit(model, Masks::default()).found;
        Self { masks }
    }

    /// The ids of the masks: masks with other bits have other ids.
    #[cfg(feature = "optim")]
    pub(crate) fn ids(&self) -> impl Iterator<Item = ParamId> {
        self.masks.iter().map(|mask| mask.id)
    }

    /// Checks that the model still has its masks, and names the paths of those that are lost.
    ///
    /// No tensor is read, so this is cheap enough for every step.
    ///
    /// # Errors
    /// [`PruneError::MasksLost`], with the path of each weight that had a mask and has none now. A
    /// mask whose bits have changed is not lost.
    pub fn check<M: Module>(&self, model: &M) -> Result<(), PruneError> {
        let lost: Vec<String> = self.lost(model).map(|mask| mask.path.clone()).collect();
        if lost.is_empty() {
            return Ok(());
        }
        Err(PruneError::MasksLost { paths: lost })
    }

    /// Puts back the masks that a model has lost, as they were when the guard was made, in their
    /// [mode](MaskMode): in [`MaskMode::AfterStep`] the stored weights are zeroed. Masks that are
    /// there stay as they are.
    ///
    /// # Errors
    /// When the model has no weight of that shape at that path any more, or one that cannot carry a
    /// mask, because it has a LoRA adapter or is quantized.
    pub fn restore<M: Module>(&self, model: M) -> Result<M, Rejected<M>> {
        let lost: Vec<&Guarded> = self.lost(&model).collect();
        if lost.is_empty() {
            return Ok(model);
        }
        let inventory = Inventory::of(&model);
        let fit = lost.iter().try_for_each(|mask| mask.check_fits(&inventory));
        let ((), model) = accept(fit, model)?;
        let lost: HashMap<&str, &Guarded> = lost
            .iter()
            .map(|mask| (mask.path.as_str(), *mask))
            .collect();
        Ok(attach_at(model, |path, device| {
            Some(lost.get(path)?.on(device))
        }))
    }

    /// Whether as many places have masks, which takes one look at each.
    #[cfg(feature = "optim")]
    pub(crate) fn has_all<M: Module>(&self, model: &M) -> bool {
        visit(model, Count(0)).0 == self.masks.len()
    }

    fn lost<M: Module>(&self, model: &M) -> impl Iterator<Item = &Guarded> {
        let there: HashSet<String> = Self::of(model)
            .masks
            .into_iter()
            .map(|mask| mask.path)
            .collect();
        self.masks
            .iter()
            .filter(move |mask| !there.contains(&mask.path))
    }
}

impl Guarded {
    fn check_fits(&self, inventory: &Inventory) -> Result<(), PruneError> {
        let parameter = inventory.at(&self.path)?;
        parameter.check_maskable()?;
        if parameter.shape != self.shape {
            return Err(PruneError::MaskShape {
                path: self.path.clone(),
                expected: parameter.shape.clone(),
                found: self.shape.clone(),
            });
        }
        Ok(())
    }

    /// The mask on the device of its weight.
    fn on(&self, device: &Device) -> WeightMask {
        let plain = device.clone().without_autodiff();
        let moved = self.bits.clone().to_device(&plain);
        let bits = if device.is_autodiff() {
            Tensor::from_inner(moved)
        } else {
            moved
        };
        WeightMask::from_bits(bits, self.id, self.mode)
    }
}

/// Counts the places of a model that have a mask.
#[cfg(feature = "optim")]
struct Count(usize);

#[cfg(feature = "optim")]
impl WeightVisitor for Count {
    fn reparameterization(&mut self, _at: &Position, name: &str) {
        self.0 += usize::from(name == WeightMask::NAME);
    }
}

/// Collects the masks of a model.
#[derive(Default)]
struct Masks {
    /// The shape of the weight that was visited last.
    shape: Vec<usize>,
    bits: Option<(ParamId, Tensor<1, Int>)>,
    found: Vec<Guarded>,
}

impl WeightVisitor for Masks {
    fn weight<const D: usize>(&mut self, _at: &Position, param: &Param<Tensor<D>>) {
        self.shape = param.lazy_shape().to_vec();
    }

    fn bits(&mut self, _at: &Position, bits: &Param<Tensor<1, Int>>) {
        self.bits = Some((bits.id, bits.val().without_autodiff()));
    }

    fn mask(&mut self, at: &Position, mode: MaskMode, _trust: Trust) {
        if let Some((id, bits)) = self.bits.take() {
            self.found.push(Guarded {
                path: at.path().to_string(),
                shape: std::mem::take(&mut self.shape),
                mode,
                id,
                bits,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::{Linear, LinearConfig};

    use super::*;
    use crate::prunable::Prunable;
    use crate::read_back::count;

    #[test]
    fn neither_guarding_nor_a_step_reads_the_device() {
        let device = Device::flex();
        for mode in [MaskMode::OnRead, MaskMode::AfterStep] {
            let layers: Vec<Linear> = (0..3)
                .map(|_| LinearConfig::new(8, 4).init(&device))
                .collect();
            let layers = layers.l1_unstructured(0.5).unwrap();
            let mut layers = layers.with_mask_mode(mode).unwrap();
            count::take();
            let guard = MaskGuard::of(&layers);
            guard.check(&layers).unwrap();
            layers[1].weight = layers[1].weight.clone().map(|weight| weight + 1.0);
            guard.check(&layers).unwrap_err();
            let layers = guard.restore(layers).unwrap().freeze();
            let _ = layers[1].weight.val();
            let layers = layers.zero_pruned();
            let _ = layers[1].weight.val();
            assert_eq!(count::take(), 0);
        }
    }
}
