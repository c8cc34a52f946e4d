use super::shifts::ALIGNED;
use crate::kernel::Simd;

/// The tiles of positions of a part.
#[derive(Debug, Clone)]
pub(super) struct Tiles {
    /// In the largest tile.
    pub(super) vectors: usize,
    step: usize,
    lanes: usize,
    shift: usize,
    at: usize,
    positions: usize,
}

impl Tiles {
    /// Of positions in lines of `width`, `row` apart. With shifted sums, the last ones of a tile are not
    /// right: as many as the largest shift.
    pub(super) fn new(
        simd: Simd,
        positions: usize,
        row: usize,
        width: usize,
        shift: usize,
    ) -> Self {
        let lanes = simd.lanes();
        let most = match simd {
            Simd::Portable => 3,
            Simd::Avx2 => 12,
            Simd::Avx512 => 14,
        };
        let whole = |vectors: usize, step: usize| Self {
            vectors,
            step,
            lanes,
            shift,
            at: 0,
            positions,
        };
        let all = (positions + shift).div_ceil(lanes);
        if all <= most {
            return whole(all, all * lanes);
        }
        if shift == 0 {
            let vectors = all.div_ceil(all.div_ceil(most));
            return whole(vectors, vectors * lanes);
        }
        if row >= width + shift {
            // Whole lines: what is not right is between them.
            let lines = (1..=most * lanes / row).rev();
            if let Some(lines) = lines
                .into_iter()
                .find(|lines| (lines * row).is_multiple_of(lanes))
            {
                return whole(lines * row / lanes, lines * row);
            }
        }
        whole(most, most * lanes - ALIGNED)
    }
}

impl Iterator for Tiles {
    /// Where it begins, how many positions it has, and how many vectors.
    type Item = (usize, usize, usize);

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.positions {
            return None;
        }
        let at = self.at;
        self.at += self.step;
        let used = self.step.min(self.positions - at);
        let vectors = (used + self.shift).div_ceil(self.lanes);
        Some((at, used, vectors.min(self.vectors)))
    }
}
