//! Which axes of a tensor a reshape keeps, merges and splits.

use std::ops::Range;

use crate::graph::AxisSize;

/// Axes before and after that hold the same elements, and cannot be taken apart further. Axes of
/// size 1 are in no block.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Block {
    pub before: Vec<usize>,
    pub after: Vec<usize>,
}

/// A factor of the size of an axis: the batch, which is outermost where it is one of several, or the
/// rest. Sizes are compared as `times * batch^power`, so that nothing depends on what the batch is.
#[derive(Debug, Clone, Copy)]
struct Factor {
    axis: usize,
    times: usize,
    power: u32,
}

/// The factors of a shape that are not 1; `None` when a size depends on the batch in another way, or
/// there are no elements.
fn factors(shape: &[AxisSize]) -> Option<Vec<Factor>> {
    let mut factors = Vec::new();
    for (axis, size) in shape.iter().enumerate() {
        let (times, power) = match *size {
            AxisSize::Other | AxisSize::Fixed(0) | AxisSize::Batch { times: 0, .. } => return None,
            AxisSize::Fixed(times) => (times, 0),
            AxisSize::Batch { times, power } => (times, power),
        };
        let batch = (1, power);
        let rest = (times, 0);
        for (times, power) in [batch, rest] {
            if (times, power) != (1, 0) {
                factors.push(Factor { axis, times, power });
            }
        }
    }
    Some(factors)
}

/// The blocks of a reshape, from the first axis on. Those that mix the batch with something else are
/// left out, and so are those of the batch alone.
pub(crate) fn blocks(before: &[AxisSize], after: &[AxisSize]) -> Vec<Block> {
    let (Some(before), Some(after)) = (factors(before), factors(after)) else {
        return Vec::new();
    };
    let (mut left, mut right) = (before.into_iter(), after.into_iter());
    // Products of the factors taken from either side.
    let (mut a, mut b) = ((1, 0), (1, 0));
    let (mut block, mut has_batch) = (Block::default(), false);
    let mut blocks = Vec::new();
    loop {
        let (side, product, axes) = if a <= b {
            (left.next(), &mut a, &mut block.before)
        } else {
            (right.next(), &mut b, &mut block.after)
        };
        let Some(factor) = side else {
            return blocks;
        };
        *product = (product.0 * factor.times, product.1 + factor.power);
        match factor.power {
            0 => axes.push(factor.axis),
            _ => has_batch = true,
        }
        if a == b {
            let found = std::mem::take(&mut block);
            if !has_batch {
                blocks.push(found);
            }
            has_batch = false;
        }
    }
}

/// How the first axes of a block belong together: entry `i` of the one with fewer entries holds
/// these entries of the other. `None` when they do not fit into each other.
pub(crate) fn entries(fewer: usize, more: usize, index: usize) -> Option<Range<usize>> {
    let each = more / fewer;
    more.is_multiple_of(fewer)
        .then(|| index * each..(index + 1) * each)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(shape: &[usize]) -> Vec<AxisSize> {
        shape.iter().copied().map(AxisSize::Fixed).collect()
    }

    fn batch(times: usize) -> AxisSize {
        AxisSize::Batch { times, power: 1 }
    }

    fn block(before: &[usize], after: &[usize]) -> Block {
        Block {
            before: before.to_vec(),
            after: after.to_vec(),
        }
    }

    #[test]
    fn flattening_keeps_the_batch_and_merges_the_rest() {
        let found = blocks(&fixed(&[2, 16, 4, 4]), &fixed(&[2, 256]));
        assert_eq!(found, [block(&[0], &[0]), block(&[1, 2, 3], &[1])]);
    }

    #[test]
    fn axes_of_size_1_come_and_go() {
        let found = blocks(&fixed(&[1, 16, 1, 1]), &fixed(&[1, 16]));
        assert_eq!(found, [block(&[1], &[1])]);
        let found = blocks(&fixed(&[16]), &fixed(&[1, 16, 1, 1]));
        assert_eq!(found, [block(&[0], &[1])]);
    }

    #[test]
    fn what_is_not_aligned_is_one_block() {
        let found = blocks(&fixed(&[2, 3]), &fixed(&[3, 2]));
        assert_eq!(found, [block(&[0, 1], &[0, 1])]);
    }

    #[test]
    fn the_batch_is_taken_out_of_an_axis() {
        let heads = [batch(1), AxisSize::Fixed(4), AxisSize::Fixed(5)];
        let merged = [batch(4), AxisSize::Fixed(5)];
        let expected = [block(&[1], &[0]), block(&[2], &[1])];
        assert_eq!(blocks(&heads, &merged), expected);
        let expected = [block(&[0], &[1]), block(&[1], &[2])];
        assert_eq!(blocks(&merged, &heads), expected);
    }

    #[test]
    fn what_is_mixed_with_the_batch_is_left_out() {
        let inside = [AxisSize::Fixed(4), batch(1), AxisSize::Fixed(5)];
        let merged = [batch(4), AxisSize::Fixed(5)];
        assert_eq!(blocks(&inside, &merged), [block(&[2], &[1])]);
        let other = [AxisSize::Other, AxisSize::Fixed(5)];
        assert_eq!(blocks(&other, &other), []);
        assert_eq!(blocks(&fixed(&[0, 5]), &fixed(&[5, 0])), []);
    }

    #[test]
    fn a_coarse_entry_holds_the_fine_ones_in_order() {
        assert_eq!(entries(4, 12, 1), Some(3..6));
        assert_eq!(entries(3, 4, 0), None);
    }
}
