//! Which axes of a tensor a reshape keeps, merges and splits.

use std::ops::Range;

/// Axes before and after that hold the same elements, and cannot be taken apart further. Axes of
/// size 1 are in no block.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub before: Vec<usize>,
    pub after: Vec<usize>,
}

/// The blocks of a reshape, from the first axis on.
pub(super) fn blocks(before: &[usize], after: &[usize]) -> Vec<Block> {
    let axes = |shape: &[usize]| -> Vec<(usize, usize)> {
        let axes = shape.iter().copied().enumerate();
        axes.filter(|(_, size)| *size != 1).collect()
    };
    let (mut left, mut right) = (axes(before).into_iter(), axes(after).into_iter());
    let mut blocks = Vec::new();
    while let (Some(a), Some(b)) = (left.next(), right.next()) {
        let (mut block_a, mut block_b) = (vec![a.0], vec![b.0]);
        let (mut size_a, mut size_b) = (a.1, b.1);
        while size_a != size_b {
            let (axes, block, size) = match size_a < size_b {
                true => (&mut left, &mut block_a, &mut size_a),
                false => (&mut right, &mut block_b, &mut size_b),
            };
            let Some((axis, more)) = axes.next() else {
                // Only with an axis of size 0.
                return blocks;
            };
            block.push(axis);
            *size *= more;
        }
        blocks.push(Block {
            before: block_a,
            after: block_b,
        });
    }
    blocks
}

/// How the first axes of a block belong together: entry `i` of the one with fewer entries holds
/// these entries of the other. `None` when they do not fit into each other.
pub(super) fn entries(fewer: usize, more: usize, index: usize) -> Option<Range<usize>> {
    let each = more / fewer;
    more.is_multiple_of(fewer)
        .then(|| index * each..(index + 1) * each)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(before: &[usize], after: &[usize]) -> Block {
        Block {
            before: before.to_vec(),
            after: after.to_vec(),
        }
    }

    #[test]
    fn flattening_keeps_the_batch_and_merges_the_rest() {
        let found = blocks(&[2, 16, 4, 4], &[2, 256]);
        assert_eq!(found, [block(&[0], &[0]), block(&[1, 2, 3], &[1])]);
    }

    #[test]
    fn axes_of_size_1_come_and_go() {
        let found = blocks(&[1, 16, 1, 1], &[1, 16]);
        assert_eq!(found, [block(&[1], &[1])]);
        assert_eq!(blocks(&[16], &[1, 16, 1, 1]), [block(&[0], &[1])]);
    }

    #[test]
    fn what_is_not_aligned_is_one_block() {
        assert_eq!(blocks(&[2, 3], &[3, 2]), [block(&[0, 1], &[0, 1])]);
    }

    #[test]
    fn a_coarse_entry_holds_the_fine_ones_in_order() {
        assert_eq!(entries(4, 12, 1), Some(3..6));
        assert_eq!(entries(3, 4, 0), None);
    }
}
