use std::ops::Range;
use std::sync::Arc;

use super::CoupledMember;
use crate::mask::Mask;

/// The units of one weight: what a score is given to and what is pruned as a whole.
///
/// A unit is a single weight, a slice along a dimension, a block of the weight seen as a matrix, or
/// the part that the weight has in a unit of [coupled channels](crate::CoupledChannels). Either way
/// the weights have flat, row-major indices.
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
    /// Slices of so many weights that follow each other, and of each slice its unit, if it has one.
    Coupled {
        stride: usize,
        slices: Arc<[Option<usize>]>,
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

    /// The part that a parameter has in the units of a group.
    pub(crate) fn of_member(member: &CoupledMember) -> Self {
        let CoupledMember {
            axis,
            shape,
            indices,
            ..
        } = member;
        let mut slices = vec![None; shape[*axis]];
        for (unit, indices) in indices.iter().enumerate() {
            indices.iter().for_each(|index| slices[*index] = Some(unit));
        }
        Self {
            shape: shape.clone(),
            count: indices.len(),
            kind: Kind::Coupled {
                stride: shape[axis + 1..].iter().product(),
                slices: slices.into(),
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

    /// Number of weights, also of those in no unit.
    pub fn weights(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether every weight is a unit of its own.
    pub fn are_single_weights(&self) -> bool {
        self.kind == Kind::Single
    }

    /// The unit that the weight at this flat index belongs to. `None` where it belongs to none: a
    /// weight that reads other channels than those of the group, for instance.
    pub fn unit_of(&self, index: usize) -> Option<usize> {
        match &self.kind {
            Kind::Single => Some(index),
            Kind::Slices { .. } if self.count == 0 => None,
            Kind::Slices { stride } => Some(index / (*stride).max(1) % self.count),
            Kind::Blocks {
                rows,
                inner,
                size: [height, width],
                across,
            } => {
                let row = index / inner % rows;
                let column = index / (inner * rows) * inner + index % inner;
                Some(row / height * across + column / width)
            }
            Kind::Coupled { stride, slices } => slices[index / stride % slices.len()],
        }
    }

    /// Folds the values of the weights, in flat order, into one value a unit.
    ///
    /// The order is fixed, so that sums do not depend on a backend. Weights in no unit are left out.
    pub fn fold<T: Clone>(
        &self,
        values: impl IntoIterator<Item = f64>,
        init: T,
        fold: impl FnMut(&mut T, f64),
    ) -> Vec<T> {
        let mut units = vec![init; self.count];
        self.fold_into(&mut units, values, fold);
        units
    }

    /// [`fold`](Self::fold), on top of what is there.
    pub(crate) fn fold_into<T>(
        &self,
        units: &mut [T],
        values: impl IntoIterator<Item = f64>,
        mut fold: impl FnMut(&mut T, f64),
    ) {
        let Some((stride, slices)) = self.sliced() else {
            for (index, value) in values.into_iter().enumerate() {
                if let Some(unit) = self.unit_of(index) {
                    fold(&mut units[unit], value);
                }
            }
            return;
        };
        // Counted instead of divided: a division takes longer than all the rest.
        let (mut slice, mut inner) = (0, 0);
        for value in values {
            if let Some(unit) = self.unit_of_slice(slice) {
                fold(&mut units[unit], value);
            }
            inner += 1;
            if inner == stride {
                (inner, slice) = (0, if slice + 1 == slices { 0 } else { slice + 1 });
            }
        }
    }

    /// The length of a slice and the number of slices, for units that are made of slices.
    fn sliced(&self) -> Option<(usize, usize)> {
        match &self.kind {
            Kind::Slices { stride } => Some((*stride, self.count)),
            Kind::Coupled { stride, slices } => Some((*stride, slices.len())),
            Kind::Single | Kind::Blocks { .. } => None,
        }
    }

    /// The unit of a slice, for units that are made of slices.
    fn unit_of_slice(&self, slice: usize) -> Option<usize> {
        match &self.kind {
            Kind::Coupled { slices, .. } => slices[slice],
            _ => Some(slice),
        }
    }

    /// Weights that follow each other and are in one unit, in flat order, with that unit; for units
    /// that are made of slices.
    fn runs(
        &self,
        stride: usize,
        slices: usize,
    ) -> impl Iterator<Item = (Range<usize>, usize)> + '_ {
        let outer = self.weights().checked_div(stride * slices);
        (0..outer.unwrap_or(0)).flat_map(move |outer| {
            (0..slices).filter_map(move |slice| {
                let start = (outer * slices + slice) * stride;
                Some((start..start + stride, self.unit_of_slice(slice)?))
            })
        })
    }

    /// The sum of the values of each unit's weights; the values themselves for single weights.
    pub fn sum(&self, values: impl IntoIterator<Item = f64>) -> Vec<f64> {
        self.fold(values, 0.0, |sum, value| *sum += value)
    }

    /// How many weights each unit has.
    pub(crate) fn sizes(&self) -> Vec<usize> {
        let ones = std::iter::repeat_n(0.0, self.weights());
        self.fold(ones, 0, |size, _| *size += 1)
    }

    /// The units as a mask: kept where one of their weights is.
    pub(crate) fn unpruned(&self, mask: &Mask) -> Mask {
        if self.are_single_weights() {
            return mask.clone();
        }
        let mut units = Mask::none_kept([self.count]);
        if let Some((stride, slices)) = self.sliced() {
            for (mut run, unit) in self.runs(stride, slices) {
                if !units.is_kept(unit) && run.any(|index| mask.is_kept(index)) {
                    units.keep(unit);
                }
            }
            return units;
        }
        for (index, _) in mask.iter().enumerate().filter(|(_, kept)| *kept) {
            if let Some(unit) = self.unit_of(index) {
                units.keep(unit);
            }
        }
        units
    }

    /// Whether a weight is kept that belongs to a unit.
    pub(crate) fn any_kept(&self, mask: &Mask) -> bool {
        let mut kept = mask.iter().enumerate().filter(|(_, kept)| *kept);
        kept.any(|(index, _)| self.unit_of(index).is_some())
    }

    /// Prunes the weights of the units that this mask of units prunes.
    pub(crate) fn prune(&self, mask: &mut Mask, units: &Mask) {
        let goes = |unit: usize| !units.is_kept(unit);
        if let Some((stride, slices)) = self.sliced() {
            for (run, _) in self.runs(stride, slices).filter(|(_, unit)| goes(*unit)) {
                run.for_each(|index| mask.prune(index));
            }
            return;
        }
        for index in (0..self.weights()).filter(|index| self.unit_of(*index).is_some_and(goes)) {
            mask.prune(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::MemberRole;

    #[test]
    fn slices_of_every_dimension_have_their_weights() {
        let of = |dim| {
            let units = Units::slices(&[2, 3, 2], dim);
            (0..12)
                .filter_map(|index| units.unit_of(index))
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
            let of = (0..units.weights()).filter_map(|index| units.unit_of(index));
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
    fn coupled_slices_belong_to_the_units_that_name_them() {
        let coupled = |shape: &[usize], axis, indices: &[&[usize]]| {
            Units::of_member(&CoupledMember {
                path: "w".to_string(),
                axis,
                shape: shape.to_vec(),
                role: MemberRole::Other,
                indices: indices.iter().map(|unit| unit.to_vec()).collect(),
            })
        };
        // Columns 3 and 1 are units 0 and 1, columns 0 and 2 are in none.
        let units = coupled(&[2, 4], 1, &[&[3], &[1]]);
        let of: Vec<_> = (0..8).map(|index| units.unit_of(index)).collect();
        assert_eq!(of[..4], [None, Some(1), None, Some(0)]);
        assert_eq!(of[4..], of[..4]);
        assert_eq!(units.sum((0..8).map(f64::from)), [10.0, 6.0]);
        assert_eq!(units.sizes(), [2, 2]);
        // Rows 0 and 2 together.
        let units = coupled(&[3, 2], 0, &[&[0, 2]]);
        assert_eq!(units.sum((0..6).map(f64::from)), [10.0]);
        let mut mask = Mask::all_kept([3, 2]);
        units.prune(&mut mask, &Mask::none_kept([1]));
        let kept: Vec<_> = mask.iter().collect();
        assert_eq!(kept, [false, false, true, true, false, false]);
        assert_eq!(units.unpruned(&mask).kept(), 0);
    }

    #[test]
    fn an_empty_tensor_has_no_weights() {
        let units = Units::slices(&[2, 0], 0);
        assert_eq!(units.sum([]), [0.0, 0.0]);
        assert_eq!(Units::single(&[2, 0]).sum([]), [0.0; 0]);
    }
}
