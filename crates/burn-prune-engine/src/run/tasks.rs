//! How the work of a step is divided among threads. The division does not depend on their number.

use std::ops::Range;

/// The part of a step that one thread does at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Task {
    pub images: Range<usize>,
    /// Of a grouped convolution.
    pub group: usize,
    /// Planes of an image, or rows of a group.
    pub planes: Range<usize>,
    pub lines: Range<usize>,
}

/// A task should take so long that handing it out costs little.
const NANOSECONDS: f64 = 6_000.0;

/// And there should be few of them, so that each thread has its own part of the weights.
const MOST: usize = 32;

/// In how many tasks to divide work that takes so long.
pub(crate) fn count(nanoseconds: f64) -> usize {
    ((nanoseconds / NANOSECONDS) as usize).clamp(1, MOST)
}

/// Divides images, then their planes.
pub(crate) fn of_planes(images: usize, planes: usize, lines: usize, nanoseconds: f64) -> Vec<Task> {
    let count = count(nanoseconds);
    let parts = count.div_ceil(images.max(1));
    split(0..images, count)
        .into_iter()
        .flat_map(|images| {
            split(0..planes, parts).into_iter().map(move |planes| Task {
                images: images.clone(),
                group: 0,
                planes,
                lines: 0..lines,
            })
        })
        .collect()
}

/// At most so many parts of about equal length, none of them empty.
pub(crate) fn split(range: Range<usize>, parts: usize) -> Vec<Range<usize>> {
    let (start, len) = (range.start, range.len());
    let parts = parts.min(len);
    (0..parts)
        .map(|part| start + len * part / parts..start + len * (part + 1) / parts)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_everything_once() {
        for len in 0..20 {
            for parts in 1..8 {
                let all: Vec<usize> = split(3..3 + len, parts).into_iter().flatten().collect();
                assert_eq!(all, (3..3 + len).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn small_work_is_one_task() {
        assert_eq!(of_planes(1, 64, 7, 100.0).len(), 1);
        let tasks = of_planes(2, 64, 7, 1e6);
        let planes: usize = tasks.iter().map(|t| t.images.len() * t.planes.len()).sum();
        assert_eq!(planes, 128);
        assert_eq!(tasks.len(), MOST);
    }
}
