use burn::tensor::{Bool, Tensor, TensorData};

use super::kernel::{WORD_BITS, vectorized};
use crate::error::PruneError;

/// Which weights of one tensor are kept: one bit per weight, on the host.
///
/// Flat indices are row-major, whatever the layout of the tensor in memory.
///
/// ```
/// use burn_prune::Mask;
///
/// let mask = Mask::from_kept([2, 2], &[true, false, true, true])?;
/// assert_eq!(mask.pruned(), 1);
/// assert_eq!(mask.sparsity(), 0.25);
/// assert!(!mask.is_kept(1));
/// # Ok::<(), burn_prune::PruneError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    shape: Vec<usize>,
    /// Bit `i % 32` of word `i / 32` is 1 where weight `i` is kept; unused bits are 0.
    words: Vec<u32>,
    len: usize,
}

impl Mask {
    /// A mask that keeps everything.
    ///
    /// # Panics
    /// When the shape has more entries than a `usize` counts, or than there is memory for.
    pub fn all_kept(shape: impl Into<Vec<usize>>) -> Self {
        let shape = shape.into();
        let Some(len) = entries(&shape) else {
            panic!("a mask of shape {shape:?} is too large");
        };
        Self::all_of(shape, len)
    }

    fn all_of(shape: Vec<usize>, len: usize) -> Self {
        let mut words = vec![u32::MAX; usize::div_ceil(len, WORD_BITS)];
        if let (Some(last), used @ 1..) = (words.last_mut(), len % WORD_BITS) {
            *last = (1 << used) - 1;
        }
        Self { shape, words, len }
    }

    /// A mask that prunes everything.
    pub(crate) fn none_kept(shape: impl Into<Vec<usize>>) -> Self {
        let mut mask = Self::all_kept(shape);
        mask.words.fill(0);
        mask
    }

    /// A mask from one value per weight, `true` where it is kept.
    ///
    /// # Errors
    /// When there are not as many values as the shape has entries.
    ///
    /// ```
    /// use burn_prune::{Mask, PruneError};
    ///
    /// // Nothing is allocated for a shape that the values do not fill.
    /// let refused = Mask::from_kept([1 << 45, 4], &[]);
    /// assert!(matches!(refused, Err(PruneError::MaskLength { found: 0, .. })));
    /// ```
    pub fn from_kept(shape: impl Into<Vec<usize>>, kept: &[bool]) -> Result<Self, PruneError> {
        let shape = shape.into();
        let len = entries(&shape);
        if len != Some(kept.len()) {
            return Err(PruneError::MaskLength {
                shape,
                expected: len.unwrap_or(usize::MAX),
                found: kept.len(),
            });
        }
        let mut mask = Self::all_of(shape, kept.len());
        for (index, _) in kept.iter().enumerate().filter(|(_, kept)| !**kept) {
            mask.prune(index);
        }
        Ok(mask)
    }

    /// A mask from a tensor of any shape, `true` where the weight is kept. Reads the tensor back.
    pub fn from_tensor<const D: usize>(kept: Tensor<D, Bool>) -> Self {
        let data = kept.into_data();
        let mut mask = Self::all_kept(data.shape().to_vec());
        for (index, _) in data.iter::<bool>().enumerate().filter(|(_, kept)| !kept) {
            mask.prune(index);
        }
        mask
    }

    /// A mask from packed words; `None` when there are too few or too many for the shape.
    pub(crate) fn from_words(shape: Vec<usize>, words: Vec<u32>) -> Option<Self> {
        let len = entries(&shape)?;
        if words.len() != len.div_ceil(WORD_BITS) {
            return None;
        }
        let full = Self::all_of(shape, len);
        let used_bits = words.iter().zip(&full.words);
        Some(Self {
            words: used_bits.map(|(word, used)| word & used).collect(),
            ..full
        })
    }

    /// A mask from the packed words as they are on a device.
    pub(crate) fn from_data(shape: Vec<usize>, bits: &TensorData) -> Option<Self> {
        let words = bits.iter::<i32>().map(i32::cast_unsigned).collect();
        Self::from_words(shape, words)
    }

    pub(crate) fn words(&self) -> &[u32] {
        &self.words
    }

    /// The words; bits beyond the length must stay 0.
    pub(crate) fn words_mut(&mut self) -> &mut [u32] {
        &mut self.words
    }

