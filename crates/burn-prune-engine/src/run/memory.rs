//! Which buffer lies where in the arena: buffers that are needed at different times share memory.

use crate::kernel::SLACK;
use crate::run::draft::{Draft, Operand};
use crate::run::place::PlaceId;

/// Where each place that is no part of another begins in the arena.
#[derive(Debug)]
pub(crate) struct Memory {
    starts: Vec<Option<usize>>,
    /// Of the arena.
    pub len: usize,
}

/// A buffer and the steps from its first write to its last use.
#[derive(Debug, Clone, Copy)]
struct Life {
    place: PlaceId,
    len: usize,
    first: usize,
    last: usize,
}

impl Memory {
    pub(crate) fn plan(draft: &Draft) -> Self {
        let mut lives = lives(draft);
        // Large buffers first: small ones fit into what is left between them.
        lives.sort_by_key(|life| (std::cmp::Reverse(life.len), life.place));
        let mut placed: Vec<(Life, usize)> = Vec::new();
        let mut starts = vec![None; draft.places.ids().count()];
        let mut len = 0;
        for life in lives {
            let mut taken: Vec<(usize, usize)> = placed
                .iter()
                .filter(|(other, _)| other.first <= life.last && life.first <= other.last)
                .map(|(other, start)| (*start, start + other.len))
                .collect();
            taken.sort_unstable();
            let start = gap(&taken, life.len);
            starts[life.place.0] = Some(start);
            len = len.max(start + life.len);
            placed.push((life, start));
        }
        Self { starts, len }
    }

    /// Where the buffer of a root begins; `None` if nobody uses it, or if it is a tensor of Burn.
    pub(crate) fn start(&self, root: PlaceId) -> Option<usize> {
        self.starts[root.0]
    }
}

/// The smallest gap that is large enough, or the end.
fn gap(taken: &[(usize, usize)], len: usize) -> usize {
    let (mut free, mut best) = (0, None);
    for &(start, end) in taken {
        if start >= free + len && best.is_none_or(|(size, _)| start - free < size) {
            best = Some((start - free, free));
        }
        free = free.max(end);
    }
    best.map_or(free, |(_, start)| start)
}

fn lives(draft: &Draft) -> Vec<Life> {
    let mut lives: Vec<Option<Life>> = vec![None; draft.places.ids().count()];
    for (at, step) in draft.steps.iter().enumerate() {
        for operand in step.reads.iter().chain([&step.write]) {
            let Operand::Place(place) = operand else {
                continue;
            };
            let (root, _) = draft.places.root(*place);
            if draft.places.get(root).tensor.is_some() {
                continue;
            }
            let life = lives[root.0].get_or_insert_with(|| Life {
                place: root,
                len: (draft.places.size(root) + SLACK).next_multiple_of(16),
                first: at,
                last: at,
            });
            life.last = at;
        }
    }
    lives.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::gap;

    #[test]
    fn the_smallest_gap_that_fits_is_taken() {
        let taken = [(10, 20), (26, 40), (45, 50)];
        assert_eq!(gap(&taken, 5), 40);
        assert_eq!(gap(&taken, 6), 20);
        assert_eq!(gap(&taken, 8), 0);
        assert_eq!(gap(&taken, 11), 50);
        assert_eq!(gap(&[], 3), 0);
    }
}
