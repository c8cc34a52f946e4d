//! The memory of a run, lent out to one step after another.

use std::marker::PhantomData;

use crate::kernel::Output;
use crate::layout::Planes;

/// All planned buffers of a run, in one piece of memory.
pub(crate) struct Arena {
    lines: Vec<Line>,
}

/// A line of cache.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Line {
    /// Read and written through pointers.
    _values: [f32; 16],
}

impl Line {
    const fn of(value: f32) -> Self {
        Self {
            _values: [value; 16],
        }
    }
}

/// Part of an arena: `len` values for each image, the images `image` values apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Region {
    pub start: usize,
    pub images: usize,
    pub image: usize,
    pub len: usize,
}

impl Region {
    /// Nothing at all.
    pub(crate) const EMPTY: Self = Self {
        start: 0,
        images: 0,
        image: 0,
        len: 0,
    };

    /// Behind its last value.
    pub(crate) fn end(&self) -> usize {
        if self.len == 0 || self.images == 0 {
            return self.start;
        }
        self.start + (self.images - 1) * self.image + self.len
    }

    /// Whether a value may be in both.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        if self.end() <= other.start || other.end() <= self.start {
            return false;
        }
        if self.len == 0 || other.len == 0 || self.images == 0 || other.images == 0 {
            return false;
        }
        let stride = self.image;
        if self.images == 1 || other.images == 1 || stride != other.image || stride == 0 {
            return true;
        }
        // The same pattern in both: how far the second one is behind the first one.
        let behind = (other.start + stride - self.start % stride) % stride;
        behind < self.len || behind + other.len > stride
    }
}

/// Values of a region, to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Read<'a> {
    start: *const f32,
    images: usize,
    image: usize,
    len: usize,
    values: PhantomData<&'a [f32]>,
}

// SAFETY: it is a shared borrow of values.
unsafe impl Send for Read<'_> {}
// SAFETY: as above.
unsafe impl Sync for Read<'_> {}

impl<'a> Read<'a> {
    /// A slice as so many images.
    pub(crate) fn new(values: &'a [f32], images: usize) -> Self {
        let len = values.len() / images.max(1);
        Self {
            start: values.as_ptr(),
            images,
            image: len,
            len,
            values: PhantomData,
        }
    }

    /// The same without the first values of each image.
    pub(crate) fn behind(self, skipped: usize) -> Self {
        assert!(skipped <= self.len, "more is left out than there is");
        Self {
            // SAFETY: inside of the first image, or at its end.
            start: unsafe { self.start.add(skipped) },
            len: self.len - skipped,
            ..self
        }
    }

    /// The values of one image.
    pub(crate) fn image(&self, image: usize) -> &'a [f32] {
        assert!(image < self.images, "an image outside of its region");
        // SAFETY: the region is inside of what is borrowed, and nobody writes there meanwhile.
        unsafe { std::slice::from_raw_parts(self.start.add(image * self.image), self.len) }
    }
}

/// Values of a region, to be written. Threads that write at once write different values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Write<'a> {
    start: *mut f32,
    images: usize,
    image: usize,
    len: usize,
    values: PhantomData<&'a mut [f32]>,
}

// SAFETY: it is a borrow for writing, given to kernels as `Output`, with the promise that is made there.
unsafe impl Send for Write<'_> {}
// SAFETY: as above.
unsafe impl Sync for Write<'_> {}

impl<'a> Write<'a> {
    /// A slice as so many images.
    pub(crate) fn new(values: &'a mut [f32], images: usize) -> Self {
        let len = values.len() / images.max(1);
        Self {
            start: values.as_mut_ptr(),
            images,
            image: len,
            len,
            values: PhantomData,
        }
    }

    /// The planes of one image, from plane `first` on.
    pub(crate) fn image(&self, image: usize, first: usize, planes: Planes) -> Output<'a> {
        let skipped = first * planes.plane;
        assert!(
            image < self.images && skipped <= self.len,
            "planes outside of their region"
        );
        // SAFETY: they are inside of what is borrowed.
        unsafe {
            Output::from_raw(
                self.start.add(image * self.image + skipped),
                self.len - skipped,
                planes,
            )
        }
    }
}

impl Arena {
    /// Zeros.
    pub(crate) fn new(values: usize) -> Self {
        Self {
            lines: vec![Line::of(0.0); values.div_ceil(16)],
        }
    }

    /// How many values it has.
    pub(crate) fn len(&self) -> usize {
        self.lines.len() * 16
    }

    /// The same value everywhere.
    #[cfg(test)]
    pub(crate) fn fill(&mut self, value: f32) {
        self.lines.fill(Line::of(value));
    }

    /// A region of it.
    pub(crate) fn read(&self, region: Region) -> Read<'_> {
        assert!(region.end() <= self.len(), "a region outside of the arena");
        Read {
            // SAFETY: inside of the arena; a line is sixteen values without anything between.
            start: unsafe { self.lines.as_ptr().cast::<f32>().add(region.start) },
            images: region.images,
            image: region.image,
            len: region.len,
            values: PhantomData,
        }
    }

    /// What a step reads and what it writes, which may not meet.
    pub(crate) fn open<const READS: usize>(
        &mut self,
        reads: [Region; READS],
        write: Region,
    ) -> ([Read<'_>; READS], Write<'_>) {
        for read in &reads {
            assert!(!read.meets(&write), "a step writes over what it reads");
        }
        assert!(write.end() <= self.len(), "a region outside of the arena");
        let write = Write {
            // SAFETY: inside of the arena, which is borrowed for writing as long as this lives.
            start: unsafe { self.lines.as_mut_ptr().cast::<f32>().add(write.start) },
            images: write.images,
            image: write.image,
            len: write.len,
            values: PhantomData,
        };
        let this: &Self = self;
        (reads.map(|region| this.read(region)), write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(start: usize, images: usize, image: usize, len: usize) -> Region {
        Region {
            start,
            images,
            image,
            len,
        }
    }

    #[test]
    fn parts_of_one_concatenation_are_apart() {
        let (first, second) = (region(0, 3, 100, 40), region(40, 3, 100, 60));
        assert!(!first.meets(&second));
        assert!(region(0, 3, 100, 41).meets(&second));
        assert!(!region(300, 1, 0, 10).meets(&second));
        assert!(region(150, 1, 0, 1).meets(&second));
    }

    #[test]
    fn regions_meet_as_their_values_do() {
        for a in [
            region(5, 2, 20, 7),
            region(0, 4, 10, 5),
            region(11, 1, 1, 9),
        ] {
            for start in 0..60 {
                for (images, image, len) in [(1, 0, 4), (2, 20, 9), (4, 10, 5), (3, 7, 2)] {
                    let b = region(start, images, image, len);
                    let values = |r: &Region| -> Vec<usize> {
                        (0..r.images)
                            .flat_map(|i| r.start + i * r.image..r.start + i * r.image + r.len)
                            .collect()
                    };
                    let shared = values(&a).iter().any(|at| values(&b).contains(at));
                    // It may be careful, and must not miss any.
                    assert!(!shared || a.meets(&b), "{a:?} {b:?}");
                    assert_eq!(a.meets(&b), b.meets(&a), "{a:?} {b:?}");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "writes over what it reads")]
    fn a_step_cannot_write_over_what_it_reads() {
        let mut arena = Arena::new(100);
        arena.open([region(0, 1, 0, 50)], region(49, 1, 0, 10));
    }
}
