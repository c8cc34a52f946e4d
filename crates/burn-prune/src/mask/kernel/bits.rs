//! Loops over weights and the packed bits of their mask, on the host.

use std::ops::BitAndAssign;

use rayon::prelude::*;

use super::{WORD_BITS, vectorized};

/// Tiles of 32 rows whose bits are transposed before their weights are walked.
const TILES: usize = 32;
/// Weights that one thread takes at a time.
const CHUNK: usize = 1 << 15;
/// Up to here waking a second thread takes longer than the weights do.
const FEW: usize = 1 << 19;

/// The bits of a weight, as the unsigned integer of its size; 0 is +0.0 in every float type.
pub(super) trait Bits: Copy + Send + Sync + BitAndAssign {
    const ZERO: Self;

    /// All ones where this bit of the word is 1, else 0.
    fn kept(word: u32, bit: usize) -> Self;
}

macro_rules! bits {
    ($($unsigned:ty),*) => {$(
        impl Bits for $unsigned {
            const ZERO: Self = 0;

            #[inline(always)]
            fn kept(word: u32, bit: usize) -> Self {
                (word >> bit & 1).wrapping_neg().cast_signed() as Self
            }
        }
    )*};
}

bits!(u16, u32, u64);

/// Zeroes the weights whose bit is 0.
pub(super) fn clear<E: Bits>(weights: &mut [E], words: &[i32]) {
    if weights.len() <= FEW {
        return vectorized(|| clear_words(weights, words));
    }
    weights
        .par_chunks_mut(CHUNK)
        .zip(words.par_chunks(CHUNK / WORD_BITS))
        .for_each(|(weights, words)| vectorized(|| clear_words(weights, words)));
}

/// The weights whose bit is 1, and 0 for the others.
pub(super) fn copy_kept<E: Bits>(weights: &[E], words: &[i32]) -> Vec<E> {
    if weights.len() <= FEW {
        let mut kept = weights.to_vec();
        vectorized(|| clear_words(&mut kept, words));
        return kept;
    }
    // Zeroed memory comes fresh from the system, and all threads share the work of getting it.
    let mut kept = vec![E::ZERO; weights.len()];
    // In pieces that stay in the cache between the copy and the mask.
    const PIECE: usize = CHUNK / 8;
    kept.par_chunks_mut(PIECE)
        .zip(weights.par_chunks(PIECE))
        .zip(words.par_chunks(PIECE / WORD_BITS))
        .with_min_len(8)
        .for_each(|((kept, weights), words)| {
            kept.copy_from_slice(weights);
            vectorized(|| clear_words(kept, words));
        });
    kept
}

#[inline(always)]
fn clear_words<E: Bits>(weights: &mut [E], words: &[i32]) {
    for (weights, word) in weights.chunks_mut(WORD_BITS).zip(words) {
        clear_word(weights, word.cast_unsigned());
    }
}

#[inline(always)]
fn clear_word<E: Bits>(weights: &mut [E], word: u32) {
    // The length is known in the first branch, so it becomes a few vector instructions.
    if let Ok(weights) = <&mut [E; WORD_BITS]>::try_from(&mut *weights) {
        for (bit, weight) in weights.iter_mut().enumerate() {
            *weight &= E::kept(word, bit);
        }
    } else {
        for (bit, weight) in weights.iter_mut().enumerate() {
            *weight &= E::kept(word, bit);
        }
    }
}

/// [`clear`] for a matrix `[rows, columns]` that is stored by columns, `stride` apart.
///
/// The bits are by rows. Tiles of 32 by 32 bits are transposed in registers, so that the weights
/// are walked as they lie.
pub(super) fn clear_transposed<E: Bits>(
    weights: &mut [E],
    words: &[i32],
    [rows, columns]: [usize; 2],
    stride: usize,
) {
    let block = |(first, weights): (usize, &mut [E])| {
        vectorized(|| clear_columns(weights, words, [rows, columns], stride, first * WORD_BITS));
    };
    if rows * columns <= FEW {
        let blocks = weights.chunks_mut(WORD_BITS * stride).enumerate();
        blocks.take(columns.div_ceil(WORD_BITS)).for_each(block);
    } else {
        let blocks = weights.par_chunks_mut(WORD_BITS * stride).enumerate();
        blocks.take(columns.div_ceil(WORD_BITS)).for_each(block);
    }
}

