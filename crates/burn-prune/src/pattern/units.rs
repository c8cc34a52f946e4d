use crate::Mask;

/// The units of one weight: what a score is given to and what is pruned as a whole.
///
/// A unit is a single weight, a slice along a dimension, or a block of the weight seen as a matrix.
/// Either way the weights have flat, row-major indices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Units {
    shape: Vec<usize>,
    /// Number of units.
    count: usize,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Single,
    /// Slices of so many weights that follow each other.
    Slices {
        stride: usize,
    },
    /// Tiles of the matrix `[rows, columns]` whose rows are one dimension of the weight and whose
    /// columns are all others, in their order.
    Blocks {
        rows: usize,
        /// Product of the dimensions after the rows.
        inner: usize,
        size: [usize; 2],
        /// Blocks in a row of blocks.
        across: usize,
    },
}

impl Units {
    pub(crate) fn single(shape: &[usize]) -> Self {
        Self {
            shape: shape.to_vec(),
            count: shape.iter().product(),
            kind: Kind::Single,
        }
    }

    pub(crate) fn slices(shape: &[usize], dim: usize) -> Self {
        Self {
            shape: shape.to_vec(),
            count: shape[dim],
            kind: Kind::Slices {
                stride: shape[dim + 1..].iter().product(),
            },
        }
    }

    /// Blocks of `size`, in rows and columns; those at the edges may be partial.
    pub(crate) fn blocks(shape: &[usize], row_dim: usize, size: [usize; 2]) -> Self {
        let [rows, columns] = Self::matrix(shape, row_dim);
        let across = columns.div_ceil(size[1]);
        Self {
            shape: shape.to_vec(),
            count: rows.div_ceil(size[0]) * across,
            kind: Kind::Blocks {
                rows,
                inner: shape[row_dim + 1..].iter().product(),
                size,
                across,
            },
        }
    }

    /// Rows and columns of the matrix that [`blocks`](Self::blocks) are cut from.
    pub(crate) fn matrix(shape: &[usize], row_dim: usize) -> [usize; 2] {
        let others = shape.iter().enumerate().filter(|(dim, _)| *dim != row_dim);
        [shape[row_dim], others.map(|(_, size)| size).product()]
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
        self.kind == Kind::Single
    }

    /// The unit that the weight at this flat index belongs to.
    pub fn unit_of(&self, index: usize) -> usize {
        match self.kind {
            Kind::Single => index,
            Kind::Slices { .. } if self.count == 0 => 0,
            Kind::Slices { stride } => index / stride.max(1) % self.count,
            Kind::Blocks {
                rows,
                inner,
                size: [height, width],
                across,
            } => {
                let row = index / inner % rows;
                let column = index / (inner * rows) * inner + index % inner;
                row / height * across + column / width
            }
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

    /// How many weights each unit has.
    pub(crate) fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.count];
        (0..self.weights()).for_each(|index| sizes[self.unit_of(index)] += 1);
        sizes
    }

    /// The units as a mask: kept where one of their weights is.
    pub(crate) fn unpruned(&self, mask: &Mask) -> Mask {
        if self.are_single_weights() {
            return mask.clone();
        }
        let mut units = Mask::none_kept([self.count]);
        for (index, _) in mask.iter().enumerate().filter(|(_, kept)| *kept) {
            units.keep(self.unit_of(index));
        }
        units
    }

    /// Prunes the weights of the units that this mask of units prunes.
    pub(crate) fn prune(&self, mask: &mut Mask, units: &Mask) {
        for index in (0..self.weights()).filter(|index| !units.is_kept(self.unit_of(*index))) {
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
        let unpruned = |dim| Units::slices(&[2, 2], dim).unpruned(&mask);
        assert_eq!(unpruned(0).iter().collect::<Vec<_>>(), [false, true]);
        assert_eq!(unpruned(1).iter().collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn pruning_a_slice_takes_its_weights() {
        let mut mask = Mask::all_kept([2, 3]);
        let units = Mask::from_kept([3], &[true, false, true]).unwrap();
        Units::slices(&[2, 3], 1).prune(&mut mask, &units);
        let kept: Vec<_> = mask.iter().collect();
        assert_eq!(kept, [true, false, true, true, false, true]);
    }

    #[test]
    fn blocks_tile_the_matrix_and_are_partial_at_its_edges() {
        let of = |shape: &[usize], row_dim, size| {
            let units = Units::blocks(shape, row_dim, size);
            let of = (0..units.weights()).map(|index| units.unit_of(index));
            (units.count(), of.collect::<Vec<_>>())
        };
        // [out, in] = [3, 3] in tiles of 2 by 2.
        let (count, tiles) = of(&[3, 3], 0, [2, 2]);
        assert_eq!((count, tiles), (4, vec![0, 0, 1, 0, 0, 1, 2, 2, 3]));
        // The same, stored as [in, out].
        let (count, tiles) = of(&[3, 3], 1, [2, 2]);
        assert_eq!((count, tiles), (4, vec![0, 0, 2, 0, 0, 2, 1, 1, 3]));
        // A transposed convolution [in, out, k] = [2, 2, 2]: columns are in and k together.
        let (count, tiles) = of(&[2, 2, 2], 1, [1, 3]);
        assert_eq!((count, tiles), (4, vec![0, 0, 2, 2, 0, 1, 2, 3]));
    }

    #[test]
    fn an_empty_tensor_has_no_weights() {
        let units = Units::slices(&[2, 0], 0);
        assert_eq!(units.sum([]), [0.0, 0.0]);
        assert_eq!(Units::single(&[2, 0]).sum([]), [0.0; 0]);
    }
}
