use super::Cut;
use crate::kernel::Input;

/// Values that have to be aligned for loads to be fast: 32 bytes of them.
pub(super) const ALIGNED: usize = 8;

/// Classes of columns that have shifts of their own.
pub(super) const LARGEST_CLASSES: usize = 8;

/// How far the sums of each class of columns begin before the first position, so that their loads are
/// aligned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shifts([usize; LARGEST_CLASSES]);

impl Shifts {
    /// For sums from position `first` on.
    pub(super) fn new(input: &Input<'_>, cut: &Cut, first: usize) -> Self {
        let start = input.values.as_ptr().addr() / size_of::<f32>() + first;
        let mut shifts = [0; LARGEST_CLASSES];
        for (class, shift) in shifts.iter_mut().enumerate().take(cut.classes) {
            let offsets = &input.offsets[class * cut.class()..][..cut.class()];
            let Some(&one) = offsets.first() else {
                continue;
            };
            let mut least = one;
            let mut different = 0;
            for &offset in offsets {
                least = least.min(offset);
                different |= offset ^ one;
            }
            let wanted = (start + one as usize) % ALIGNED;
            let are_alike = (different as usize).is_multiple_of(ALIGNED);
            if are_alike && least as usize + first >= wanted {
                *shift = wanted;
            }
        }
        Self(shifts)
    }

    #[inline(always)]
    pub(super) fn of(&self, class: usize) -> usize {
        self.0[class]
    }

    pub(super) fn largest(&self) -> usize {
        self.0.into_iter().max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Scratch;

    #[test]
    fn classes_of_one_alignment_are_shifted_to_it() {
        let mut scratch = Scratch::new();
        let values: &[f32] = scratch.values(64);
        let cut = Cut {
            rows: 1,
            columns: 6,
            classes: 3,
            block: 2,
            chunk: 1,
        };
        let shifts = |offsets: [u32; 6], first| {
            let input = Input {
                values,
                offsets: &offsets,
                row: 8,
            };
            Shifts::new(&input, &cut, first).0[..3].to_vec()
        };
        assert_eq!(shifts([0, 8, 1, 9, 2, 10], 0), [0, 1, 2]);
        assert_eq!(shifts([0, 8, 1, 9, 2, 10], 3), [3, 4, 5]);
        // Different ones are loaded as they lie.
        assert_eq!(shifts([0, 7, 1, 9, 2, 12], 0), [0, 1, 0]);
    }

    #[test]
    fn nothing_is_read_before_the_input() {
        let mut scratch = Scratch::new();
        let values: &[f32] = &scratch.values(64)[3..];
        let cut = Cut {
            rows: 1,
            columns: 2,
            classes: 2,
            block: 1,
            chunk: 1,
        };
        let input = Input {
            values,
            offsets: &[0, 9],
            row: 8,
        };
        assert_eq!(Shifts::new(&input, &cut, 0).0[..2], [0, 4]);
    }
}