/// Zeroes the weights of up to 32 columns, from `first` on.
#[inline(always)]
fn clear_columns<E: Bits>(
    weights: &mut [E],
    words: &[i32],
    [rows, columns]: [usize; 2],
    stride: usize,
    first: usize,
) {
    let width = WORD_BITS.min(columns - first);
    // Word `t` of a column has the bits of its rows from `32 t` on.
    let mut by_column = [[0; TILES]; WORD_BITS];
    for top in (0..rows).step_by(WORD_BITS * TILES) {
        let height = (WORD_BITS * TILES).min(rows - top);
        for tile in 0..height.div_ceil(WORD_BITS) {
            let top = top + tile * WORD_BITS;
            let mut bits = [0; WORD_BITS];
            for (row, bits) in bits.iter_mut().enumerate().take(rows - top) {
                *bits = bits_from(words, (top + row) * columns + first);
            }
            transpose(&mut bits);
            for (column, word) in by_column.iter_mut().zip(bits) {
                column[tile] = word.cast_signed();
            }
        }
        for (column, words) in by_column.iter().enumerate().take(width) {
            let start = column * stride + top;
            clear_words(&mut weights[start..start + height], words);
        }
    }
}

/// 32 bits from this bit on; 0 beyond the end.
#[inline(always)]
fn bits_from(words: &[i32], bit: usize) -> u32 {
    let (word, shift) = (bit / WORD_BITS, bit % WORD_BITS);
    let at = |index: usize| u64::from(words.get(index).map_or(0, |word| word.cast_unsigned()));
    ((at(word + 1) << WORD_BITS | at(word)) >> shift) as u32
}

/// Transposes a 32 by 32 bit matrix, bit `c` of word `r` to bit `r` of word `c`, by swapping ever
/// smaller quadrants (Warren, "Hacker's Delight", 7-3).
#[inline(always)]
fn transpose(tile: &mut [u32; WORD_BITS]) {
    let mut size = WORD_BITS / 2;
    let mut low = u32::MAX >> size;
    while size != 0 {
        let mut row = 0;
        while row < WORD_BITS {
            let swapped = (tile[row] >> size ^ tile[row + size]) & low;
            tile[row] ^= swapped << size;
            tile[row + size] ^= swapped;
            row = (row + size + 1) & !size;
        }
        size /= 2;
        low ^= low << size;
    }
}

/// [`clear`] for any strides, in elements, from `start` on. No two indices may mean one place.
pub(super) fn clear_strided<E: Bits>(
    weights: &mut [E],
    words: &[i32],
    start: usize,
    shape: &[usize],
    strides: &[isize],
) {
    let mut index = vec![0; shape.len()];
    let mut place = start.cast_signed();
    for bit in 0..shape.iter().product() {
        if words[bit / WORD_BITS].cast_unsigned() >> (bit % WORD_BITS) & 1 == 0 {
            weights[place.cast_unsigned()] = E::ZERO;
        }
        for dim in (0..shape.len()).rev() {
            index[dim] += 1;
            place += strides[dim];
            if index[dim] < shape[dim] {
                break;
            }
            place -= strides[dim] * shape[dim].cast_signed();
            index[dim] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transposed_tile_has_rows_for_columns() {
        let hash = |row: usize| (row as u32 + 1).wrapping_mul(0x9e37_79b9);
        let tile: [u32; WORD_BITS] = std::array::from_fn(hash);
        let mut transposed = tile;
        transpose(&mut transposed);
        for (row, bits) in tile.iter().enumerate() {
            for (column, transposed) in transposed.iter().enumerate() {
                assert_eq!(bits >> column & 1, transposed >> row & 1);
            }
        }
    }

    #[test]
    fn bits_are_read_across_words() {
        let words = [0x1234_5678, 0x0000_00ff];
        assert_eq!(bits_from(&words, 0), 0x1234_5678);
        assert_eq!(bits_from(&words, 8), 0xff12_3456);
        assert_eq!(bits_from(&words, 32), 0xff);
        assert_eq!(bits_from(&words, 63), 0);
    }
}
