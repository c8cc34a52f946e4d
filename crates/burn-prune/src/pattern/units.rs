use crate::Mask;

/// The units of one weight: what a score is given to and what is pruned as a whole.
///
/// A unit is a single weight, or a slice along a dimension. Either way the weights have flat,
/// row-major indices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Units {
    shape: Vec<usize>,
    /// Number of units.
    count: usize,
    /// Weights that follow each other and are of one unit: 1 for single weights.
    stride: usize,
}

impl Units {
    pub(crate) fn single(shape: &[usize]) -> Self {
        Self {
            shape: shape.to_vec(),
            count: shape.iter().product(),
            stride: 1,
        }
    }

    pub(crate) fn slices(shape: &[usize], dim: usize) -> Self {
        Self {
            shape: shape.to_vec(),
            count: shape[dim],
            stride: shape[dim + 1..].iter().product(),
        }
    }

    /// Number of units.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Number of weights in all units together.
    pub fn weights(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether every weight is a unit of its own.
    pub fn are_single_weights(&self) -> bool {
        self.count == self.weights()
    }

    /// The unit that the weight at this flat index belongs to.
    pub fn unit_of(&self, index: usize) -> usize {
        match self.count {
            0 => 0,
            count => index / self.stride.max(1) % count,
        }
    }

    /// Folds the values of the weights, in flat order, into one value a unit.
    ///
    /// The order is fixed, so that sums do not depend on a backend.
    pub fn fold<T: Clone>(
        &self,
        values: impl IntoIterator<Item = f64>,
        init: T,
        mut fold: impl FnMut(&mut T, f64),
    ) -> Vec<T> {
        let mut units = vec![init; self.count];
        for (index, value) in values.into_iter().enumerate() {
            fold(&mut units[self.unit_of(index)], value);
        }
        units
    }

    /// The sum of the values of each unit's weights; the values themselves for single weights.
    pub fn sum(&self, values: impl IntoIterator<Item = f64>) -> Vec<f64> {
        self.fold(values, 0.0, |sum, value| *sum += value)
    }

    /// Which units have a weight that is still kept.
    pub(crate) fn unpruned(&self, mask: &Mask) -> Vec<bool> {
        let mut unpruned = vec![false; self.count];
        for (index, _) in mask.iter().enumerate().filter(|(_, kept)| *kept) {
            unpruned[self.unit_of(index)] = true;
        }
        unpruned
    }

    /// Prunes these units in a mask, leaving what is pruned already.
    pub(crate) fn prune(&self, mask: &mut Mask, units: &[usize]) {
        if self.are_single_weights() {
            units.iter().for_each(|unit| mask.prune(*unit));
            return;
        }
        let mut goes = vec![false; self.count];
        units.iter().for_each(|unit| goes[*unit] = true);
        for index in (0..self.weights()).filter(|index| goes[self.unit_of(*index)]) {
            mask.prune(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_of_every_dimension_have_their_weights() {
        let of = |dim| {
            let units = Units::slices(&[2, 3, 2], dim);
            (0..12)
                .map(|index| units.unit_of(index))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(0), [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
        assert_eq!(of(1), [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2]);
        assert_eq!(of(2), [0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
    }

    #[test]
    fn sums_are_by_unit() {
        let values = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(Units::slices(&[2, 2], 0).sum(values), [3.0, 7.0]);
        assert_eq!(Units::slices(&[2, 2], 1).sum(values), [4.0, 6.0]);
        assert_eq!(Units::single(&[2, 2]).sum(values), values);
    }

    #[test]
    fn a_partly_pruned_slice_is_unpruned() {
        let mask = Mask::from_kept([2, 2], &[false, false, true, false]).unwrap();
        assert_eq!(Units::slices(&[2, 2], 0).unpruned(&mask), [false, true]);
        assert_eq!(Units::slices(&[2, 2], 1).unpruned(&mask), [true, false]);
    }

    #[test]
    fn pruning_a_slice_takes_its_weights() {
        let mut mask = Mask::all_kept([2, 3]);
        Units::slices(&[2, 3], 1).prune(&mut mask, &[1]);
        let kept: Vec<_> = mask.iter().collect();
        assert_eq!(kept, [true, false, true, true, false, true]);
    }

    #[test]
    fn an_empty_tensor_has_no_weights() {
        let units = Units::slices(&[2, 0], 0);
        assert_eq!(units.sum([]), [0.0, 0.0]);
        assert_eq!(Units::single(&[2, 0]).sum([]), [0.0; 0]);
    }
}
