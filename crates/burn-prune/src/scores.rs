use std::ops::Range;

use rayon::prelude::*;

use crate::error::PruneError;
use crate::mask::{Mask, vectorized};
use crate::model::Values;

/// The scores of the units of one weight: one `f32` or `f64` for each.
///
/// ```
/// use burn_prune::Scores;
///
/// let scores = Scores::from(vec![0.5_f32, 2.0]);
/// assert_eq!(scores.len(), 2);
/// ```
#[derive(Debug, Clone)]
pub struct Scores {
    kind: Kind,
    /// What they are divided by when they are compared.
    divisor: f64,
}

#[derive(Debug, Clone)]
enum Kind {
    F32(Vec<f32>),
    F64(Vec<f64>),
    /// The absolute values of single weights, which stay where they are.
    Magnitudes(Values),
}

/// Scores that a thread looks at together.
const BLOCK: usize = 1 << 12;
/// Scores that a thread takes at a time.
const CHUNK: usize = 1 << 16;

impl Scores {
    /// The absolute value of each weight. Nothing is copied.
    pub(crate) fn magnitudes(values: &Values) -> Self {
        Self::new(Kind::Magnitudes(values.clone()))
    }

    fn new(kind: Kind) -> Self {
        Self { kind, divisor: 1.0 }
    }

    /// Divides each score, in f64, when it is read.
    pub(crate) fn divided_by(mut self, divisor: f64) -> Self {
        self.divisor = divisor;
        self
    }

