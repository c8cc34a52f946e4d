//! Which places of a weight have a value.

/// Weights in a word of bits.
const WORD_BITS: usize = 32;

/// One bit a weight, row after row; 1 where it has a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    words: Vec<i32>,
    len: usize,
    count: usize,
}

impl Pattern {
    /// Whether each weight has a value.
    pub(super) fn of(kept: &[bool]) -> Self {
        let word = |kept: &[bool]| {
            let bits = kept.iter().enumerate();
            let word = bits.fold(0u32, |word, (bit, kept)| word | u32::from(*kept) << bit);
            word.cast_signed()
        };
        Self::from_words(kept.chunks(WORD_BITS).map(word).collect(), kept.len())
    }

    /// The first `len` bits of these words, and zeros where there are fewer.
    pub(super) fn from_words(mut words: Vec<i32>, len: usize) -> Self {
        words.resize(len.div_ceil(WORD_BITS), 0);
        if let (Some(last), tail @ 1..) = (words.last_mut(), len % WORD_BITS) {
            *last &= (1 << tail) - 1;
        }
        let count = words.iter().map(|word| word.count_ones() as usize).sum();
        Self { words, len, count }
    }

    pub(super) fn words(&self) -> &[i32] {
        &self.words
    }

    /// Weights, with and without a value.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Weights with a value.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The places with a value, in their order.
    pub(super) fn indices(&self) -> impl Iterator<Item = usize> {
        self.words.iter().enumerate().flat_map(|(index, word)| {
            let mut left = word.cast_unsigned();
            std::iter::from_fn(move || {
                let bit = (left != 0).then_some(left.trailing_zeros())?;
                left &= left - 1;
                Some(index * WORD_BITS + bit as usize)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_come_back_in_their_order() {
        for len in [0, 1, 31, 32, 33, 64, 100] {
            let kept: Vec<bool> = (0..len).map(|index| index % 3 == 1).collect();
            let places: Vec<usize> = (1..len).step_by(3).collect();
            let pattern = Pattern::of(&kept);
            assert_eq!(pattern.indices().collect::<Vec<_>>(), places);
            assert_eq!((pattern.len(), pattern.count()), (len, places.len()));
        }
    }

    #[test]
    fn bits_behind_the_last_weight_do_not_count() {
        let pattern = Pattern::from_words(vec![-1, -1], 33);
        assert_eq!(pattern.count(), 33);
        assert_eq!(pattern.words(), [-1, 1]);
    }
}
