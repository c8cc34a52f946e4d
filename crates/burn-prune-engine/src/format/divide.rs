use std::ops::Range;

/// Cuts `0..count` into at most `parts` ranges of about equal work.
///
/// `work` has the work before each index and, at its end, all of it: `count + 1` numbers.
pub(super) fn divide(work: &[u64], parts: usize) -> Vec<Range<usize>> {
    let count = work.len() - 1;
    let total = work[count];
    let parts = parts.clamp(1, count.max(1));
    let mut ranges = Vec::with_capacity(parts);
    let mut start = 0;
    for part in 1..=parts {
        let goal = total * part as u64 / parts as u64;
        let end = if part == parts {
            count
        } else {
            // The boundary that is nearest to the goal.
            let above = work.partition_point(|&done| done < goal);
            let is_below_nearer = above > 0 && goal - work[above - 1] < work[above] - goal;
            above - usize::from(is_below_nearer)
        };
        if end > start {
            ranges.push(start..end);
            start = end;
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_about_equal_work_and_cover_everything() {
        // Ten rows of which the first does as much as all others.
        let work: Vec<u64> = std::iter::once(0)
            .chain((0..10).map(|row| 9 + row))
            .collect();
        assert_eq!(divide(&work, 2), [0..1, 1..10]);
        assert_eq!(divide(&work, 1), vec![0..10; 1]);
        let even: Vec<u64> = (0..=12).map(|row| row * 5).collect();
        assert_eq!(divide(&even, 4), [0..3, 3..6, 6..9, 9..12]);
        assert_eq!(divide(&even, 100).len(), 12);
    }

    #[test]
    fn rows_without_work_belong_to_a_part_too() {
        assert_eq!(divide(&[0, 0, 0, 0], 2), vec![0..3; 1]);
        assert!(divide(&[0], 3).is_empty());
    }
}