    /// Number of scores.
    pub fn len(&self) -> usize {
        match &self.kind {
            Kind::F32(scores) => scores.len(),
            Kind::F64(scores) => scores.len(),
            Kind::Magnitudes(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether an f32 holds every score exactly.
    pub(crate) fn are_f32(&self) -> bool {
        let kind = match &self.kind {
            Kind::F32(_) => true,
            Kind::F64(_) => false,
            Kind::Magnitudes(values) => values.are_f32(),
        };
        kind && self.divisor == 1.0
    }

    /// What the scores of these units are made of, for scores that [are f32](Self::are_f32): the
    /// scores themselves, or weights whose absolute values they are.
    pub(crate) fn read_f32<'a>(&'a self, range: Range<usize>, block: &'a mut Block) -> Floats<'a> {
        match &self.kind {
            Kind::F32(scores) => Floats::Scores(&scores[range]),
            Kind::F64(_) => unreachable!("asked for f32 of f64 scores"),
            Kind::Magnitudes(values) => {
                Floats::Signed(values.stored_f32(range, &mut block.gathered))
            }
        }
    }

    /// The scores of these units.
    pub(crate) fn read_f64<'a>(&'a self, range: Range<usize>, block: &'a mut Block) -> &'a [f64] {
        match &self.kind {
            Kind::F32(scores) => {
                block.f64.clear();
                let scores = scores[range].iter();
                block.f64.extend(scores.map(|score| f64::from(*score)));
            }
            Kind::F64(scores) if self.divisor == 1.0 => return &scores[range],
            Kind::F64(scores) => {
                block.f64.clear();
                block.f64.extend_from_slice(&scores[range]);
            }
            Kind::Magnitudes(values) => {
                values.read_into(range, &mut block.f64);
                block.f64.iter_mut().for_each(|score| *score = score.abs());
            }
        }
        let divisor = self.divisor;
        block.f64.iter_mut().for_each(|score| *score /= divisor);
        &block.f64
    }

    /// Calls with all scores, some at a time, in order.
    pub(crate) fn for_each_block(&self, mut each: impl FnMut(&[f64])) {
        let mut block = Block::default();
        for start in (0..self.len()).step_by(BLOCK) {
            each(self.read_f64(start..self.len().min(start + BLOCK), &mut block));
        }
    }

    /// The scores in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = f64> + '_ {
        let mut block = Block::default();
        (0..self.len()).map(move |unit| self.read_f64(unit..unit + 1, &mut block)[0])
    }

    /// The score of one unit.
    #[cfg(test)]
    pub(crate) fn get(&self, unit: usize) -> f64 {
        self.read_f64(unit..unit + 1, &mut Block::default())[0]
    }

    /// Refuses a wrong number of scores, and scores of unpruned units that are not finite.
    pub(crate) fn validate(&self, path: &str, unpruned: &Mask) -> Result<(), PruneError> {
        self.check_count(path, unpruned.len())?;
        let chunks = self.len().div_ceil(CHUNK);
        let infinite_in = |chunk: usize| {
            let mut block = Block::default();
            let mut starts = (chunk * CHUNK..self.len().min((chunk + 1) * CHUNK)).step_by(BLOCK);
            starts.find_map(|start| {
                let range = start..self.len().min(start + BLOCK);
                if self.all_finite(range.clone(), &mut block) {
                    return None;
                }
                let scores = self.read_f64(range, &mut block).iter().enumerate();
                let mut infinite = scores.filter(|(_, score)| !score.is_finite());
                infinite
                    .find(|(offset, _)| unpruned.is_kept(start + offset))
                    .map(|(offset, score)| (start + offset, *score))
            })
        };
        let infinite = match chunks {
            // Waking other threads takes longer than a small tensor.
            0 | 1 => (0..chunks).find_map(infinite_in),
            _ => (0..chunks).into_par_iter().find_map_first(infinite_in),
        };
        match infinite {
            Some((unit, found)) => Err(PruneError::NonFiniteScore {
                path: path.to_string(),
                unit,
                found,
            }),
            None => Ok(()),
        }
    }

    /// Refuses a wrong number of scores.
    pub(crate) fn check_count(&self, path: &str, units: usize) -> Result<(), PruneError> {
        if self.len() == units {
            return Ok(());
        }
        Err(PruneError::ScoreCount {
            path: path.to_string(),
            expected: units,
            found: self.len(),
        })
    }

    /// The mean absolute score of these units, in f64; 0 where there are none.
    ///
    /// Summed by chunks and in their order, so that it does not depend on the threads.
    pub(crate) fn mean_magnitude(&self, units: &Mask) -> f64 {
        let chunks = self.len().div_ceil(CHUNK);
        let sum = |chunk: usize| {
            let mut block = Block::default();
            let mut sum = 0.0;
            for start in (chunk * CHUNK..self.len().min((chunk + 1) * CHUNK)).step_by(BLOCK) {
                let scores = self.read_f64(start..self.len().min(start + BLOCK), &mut block);
                let scores = scores.iter().zip(start..);
                let counted = scores.filter(|(_, unit)| units.is_kept(*unit));
                sum += counted.map(|(score, _)| score.abs()).sum::<f64>();
            }
            sum
        };
        let sums: Vec<f64> = (0..chunks).into_par_iter().map(sum).collect();
        match units.kept() {
            0 => 0.0,
            kept => sums.iter().sum::<f64>() / kept as f64,
        }
    }

    fn all_finite(&self, range: Range<usize>, block: &mut Block) -> bool {
        // The largest bits are found without a way out, so that it runs on vectors.
        if self.are_f32() {
            let (Floats::Scores(floats) | Floats::Signed(floats)) = self.read_f32(range, block);
            let bits = |float: &f32| float.to_bits() & !(1 << 31);
            vectorized(|| floats.iter().map(bits).fold(0, u32::max)) < f32::INFINITY.to_bits()
        } else {
            let scores = self.read_f64(range, block);
            let bits = |float: &f64| float.to_bits() & !(1 << 63);
            vectorized(|| scores.iter().map(bits).fold(0, u64::max)) < f64::INFINITY.to_bits()
        }
    }
}

/// What f32 scores are made of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Floats<'a> {
    /// The scores.
    Scores(&'a [f32]),
    /// Their absolute values are the scores.
    Signed(&'a [f32]),
}

/// Where a block of scores is kept while it is looked at, to be used again.
#[derive(Debug, Default)]
pub(crate) struct Block {
    gathered: Vec<f32>,
    f64: Vec<f64>,
}

impl From<Vec<f32>> for Scores {
    fn from(scores: Vec<f32>) -> Self {
        Self::new(Kind::F32(scores))
    }
}

impl From<Vec<f64>> for Scores {
    fn from(scores: Vec<f64>) -> Self {
        Self::new(Kind::F64(scores))
    }
}
