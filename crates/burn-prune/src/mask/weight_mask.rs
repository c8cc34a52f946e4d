use burn::module::{Module, Param, ParamId, Reparameterization};
#[cfg(feature = "optim")]
use burn::tensor::DType;
use burn::tensor::{Int, Tensor, Transaction};

use super::kernel;
use super::trust::Trust;
use super::value::Mask;
use super::words::Words;
use crate::read_back::read_back;

/// When a masked weight is zeroed.
///
/// Both give the same weights; see [`Prunable::with_mask_mode`](crate::Prunable::with_mask_mode).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MaskMode {
    /// Each time the weight is read. Safe in any training loop, and the default.
    #[default]
    OnRead,
    /// After each step of the optimizer, by a call in the training loop. Reading is free, and the
    /// stored weight is 0 where it is pruned. If anything else may have changed the weight since that
    /// call, it is masked on read.
    AfterStep,
}

/// The mask on a parameter: the state that makes Burn read `weight where kept, else 0`.
///
/// A [`Reparameterization`]: the parameter keeps its identity, its type and its place in the
/// model, and every read of it ([`Param::val`]) gives exact zeros where it is pruned. So the mask
/// holds in any training loop, with any optimizer, through `valid`, `train`, `fork`, `to_device`
/// and records. The *stored* weight under the mask ([`Param::base`]) is what the optimizer
/// updates: it gets no gradient, but momentum and weight decay may move it, which no read shows.
/// In [`MaskMode::AfterStep`] the training loop keeps the stored weight at 0 instead: a weight is
/// read as it is stored when nothing but [`zero_pruned`](crate::Prunable::zero_pruned) has walked
/// over the module since it was last called. After anything else, an optimizer, a record that was
/// loaded, a mapper of your own, the weight is masked when it is read.
///
/// On read the gradient of a pruned weight is 0. After the step it is that of a dense weight, which
/// methods that regrow weights ask for;
/// [`zero_pruned_gradients`](crate::Prunable::zero_pruned_gradients) makes it 0. A NaN under the
/// mask does not come through: the weight is selected, not multiplied.
///
/// It belongs to the parameter that it was attached to. To give a mask to another parameter, use
/// [`with_masks`](crate::Prunable::with_masks): a clone of this state that is attached by hand still
/// holds what was known about the first weight.
///
/// The mask is packed bits, 32 weights per `i32` on every backend, so that a record saved on one
/// loads on any other. On a backend without a kernel that reads bits, one `bool` per weight sits
/// next to it, made on the first read on a device.
///
/// ```
/// use burn::{nn::LinearConfig, tensor::Device};
/// use burn_prune::{Prunable, WeightMask};
///
/// let layer = LinearConfig::new(8, 4).init(&Device::flex()).l1_unstructured(0.5)?;
/// let mask = layer.weight.reparameterization::<WeightMask>().unwrap();
/// assert_eq!(mask.to_mask([8, 4]).unwrap().pruned(), 16);
/// # Ok::<(), burn_prune::PruneError>(())
/// ```
#[derive(Module, Debug)]
pub struct WeightMask {
    /// Bit `i % 32` of word `i / 32` is 1 where weight `i` (row-major) is kept.
    kept: Words,
    /// Shows the mode to those who walk a model, who cannot see a plain field.
    mode: Mode,
    trust: Trust,
}

/// [`MaskMode`] as a module, without parameters.
#[derive(Module, Debug)]
enum Mode {
    OnRead(Nothing),
    AfterStep(Nothing),
}

#[derive(Module, Debug)]
struct Nothing {}

impl WeightMask {
    /// The path component under which the bits are recorded: `fc1.weight.mask.kept`.
    pub(crate) const BITS: &'static str = "kept";

    /// The container and the name under which a mask that is kept after the step shows itself.
    pub(crate) const AFTER_STEP: (&'static str, &'static str) = ("Enum:Mode", "AfterStep");

    /// A mask of bits that are on a device.
    pub(crate) fn from_bits(bits: Tensor<1, Int>, id: ParamId, mode: MaskMode) -> Self {
        Self {
            kept: Words::new(Param::initialized(id, bits)),
            mode: match mode {
                MaskMode::OnRead => Mode::OnRead(Nothing {}),
                MaskMode::AfterStep => Mode::AfterStep(Nothing {}),
            },
            trust: Trust::Unknown,
        }
    }