    /// Shape of the tensor that this masks.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of weights, kept and pruned.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a tensor without entries needs no case of its own"
    )]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Number of weights that are kept.
    pub fn kept(&self) -> usize {
        let ones = |word: &u32| word.count_ones() as usize;
        vectorized(|| self.words.iter().map(ones).sum())
    }

    /// Number of weights that are pruned.
    pub fn pruned(&self) -> usize {
        self.len - self.kept()
    }

    /// Fraction of the weights that is pruned, in `[0, 1]`; 0 for an empty tensor.
    pub fn sparsity(&self) -> f64 {
        if self.len == 0 {
            return 0.0;
        }
        self.pruned() as f64 / self.len as f64
    }

    /// Whether the weight at this flat index is kept.
    ///
    /// # Panics
    /// When the index is out of range.
    pub fn is_kept(&self, index: usize) -> bool {
        assert!(index < self.len, "index {index} of a mask of {}", self.len);
        self.words[index / WORD_BITS] >> (index % WORD_BITS) & 1 == 1
    }

    /// Every weight in flat order: `true` where it is kept.
    pub fn iter(&self) -> impl Iterator<Item = bool> + '_ {
        (0..self.len).map(|index| self.words[index / WORD_BITS] >> (index % WORD_BITS) & 1 == 1)
    }

    pub(crate) fn prune(&mut self, index: usize) {
        debug_assert!(index < self.len);
        self.words[index / WORD_BITS] &= !(1 << (index % WORD_BITS));
    }

    pub(crate) fn keep(&mut self, index: usize) {
        debug_assert!(index < self.len);
        self.words[index / WORD_BITS] |= 1 << (index % WORD_BITS);
    }

    /// Keeps what both masks keep.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn intersect(mut self, other: &Self) -> Result<Self, PruneError> {
        self.check_shape(other)?;
        self.combine(other, |a, b| a & b);
        Ok(self)
    }

    /// Keeps what either of the masks keeps.
    ///
    /// # Errors
    /// When the shapes differ.
    ///
    /// ```
    /// use burn_prune::Mask;
    ///
    /// let a = Mask::from_kept([3], &[true, false, false])?;
    /// let b = Mask::from_kept([3], &[true, true, false])?;
    /// assert_eq!(a.overlap(&b)?, 0.5);
    /// assert_eq!(a.union(&b)?, b);
    /// # Ok::<(), burn_prune::PruneError>(())
    /// ```
    pub fn union(mut self, other: &Self) -> Result<Self, PruneError> {
        self.check_shape(other)?;
        self.combine(other, |a, b| a | b);
        Ok(self)
    }

    /// How much the kept weights of two masks overlap: intersection over union, in `[0, 1]`.
    ///
    /// 1 when neither keeps anything.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn overlap(&self, other: &Self) -> Result<f64, PruneError> {
        self.check_shape(other)?;
        let (both, either) = self.both_and_either(other);
        Ok(intersection_over_union(both, either))
    }

    /// How many weights both masks keep, and how many at least one of them.
    pub(crate) fn both_and_either(&self, other: &Self) -> (usize, usize) {
        let ones = |word: u32| word.count_ones() as usize;
        let words = self.words.iter().zip(&other.words);
        words.fold((0, 0), |(both, either), (a, b)| {
            (both + ones(a & b), either + ones(a | b))
        })
    }

    pub(crate) fn check_shape(&self, other: &Self) -> Result<(), PruneError> {
        if self.shape == other.shape {
            return Ok(());
        }
        Err(PruneError::MaskShape {
            path: String::new(),
            expected: self.shape.clone(),
            found: other.shape.clone(),
        })
    }

    fn combine(&mut self, other: &Self, combine: impl Fn(u32, u32) -> u32) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word = combine(*word, *other);
        }
    }
}

/// Number of entries of a tensor of this shape; `None` when a `usize` does not count them.
pub(super) fn entries(shape: &[usize]) -> Option<usize> {
    if shape.contains(&0) {
        return Some(0);
    }
    let mut sizes = shape.iter();
    sizes.try_fold(1usize, |len, size| len.checked_mul(*size))
}

pub(crate) fn intersection_over_union(both: usize, either: usize) -> f64 {
    match either {
        0 => 1.0,
        either => both as f64 / either as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kept_has_no_bits_beyond_its_length() {
        for len in [0, 1, 31, 32, 33, 64, 65] {
            let mask = Mask::all_kept([len]);
            assert_eq!((mask.kept(), mask.pruned()), (len, 0));
        }
    }

    #[test]
    fn stray_bits_beyond_the_length_do_not_count() {
        let mask = Mask::from_words(vec![3], vec![u32::MAX]).unwrap();
        assert_eq!(mask, Mask::all_kept([3]));
        assert!(Mask::from_words(vec![3], vec![0, 0]).is_none());
    }

    #[test]
    fn intersection_keeps_what_both_keep() {
        let a = Mask::from_kept([4], &[true, true, false, false]).unwrap();
        let b = Mask::from_kept([4], &[true, false, true, false]).unwrap();
        let both = a.intersect(&b).unwrap();
        assert_eq!(both.iter().collect::<Vec<_>>(), [true, false, false, false]);
    }

    #[test]
    fn a_shape_that_no_memory_holds_is_an_error_and_not_an_allocation() {
        for shape in [
            vec![1 << 45, 4],
            vec![usize::MAX, 2],
            vec![1 << 32, 1 << 32, 3],
        ] {
            assert!(matches!(
                Mask::from_kept(shape.clone(), &[]),
                Err(PruneError::MaskLength { found: 0, .. })
            ));
            assert!(Mask::from_words(shape, Vec::new()).is_none());
        }
        let empty = Mask::from_kept([usize::MAX, usize::MAX, 0], &[]).unwrap();
        assert_eq!((empty.len(), empty.kept()), (0, 0));
    }

    #[test]
    fn wrong_lengths_and_shapes_are_errors() {
        assert!(Mask::from_kept([2, 2], &[true; 3]).is_err());
        let a = Mask::all_kept([2, 3]);
        assert!(a.intersect(&Mask::all_kept([3, 2])).is_err());
    }
}
