//! The packed bits of a mask on its device, and one `bool` per weight for backends without a
//! kernel.

use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
    Param,
};
use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData};

use super::kernel::WORD_BITS;
use super::value::Mask;

/// A parameter of words, 32 weights per `i32` on every backend.
///
/// To Burn it looks like that parameter. It is a separate module so that it notices when the bits
/// change: a record format without ids loads other bits under the same id.
#[derive(Debug, Clone)]
pub(super) struct Words {
    words: Param<Tensor<1, Int>>,
    expanded: Expanded,
}

impl Words {
    pub(super) fn new(words: Param<Tensor<1, Int>>) -> Self {
        Self {
            words,
            expanded: Expanded::default(),
        }
    }

    /// `true` where a weight is pruned, `[len]`. Unpacked once for the bits and the device in use.
    pub(super) fn pruned(&self, len: usize) -> Tensor<1, Bool> {
        let mut cached = self.expanded.lock();
        match cached.as_ref() {
            Some(pruned) if pruned.device() == self.words.device() => pruned.clone(),
            _ => {
                let pruned = expand(self.words.val(), len);
                *cached = Some(pruned.clone());
                pruned
            }
        }
    }
}

impl Deref for Words {
    type Target = Param<Tensor<1, Int>>;

    fn deref(&self) -> &Self::Target {
        &self.words
    }
}

impl Module for Words {
    fn map<Mapper: ModuleMapper>(self, mapper: &mut Mapper) -> Self {
        // A parameter that comes back as it went has its tensor at the same address, which is in
        // use for as long as the clone lives.
        let before = self.words.clone();
        let words = Module::map(self.words, mapper);
        let expanded = if std::ptr::eq::<Tensor<1, Int>>(&*before, &*words) {
            self.expanded
        } else {
            Expanded::default()
        };
        Self { words, expanded }
    }

    fn visit<Visitor: ModuleVisitor>(&self, visitor: &mut Visitor) {
        Module::visit(&self.words, visitor);
    }

    fn collect_devices(&self, devices: Devices) -> Devices {
        Module::collect_devices(&self.words, devices)
    }

    fn fork(self, device: &Device) -> Self {
        let words = Module::fork(self.words, device);
        Self { words, ..self }
    }

    fn to_device(self, device: &Device) -> Self {
        let words = Module::to_device(self.words, device);
        Self { words, ..self }
    }

    fn train(self) -> Self {
        let words = Module::train(self.words);
        Self { words, ..self }
    }

    fn valid(&self) -> Self {
        Self {
            words: Module::valid(&self.words),
            expanded: self.expanded.clone(),
        }
    }

    fn materialize(self) -> Self {
        self
    }
}

impl ModuleDisplayDefault for Words {
    fn content(&self, content: Content) -> Option<Content> {
        self.words.content(content)
    }
}

impl ModuleDisplay for Words {}

/// The bits of a mask on a device.
pub(crate) fn bits(mask: &Mask, device: &Device) -> Tensor<1, Int> {
    let words: Vec<i32> = mask.words().iter().map(|word| word.cast_signed()).collect();
    let data = TensorData::new(words, [mask.words().len()]);
    Tensor::from_data(data, (device, DType::I32))
}

#[derive(Debug, Default)]
struct Expanded(Mutex<Option<Tensor<1, Bool>>>);

impl Expanded {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Tensor<1, Bool>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for Expanded {
    fn clone(&self) -> Self {
        Self(Mutex::new(self.lock().clone()))
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

#[cfg(test)]
mod tests {
    use burn::module::ParamId;

    use super::*;

    fn words(kept: &[bool]) -> Words {
        let mask = Mask::from_kept([kept.len()], kept).unwrap();
        let bits = bits(&mask, &Device::default());
        Words::new(Param::initialized(ParamId::new(), bits))
    }

    fn pruned(words: &Words, len: usize) -> Vec<bool> {
        words.pruned(len).into_data().iter::<bool>().collect()
    }

    /// What burn-store does with a file that has no ids.
    struct Complement;

    impl ModuleMapper for Complement {
        fn map_int<const D: usize>(
            &mut self,
            param: Param<Tensor<D, Int>>,
        ) -> Param<Tensor<D, Int>> {
            let complement = param.val().bitwise_not();
            let id = param.id;
            param.transform_for_load(complement, id)
        }
    }

    struct Passing;
    impl ModuleMapper for Passing {}

    #[test]
    fn other_bits_under_the_same_id_are_unpacked_again() {
        let kept = [true, false, true];
        let words = words(&kept);
        assert_eq!(pruned(&words, 3), [false, true, false]);
        let id = words.id;
        let words = words.map(&mut Complement);
        assert_eq!(words.id, id);
        assert_eq!(pruned(&words, 3), [true, false, true]);
        // Also after what keeps them.
        let words = words.valid().map(&mut Complement).train().clone();
        assert_eq!(pruned(&words, 3), [false, true, false]);
    }

    #[test]
    fn a_walk_that_changes_nothing_keeps_what_is_unpacked() {
        let words = words(&[true, false, true]);
        pruned(&words, 3);
        let words = words.map(&mut Passing);
        assert!(words.expanded.lock().is_some());
        let words = words.valid();
        assert!(words.expanded.lock().is_some());
        let words = words.map(&mut Complement);
        assert!(words.expanded.lock().is_none());
    }
}
