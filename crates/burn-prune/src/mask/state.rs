use std::sync::{Mutex, PoisonError};

use burn::module::{Module, Param, ParamId, Reparameterization};
use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData};

use super::{Mask, packed::WORD_BITS};

/// The mask on a parameter: the state that makes Burn read `weight where kept, else 0`.
///
/// A [`Reparameterization`]: the parameter keeps its identity, its type and its place in the
/// model, and every read of it ([`Param::val`]) gives exact zeros where it is pruned. So the mask
/// holds in any training loop, with any optimizer, through `valid`, `train`, `fork`, `to_device`
/// and records. The *stored* weight under the mask ([`Param::base`]) is what the optimizer
/// updates: it gets no gradient, but momentum and weight decay may move it, and nobody sees it.
///
/// The gradient of a pruned weight is 0. A NaN under the mask does not come through: the weight is
/// selected, not multiplied.
///
/// The mask travels as packed bits, 32 weights an `i32` on every backend, so that a record saved
/// on one loads on any other. Next to it sits one `bool` a weight for the reads, made on the first
/// read on a device.
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
    kept: Param<Tensor<1, Int>>,
    #[module(skip)]
    expanded: Expanded,
}

impl WeightMask {
    /// The path component under which the bits are recorded: `fc1.weight.mask.kept`.
    pub(crate) const BITS: &'static str = "kept";

    /// A mask on a device. The id stands for the bits: other bits need another one.
    pub(crate) fn new(mask: &Mask, id: ParamId, device: &Device) -> Self {
        Self {
            kept: Param::initialized(id, bits(mask, device)),
            expanded: Expanded::default(),
        }
    }

    /// A mask from bits that another one holds.
    pub(crate) fn from_bits(bits: Tensor<1, Int>) -> Self {
        Self {
            kept: Param::initialized(ParamId::new(), bits),
            expanded: Expanded::default(),
        }
    }

    /// The mask on the host, for a weight of this shape; `None` when the shape does not fit.
    ///
    /// Reads the bits back from the device.
    pub fn to_mask(&self, shape: impl Into<Vec<usize>>) -> Option<Mask> {
        let words = self.kept.val().into_data();
        let words = words.iter::<i32>().map(i32::cast_unsigned).collect();
        Mask::from_words(shape.into(), words)
    }
}

/// The bits of a mask on a device, `i32` on every backend.
pub(crate) fn bits(mask: &Mask, device: &Device) -> Tensor<1, Int> {
    let words: Vec<i32> = mask.words().iter().map(|word| word.cast_signed()).collect();
    let data = TensorData::new(words, [mask.words().len()]);
    Tensor::from_data(data, (device, DType::I32))
}

impl Reparameterization for WeightMask {
    const NAME: &'static str = "mask";

    fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        let shape = base.shape();
        let pruned = self.expanded.get(&self.kept, shape.num_elements());
        base.mask_fill(pruned.reshape(shape), 0.0)
    }
}

/// `true` where a weight is pruned, unpacked once for the bits and the device in use.
///
/// Keyed by the id of the bits: loading a record replaces the bits and their id together.
#[derive(Debug, Default)]
struct Expanded(Mutex<Option<(ParamId, Tensor<1, Bool>)>>);

impl Expanded {
    fn get(&self, kept: &Param<Tensor<1, Int>>, len: usize) -> Tensor<1, Bool> {
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match cached.as_ref() {
            Some((id, pruned)) if *id == kept.id && pruned.device() == kept.device() => {
                pruned.clone()
            }
            _ => {
                let pruned = expand(kept.val(), len);
                *cached = Some((kept.id, pruned.clone()));
                pruned
            }
        }
    }
}

impl Clone for Expanded {
    fn clone(&self) -> Self {
        let cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Self(Mutex::new(cached.clone()))
    }
}

/// Unpacks words of shape `[w]` to `[len]`, `true` where the bit is 0.
fn expand(kept: Tensor<1, Int>, len: usize) -> Tensor<1, Bool> {
    let kept = kept.without_autodiff();
    let [words] = kept.dims();
    let bits: Vec<i32> = (0..WORD_BITS)
        .map(|bit| (1u32 << bit).cast_signed())
        .collect();
    let bits = Tensor::<1, Int>::from_data(
        TensorData::new(bits, [WORD_BITS]),
        (&kept.device(), DType::I32),
    );
    let kept = kept.reshape([words, 1]).repeat_dim(1, WORD_BITS);
    let bits = bits.reshape([1, WORD_BITS]).repeat_dim(0, words);
    let pruned = kept.bitwise_and(bits).equal_elem(0);
    pruned.reshape([words * WORD_BITS]).slice(0..len)
}
