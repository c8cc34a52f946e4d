//! Finding the units with the lowest scores: a radix selection over the bits of the scores.
//!
//! A score becomes an integer that orders as it does. A histogram of the upper 16 bits says which
//! of them the threshold has, one of the next 16 bits among those says the rest, and a last pass
//! prunes what lies below. That is three reads of the scores and nothing copied.

mod key;

use std::ops::Range;

use rayon::prelude::*;

use crate::mask::{Mask, WORD_BITS, vectorized};
use crate::scores::{Block, Scores};
use key::{Key, bits};

/// The units of one tensor that may be pruned, and their scores, which must be finite.
pub(crate) struct Candidates<'a> {
    pub scores: &'a Scores,
    /// The units that are still unpruned; those that go are pruned in it.
    pub units: &'a mut Mask,
}

/// Units that one thread takes at a time.
const CHUNK: usize = 1 << 16;
/// Units whose keys are made together, so that they stay in the cache.
const BLOCK: usize = 1 << 11;
/// Bits of a key that one histogram tells apart.
const DIGIT: u32 = 16;
/// Up to here the keys are collected and partitioned.
const FEW: usize = 1 << 14;

/// Prunes exactly `count` units of all tensors together: those with the lowest scores.
///
/// Among equal scores the one that comes first, in the order of the tensors and of their units, is
/// kept. There must be `count` candidates.
pub(crate) fn prune_lowest(tensors: &mut [Candidates<'_>], count: usize) {
    if count == 0 {
        return;
    }
    if tensors.iter().all(|tensor| tensor.scores.are_f32()) {
        prune_lowest_by::<u32>(tensors, count);
    } else {
        prune_lowest_by::<u64>(tensors, count);
    }
}

fn prune_lowest_by<K: Key>(tensors: &mut [Candidates<'_>], count: usize) {
    let candidates: usize = tensors.iter().map(|tensor| tensor.units.kept()).sum();
    debug_assert!(count <= candidates);
    let threshold = if candidates <= FEW {
        Threshold::<K>::by_partition(tensors, count)
    } else {
        Threshold::<K>::by_radix(tensors, count)
    };
    let ties_to_keep = threshold.below + threshold.ties - count;

    let mut chunks: Vec<_> = tensors.iter_mut().flat_map(Chunk::split).collect();
    let pass = |chunk: &mut Chunk<'_>, part: Part| chunk.prune(threshold.key, part);
    if let [chunk] = chunks.as_mut_slice() {
        // Waking other threads takes longer than a small tensor.
        if ties_to_keep == 0 {
            pass(chunk, Part::NotAbove);
        } else if pass(chunk, Part::Below) > ties_to_keep {
            pass(chunk, Part::TiesBut(ties_to_keep));
        }
        return;
    }
    if ties_to_keep == 0 {
        let chunks = chunks.par_iter_mut();
        chunks.for_each(|chunk| {
            pass(chunk, Part::NotAbove);
        });
        return;
    }
    let ties = chunks.par_iter_mut().map(|chunk| pass(chunk, Part::Below));
    let ties: Vec<usize> = ties.collect();
    // The first ties are kept; most chunks need no second look.
    let mut left = ties_to_keep;
    let mut again = Vec::new();
    for (chunk, ties) in chunks.iter_mut().zip(ties) {
        let keep = ties.min(left);
        left -= keep;
        if keep < ties {
            again.push((chunk, keep));
        }
    }
    let again = again.into_par_iter();
    again.for_each(|(chunk, keep)| {
        pass(chunk, Part::TiesBut(keep));
    });
}

/// The highest key of those that go, or that tie with one that goes.
struct Threshold<K> {
    key: K,
    /// Candidates with a lower key.
    below: usize,
    /// Candidates with this key.
    ties: usize,
}

impl<K: Key> Threshold<K> {
    fn by_partition(tensors: &mut [Candidates<'_>], count: usize) -> Self {
        let mut keys = Vec::new();
        for chunk in tensors.iter_mut().flat_map(Chunk::split) {
            chunk.for_each_word(|word, block: &[K]| {
                let kept = block.iter().enumerate();
                keys.extend(
                    kept.filter(|(bit, _)| word >> bit & 1 == 1)
                        .map(|(_, key)| *key),
                );
            });
        }
        let (below, &mut key, above) = keys.select_nth_unstable(count - 1);
        let equal = |keys: &[K]| keys.iter().filter(|other| **other == key).count();
        let (ties_before, ties_after) = (equal(below), equal(above));
        Self {
            key,
            below: count - 1 - ties_before,
            ties: ties_before + 1 + ties_after,
        }
    }

    fn by_radix(tensors: &mut [Candidates<'_>], count: usize) -> Self {
        let (mut prefix, mut below, mut ties) = (0u64, 0, 0);
        for level in (0..K::BITS / DIGIT).rev() {
            let histogram = histogram::<K>(tensors, level * DIGIT, prefix);
            let mut digits = histogram.into_iter().zip(0u64..);
            let digit = digits.find(|(units, _)| {
                ties = *units;
                let found = below + ties >= count;
                if !found {
                    below += ties;
                }
                found
            });
            let (_, digit) = digit.expect("there are as many candidates as are to go");
            prefix = prefix << DIGIT | digit;
        }
        Self {
            key: K::from_bits(prefix),
            below,
            ties,
        }
    }
}

/// How many candidates have each digit at `shift`, among those with this prefix above it.
fn histogram<K: Key>(tensors: &mut [Candidates<'_>], shift: u32, prefix: u64) -> Vec<usize> {
    let first = shift + DIGIT == K::BITS;
    let chunks: Vec<_> = tensors.iter_mut().flat_map(Chunk::split).collect();
    let by_thread = chunks.len().div_ceil(rayon::current_num_threads()).max(1);
    let count = |chunks: &[Chunk<'_>]| {
        let mut counts = Box::new([0u32; 1 << DIGIT]);
        for chunk in chunks {
            chunk.for_each_word(|word, keys: &[K]| {
                let digit = |key: &K| (key.bits() >> shift) as u16;
                if first && word == u32::MAX {
                    keys.iter()
                        .for_each(|key| counts[usize::from(digit(key))] += 1);
                    return;
                }
                let mut counted = word;
                if !first {
                    counted &= bits(keys, |key| key.bits() >> shift >> DIGIT == prefix);
                }
                while counted != 0 {
                    let key = &keys[counted.trailing_zeros() as usize];
                    counts[usize::from(digit(key))] += 1;
                    counted &= counted - 1;
                }
            });
        }
        counts
    };
    let histograms: Vec<_> = chunks.par_chunks(by_thread).map(count).collect();
    let mut total = vec![0; 1 << DIGIT];
    for histogram in histograms {
        for (total, count) in total.iter_mut().zip(*histogram) {
            *total += count as usize;
        }
    }
    total
}

/// What of a chunk is pruned.
#[derive(Clone, Copy)]
enum Part {
    /// What is lower than the threshold.
    Below,
    /// What is not higher than the threshold.
    NotAbove,
    /// What equals the threshold, but for the first so many.
    TiesBut(usize),
}

/// Units of one tensor that follow each other, and the words of their mask.
struct Chunk<'a> {
    scores: &'a Scores,
    range: Range<usize>,
    words: &'a mut [u32],
}

impl<'a> Chunk<'a> {
    fn split<'t>(tensor: &'a mut Candidates<'t>) -> impl Iterator<Item = Self> + use<'a, 't> {
        let (scores, units) = (tensor.scores, &mut *tensor.units);
        let len = units.len();
        let words = units.words_mut().chunks_mut(CHUNK / WORD_BITS);
        words.enumerate().map(move |(chunk, words)| Self {
            scores,
            range: chunk * CHUNK..len.min((chunk + 1) * CHUNK),
            words,
        })
    }

    /// Calls with each word and the keys of its units.
    #[inline]
    fn for_each_word<K: Key>(&self, mut each: impl FnMut(u32, &[K])) {
        let (mut keys, mut block) = (Vec::new(), Block::default());
        for start in self.range.clone().step_by(BLOCK) {
            let range = start..self.range.end.min(start + BLOCK);
            let first = (start - self.range.start) / WORD_BITS;
            vectorized(|| {
                K::read(self.scores, range, &mut block, &mut keys);
                let words = self.words[first..].iter().zip(keys.chunks(WORD_BITS));
                words.for_each(|(word, keys)| each(*word, keys));
            });
        }
    }

    /// Prunes, and tells how many ties were found.
    fn prune<K: Key>(&mut self, threshold: K, part: Part) -> usize {
        let mut words = std::mem::take(&mut self.words);
        let before = &mut *words;
        // Read from the words and write to them in turn: `for_each_word` would borrow both.
        let (mut keys, mut block) = (Vec::new(), Block::default());
        let mut found = 0;
        for start in self.range.clone().step_by(BLOCK) {
            let range = start..self.range.end.min(start + BLOCK);
            let first = (start - self.range.start) / WORD_BITS;
            vectorized(|| {
                K::read(self.scores, range, &mut block, &mut keys);
                for (word, keys) in before[first..].iter_mut().zip(keys.chunks(WORD_BITS)) {
                    let below = bits(keys, |key| key < threshold);
                    let equal = bits(keys, |key| key == threshold) & *word;
                    *word &= match part {
                        Part::Below => !below,
                        Part::NotAbove => !(below | equal),
                        Part::TiesBut(keep) => !without_lowest(equal, keep.saturating_sub(found)),
                    };
                    found += equal.count_ones() as usize;
                }
            });
        }
        self.words = std::mem::take(&mut words);
        found
    }
}

fn without_lowest(mut word: u32, count: usize) -> u32 {
    for _ in 0..count.min(WORD_BITS) {
        word &= word.wrapping_sub(1);
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(scores: impl Into<Scores>, count: usize) -> Vec<usize> {
        let scores = scores.into();
        let mut units = Mask::all_kept([scores.len()]);
        prune_lowest(
            &mut [Candidates {
                scores: &scores,
                units: &mut units,
            }],
            count,
        );
        pruned(&units)
    }

    fn pruned(units: &Mask) -> Vec<usize> {
        let units = units.iter().enumerate();
        units
            .filter(|(_, kept)| !kept)
            .map(|(unit, _)| unit)
            .collect()
    }

    /// By sorting: ascending, and of equals the later one first.
    fn reference(scores: &[f64], units: &Mask, count: usize) -> Vec<usize> {
        let mut order: Vec<_> = (0..scores.len())
            .filter(|unit| units.is_kept(*unit))
            .collect();
        order.sort_by(|a, b| scores[*a].partial_cmp(&scores[*b]).unwrap().then(b.cmp(a)));
        let mut all = pruned(units);
        all.extend(&order[..count]);
        all.sort_unstable();
        all
    }

    #[test]
    fn among_equals_the_lower_index_is_kept() {
        assert_eq!(select(vec![1.0; 4], 3), [1, 2, 3]);
        assert_eq!(select(vec![2.0, 1.0, 2.0, 1.0, 2.0], 3), [1, 3, 4]);
        assert_eq!(select(vec![0.0, -0.0, 0.0], 1), [2]);
    }

    #[test]
    fn none_and_all() {
        assert_eq!(select(vec![3.0, 1.0], 0), [0usize; 0]);
        assert_eq!(select(vec![3.0, 1.0], 2), [0, 1]);
    }

    #[test]
    fn many_scores_are_selected_as_by_sorting() {
        let hash = |index: usize| (index as u32).wrapping_mul(0x9e37_79b9) >> 8;
        for (len, levels) in [
            (200_000, 1 << 24),
            (200_000, 7),
            (150_001, 1),
            (70_000, 3000),
        ] {
            let scores = |index| (hash(index) % levels) as f32 - 100.0;
            let scores: Vec<f32> = (0..len).map(scores).collect();
            let wide: Vec<f64> = scores.iter().map(|score| f64::from(*score)).collect();
            let units = Mask::all_kept([len]);
            for count in [1, len / 3, len / 2, len - 1, len] {
                let expected = reference(&wide, &units, count);
                assert_eq!(select(scores.clone(), count), expected);
                assert_eq!(select(wide.clone(), count), expected);
            }
        }
    }

    #[test]
    fn tensors_are_ranked_together_and_pruned_units_take_no_part() {
        for len in [2, 100_000] {
            let first: Scores = (0..len)
                .map(|i| (i * 7 % 11) as f32)
                .collect::<Vec<_>>()
                .into();
            let second: Vec<f64> = (0..len).map(|i| (i * 5 % 13) as f64 - 0.5).collect();
            let second: Scores = second.into();
            let mut a = Mask::all_kept([len]);
            let mut b = Mask::all_kept([len]);
            (0..len).step_by(2).for_each(|unit| b.prune(unit));
            let scores = |s: &Scores| (0..len).map(|unit| s.get(unit)).collect::<Vec<_>>();
            let mut all = scores(&first);
            all.extend(scores(&second));
            let kept: Vec<bool> = a.iter().chain(b.iter()).collect();
            let count = len * 3 / 4;
            let expected = reference(&all, &Mask::from_kept([2 * len], &kept).unwrap(), count);
            prune_lowest(
                &mut [
                    Candidates {
                        scores: &first,
                        units: &mut a,
                    },
                    Candidates {
                        scores: &second,
                        units: &mut b,
                    },
                ],
                count,
            );
            let mut found = pruned(&a);
            found.extend(pruned(&b).into_iter().map(|unit| unit + len));
            assert_eq!(found, expected);
        }
    }
}
