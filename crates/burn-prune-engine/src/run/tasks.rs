//! How the work of a step is divided among threads. The division does not depend on their number.

use std::ops::Range;

use crate::format::Packed;
use crate::run::place::Place;
use crate::run::product::ProductWork;

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

/// Divides a product by images and groups, then by lines or by rows, whichever keeps more of what each
/// thread reads in its cache. `input` is the bytes of an image.
pub(crate) fn of_product(work: &ProductWork, output: &Place, input: usize) -> (Vec<Task>, f64) {
    let groups = work.groups();
    let (height, width) = (output.height, output.width);
    let weights: usize = groups.iter().map(Packed::bytes).sum();
    let nanoseconds = {
        let nonzeros: usize = groups.iter().map(Packed::nonzeros).sum();
        let multiplied = (nonzeros * height * width) as f64 * 0.04;
        output.images as f64 * multiplied.max(weights as f64 * 0.1)
    };
    let count = count(nanoseconds);
    let parts = count.div_ceil((output.images * groups.len()).max(1));
    let by_lines = output.height > 1 && input > weights;
    let lines = if by_lines {
        // A tile of positions is filled by some lines.
        parts.min((height * width / 256).clamp(1, height))
    } else {
        1
    };
    let row_parts = parts.div_ceil(lines);
    // With large weights each thread takes its rows for all images.
    let image_parts = if weights > input { 1 } else { count };
    let row_parts = if weights > input {
        count.div_ceil(groups.len().max(1))
    } else {
        row_parts
    };
    let mut tasks = Vec::new();
    for (group, packed) in groups.iter().enumerate() {
        for planes in packed.divide(row_parts) {
            for images in split(0..output.images, image_parts) {
                for lines in split(0..height, lines) {
                    tasks.push(Task {
                        images: images.clone(),
                        group,
                        planes: planes.clone(),
                        lines,
                    });
                }
            }
        }
    }
    (tasks, nanoseconds)
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