    /// The same mask, with this known of the weight under it.
    pub(crate) fn with_trust(self, trust: Trust) -> Self {
        Self { trust, ..self }
    }

    /// What is known of the weight under it.
    pub(crate) fn trust(&self) -> Trust {
        self.trust
    }

    /// The union of two masks: keeps what either keeps. `None` for weights of different sizes.
    #[cfg(feature = "optim")]
    pub(crate) fn union(self, other: &Self) -> Option<Self> {
        if self.kept.id == other.kept.id {
            return Some(self);
        }
        let [kept, others] = [&self, other].map(|mask| mask.kept.val().without_autodiff());
        if kept.dims() != others.dims() {
            return None;
        }
        let [kept, others] = [kept, others].map(|bits| bits.cast(DType::I32));
        let device = kept.device();
        let both = kept.bitwise_or(others.to_device(&device));
        Some(Self::from_bits(both, ParamId::new(), self.mode()))
    }

    /// [`zero_pruned`](Self::zero_pruned) for a tensor that may be on another device.
    #[cfg(feature = "optim")]
    pub(crate) fn zero_pruned_on_its_device<const D: usize>(&self, tensor: Tensor<D>) -> Tensor<D> {
        let device = tensor.device().without_autodiff();
        let kept = self.kept.val().without_autodiff();
        if kept.device() == device {
            return self.zero_pruned(tensor);
        }
        let moved = Self::from_bits(kept.to_device(&device), self.kept.id, self.mode());
        moved.zero_pruned(tensor)
    }

    /// The same mask in another mode.
    pub(crate) fn in_mode(&self, mode: MaskMode) -> Self {
        Self::from_bits(self.kept.val(), self.kept.id, mode)
    }

    /// When masked weights become zero.
    pub fn mode(&self) -> MaskMode {
        match self.mode {
            Mode::OnRead(_) => MaskMode::OnRead,
            Mode::AfterStep(_) => MaskMode::AfterStep,
        }
    }

    /// The tensor, which has the shape of the weight, with 0 where the weight is pruned.
    ///
    /// In place when nothing else holds the tensor.
    pub(crate) fn zero_pruned<const D: usize>(&self, tensor: Tensor<D>) -> Tensor<D> {
        let len = tensor.shape().num_elements();
        kernel::apply(tensor, self.kept.val(), || self.kept.pruned(len))
    }

    /// [`zero_pruned`](Self::zero_pruned), with the gradient that the tensor would have without a
    /// mask, as when zeros are read that are stored.
    fn zero_pruned_with_dense_gradient<const D: usize>(&self, tensor: Tensor<D>) -> Tensor<D> {
        if !tensor.is_autodiff() {
            return self.zero_pruned(tensor);
        }
        let stored = tensor.clone().detach().set_require_grad(false);
        // A zero whose derivative is -1, but for what is not finite: a NaN would come through. It
        // is subtracted, as -0.0 + 0.0 would lose its sign.
        let not_finite = stored.clone().is_finite().bool_not();
        let nothing = (stored.clone() - tensor).mask_fill(not_finite, 0.0);
        self.zero_pruned(stored) - nothing
    }

    /// The mask on the host, for a weight of this shape; `None` when the shape does not fit.
    ///
    /// Reads the bits back from the device.
    pub fn to_mask(&self, shape: impl Into<Vec<usize>>) -> Option<Mask> {
        let kept = self.kept.val().without_autodiff();
        let bits = read_back(Transaction::default().register(kept));
        Mask::from_data(shape.into(), &bits[0])
    }
}

impl Reparameterization for WeightMask {
    const NAME: &'static str = "mask";

    fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        if is_read_as_stored(self.mode(), self.trust) {
            return base;
        }
        match self.mode() {
            MaskMode::OnRead => self.zero_pruned(base),
            MaskMode::AfterStep => self.zero_pruned_with_dense_gradient(base),
        }
    }
}

/// Whether a read gives the stored weight, without masking it.
pub(crate) fn is_read_as_stored(mode: MaskMode, trust: Trust) -> bool {
    match trust {
        Trust::Zeroed => mode == MaskMode::AfterStep,
        Trust::AsStored => true,
        Trust::WalkedOnce | Trust::Unknown => false,
    }
}
