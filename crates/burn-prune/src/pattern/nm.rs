use serde::{Deserialize, Serialize};

use super::{Axis, Pattern, WeightAxes};
use crate::error::PruneError;
use crate::mask::Mask;
use crate::scores::{Block, Scores};

/// N:M sparsity: of each group of M weights along the input axis, the N with the highest scores
/// are kept (Mishra et al. 2021, "Accelerating Sparse Deep Neural Networks").
///
/// The groups lie along the axis that is summed over: input features, or the input channels of a
/// convolution, which is how 2:4 hardware reads them. The pattern determines how much is pruned, so
/// it takes no amount and no allocation. Weights that are pruned already count first; a group that
/// has lost more than M - N keeps what it has left.
///
/// ```
/// use burn::{nn::LinearConfig, tensor::{Device, Tensor}};
/// use burn_prune::{Magnitude, NM, Pruner};
///
/// let device = Device::flex();
/// let layer = LinearConfig::new(4, 1).init(&device);
/// let scores = Tensor::<2>::from_floats([[1.0], [-4.0], [3.0], [2.0]], &device);
/// let pruner = Pruner::new(Magnitude::l1()).pattern(NM::new(2, 4)).importance("weight", scores);
/// let mask = pruner.masks(&layer)?.get("weight").unwrap().clone();
/// assert_eq!(mask.iter().collect::<Vec<_>>(), [false, true, true, false]);
/// # Ok::<(), burn_prune::PruneError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NM {
    n: usize,
    m: usize,
    #[serde(default, rename = "skip_indivisible")]
    skip: bool,
}

/// The groups of one weight.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Groups {
    n: usize,
    m: usize,
    /// Weights between two neighbours on the axis.
    stride: usize,
}

/// A weight whose input axis the groups do not divide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Indivisible {
    pub length: usize,
}

impl NM {
    /// Keeps `n` of each `m`.
    pub fn new(n: usize, m: usize) -> Self {
        Self { n, m, skip: false }
    }

    /// Skips weights whose input axis is not divisible by `m`, instead of refusing them: the first
    /// layer of most convolutional networks. [`MaskSet::skipped`](crate::MaskSet::skipped) and the
    /// printed mask set tell which.
    #[must_use]
    pub fn skip_indivisible(mut self) -> Self {
        self.skip = true;
        self
    }

    pub(crate) fn skips(self) -> bool {
        self.skip
    }

    pub(crate) fn sizes(self) -> (usize, usize) {
        (self.n, self.m)
    }

    pub(crate) fn validate(self) -> Result<(), PruneError> {
        if self.n == 0 || self.n > self.m {
            return Err(PruneError::InvalidNM {
                n: self.n,
                m: self.m,
            });
        }
        Ok(())
    }

    pub(crate) fn groups(
        self,
        path: &str,
        shape: &[usize],
        axes: Option<WeightAxes>,
    ) -> Result<Result<Groups, Indivisible>, PruneError> {
        let dim = Axis::Input.resolve(path, shape, axes)?;
        let length = shape[dim];
        if !length.is_multiple_of(self.m) {
            return Ok(Err(Indivisible { length }));
        }
        Ok(Ok(Groups {
            n: self.n,
            m: self.m,
            stride: shape[dim + 1..].iter().product(),
        }))
    }
}

impl Groups {
    /// Prunes the lowest of each group until no more than N are kept; of equals the lower index is
    /// kept.
    pub(crate) fn prune(&self, mask: &mut Mask, scores: &Scores) {
        let region = self.m * self.stride;
        if region == 0 {
            return;
        }
        let mut block = Block::default();
        let mut kept: Vec<(f64, usize)> = Vec::with_capacity(self.m);
        // Groups that lie side by side fill a region of weights that follow each other.
        for start in (0..mask.len()).step_by(region) {
            let scores = scores.read_f64(start..start + region, &mut block);
            for first in 0..self.stride {
                let members = (first..region).step_by(self.stride);
                let unpruned = members.filter(|member| mask.is_kept(start + member));
                kept.clear();
                kept.extend(unpruned.map(|member| (scores[member] + 0.0, member)));
                kept.sort_by(|(a, i), (b, j)| b.total_cmp(a).then(i.cmp(j)));
                let goes = kept.iter().skip(self.n);
                goes.for_each(|(_, member)| mask.prune(start + member));
            }
        }
    }
}

impl From<NM> for Pattern {
    fn from(nm: NM) -> Self {
        Self::NM(nm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(n: usize, m: usize, shape: &[usize], input: usize, scores: Vec<f32>) -> Vec<usize> {
        let axes = WeightAxes { output: 0, input };
        let groups = NM::new(n, m).groups("w", shape, Some(axes)).unwrap();
        let mut mask = Mask::all_kept(shape.to_vec());
        groups.unwrap().prune(&mut mask, &scores.into());
        let kept = mask.iter().enumerate().filter(|(_, kept)| *kept);
        kept.map(|(index, _)| index).collect()
    }

    #[test]
    fn the_largest_of_each_group_are_kept() {
        assert_eq!(keep(2, 4, &[1, 4], 1, vec![1.0, 4.0, 3.0, 2.0]), [1, 2]);
        // Along the first dimension of [4, 2]: columns are groups.
        let scores = vec![1.0, 9.0, 4.0, 8.0, 3.0, 1.0, 2.0, 0.0];
        assert_eq!(keep(2, 4, &[4, 2], 0, scores), [1, 2, 3, 4]);
        assert_eq!(keep(1, 2, &[1, 4], 1, vec![1.0, 2.0, 4.0, 3.0]), [1, 2]);
    }

    #[test]
    fn of_equals_the_lower_indices_are_kept() {
        assert_eq!(keep(2, 4, &[1, 4], 1, vec![1.0; 4]), [0, 1]);
        assert_eq!(keep(1, 2, &[1, 2], 1, vec![0.0, -0.0]), [0]);
    }

    #[test]
    fn a_group_that_lost_more_keeps_what_it_has() {
        let axes = WeightAxes {
            output: 0,
            input: 1,
        };
        let groups = NM::new(2, 4).groups("w", &[1, 4], Some(axes)).unwrap();
        let mut mask = Mask::from_kept([1, 4], &[false, false, false, true]).unwrap();
        groups.unwrap().prune(&mut mask, &vec![0.0f32; 4].into());
        assert_eq!(mask.kept(), 1);
    }
}
