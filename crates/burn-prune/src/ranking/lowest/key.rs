//! Scores as integers.

use std::ops::Range;

use crate::mask::WORD_BITS;
use crate::scores::{Block, Floats, Scores};

/// An integer that orders as a finite score does; 0.0 and -0.0 are equal.
pub(super) trait Key: Copy + Ord + Send + Sync {
    const BITS: u32;

    fn bits(self) -> u64;

    fn from_bits(bits: u64) -> Self;

    /// The keys of these units in the place of what is there.
    fn read(scores: &Scores, range: Range<usize>, block: &mut Block, keys: &mut Vec<Self>);
}

impl Key for u32 {
    const BITS: u32 = u32::BITS;

    #[inline(always)]
    fn bits(self) -> u64 {
        self.into()
    }

    fn from_bits(bits: u64) -> Self {
        bits as u32
    }

    #[inline(always)]
    fn read(scores: &Scores, range: Range<usize>, block: &mut Block, keys: &mut Vec<Self>) {
        const SIGN: u32 = 1 << 31;
        keys.clear();
        match scores.read_f32(range, block) {
            Floats::Signed(weights) => {
                keys.extend(weights.iter().map(|weight| weight.to_bits() | SIGN));
            }
            Floats::Scores(scores) => keys.extend(scores.iter().map(|score| {
                let bits = (score + 0.0).to_bits();
                if bits & SIGN == 0 { bits | SIGN } else { !bits }
            })),
        }
    }
}

impl Key for u64 {
    const BITS: u32 = u64::BITS;

    #[inline(always)]
    fn bits(self) -> u64 {
        self
    }

    fn from_bits(bits: u64) -> Self {
        bits
    }

    #[inline(always)]
    fn read(scores: &Scores, range: Range<usize>, block: &mut Block, keys: &mut Vec<Self>) {
        const SIGN: u64 = 1 << 63;
        keys.clear();
        keys.extend(scores.read_f64(range, block).iter().map(|score| {
            let bits = (score + 0.0).to_bits();
            if bits & SIGN == 0 { bits | SIGN } else { !bits }
        }));
    }
}

/// A bit for each of up to 32 keys.
#[inline(always)]
pub(super) fn bits<K: Key>(keys: &[K], is_set: impl Fn(K) -> bool) -> u32 {
    if let Ok(keys) = <&[K; WORD_BITS]>::try_from(keys) {
        let keys = keys.iter().enumerate();
        return keys.fold(0, |word, (bit, key)| word | u32::from(is_set(*key)) << bit);
    }
    let keys = keys.iter().enumerate();
    keys.fold(0, |word, (bit, key)| word | u32::from(is_set(*key)) << bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys<K: Key>(scores: Scores) -> Vec<K> {
        let mut keys = Vec::new();
        K::read(&scores, 0..scores.len(), &mut Block::default(), &mut keys);
        keys
    }

    #[test]
    fn keys_order_as_their_scores() {
        let ordered = vec![-1e300, -1.0, -1e-300, 0.0, 1e-300, 1.0, 1e300];
        assert!(keys::<u64>(ordered.into()).is_sorted());
        let ordered = vec![-1e30f32, -1.0, -1e-40, 0.0, 1e-40, 1.0, 1e30];
        assert!(keys::<u32>(ordered.into()).is_sorted());
        let zeros = keys::<u32>(vec![0.0f32, -0.0].into());
        assert_eq!(zeros[0], zeros[1]);
        let zeros = keys::<u64>(vec![0.0, -0.0].into());
        assert_eq!(zeros[0], zeros[1]);
    }
}
