//! Kernels against the plainest loops, over random shapes and margins, between protected pages.

mod spatial;
mod values;

use std::ops::Range;

use super::guarded::Guarded;
use super::{Output, Simd, Source};
use crate::layout::Planes;

/// Xorshift.
pub(super) struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Below `end`.
    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 20) as usize % end
    }

    /// In [-1, 1).
    fn value(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Planes with margins at least as wide as `margin` on all sides.
    fn planes(&mut self, [height, width]: [usize; 2], margin: [usize; 2]) -> Planes {
        let [top, left] = margin.map(|margin| margin + self.pick(&[0, 0, 1, 2]));
        let row = left + width + self.pick(&[margin[1], margin[1], margin[1] + 3]);
        let below = margin[0] + self.below(2);
        Planes {
            height,
            width,
            top,
            left,
            row,
            plane: (top + height + below) * row + margin[1] + self.pick(&[0, 0, 5]),
        }
    }

    /// Values inside, zeros in the margins.
    fn image(&mut self, count: usize, planes: Planes) -> Image {
        let mut values = vec![0.0; count * planes.plane];
        for plane in 0..count {
            for y in 0..planes.height {
                for x in 0..planes.width {
                    values[planes.value(plane, y, x)] = self.value();
                }
            }
        }
        Image { values, planes }
    }
}

#[derive(Debug, Clone)]
struct Image {
    values: Vec<f32>,
    planes: Planes,
}

impl Image {
    fn at(&self, plane: usize, y: usize, x: usize) -> f32 {
        self.values[self.planes.value(plane, y, x)]
    }

    /// Zero outside of the image.
    fn at_or_zero(&self, plane: usize, y: isize, x: isize) -> f32 {
        let (height, width) = (self.planes.height as isize, self.planes.width as isize);
        if (0..height).contains(&y) && (0..width).contains(&x) {
            self.at(plane, y as usize, x as usize)
        } else {
            0.0
        }
    }

    fn guarded(&self) -> Guarded2<'_> {
        Guarded2(
            Guarded::BOTH.map(|guard| Guarded::new(&self.values, guard)),
            self,
        )
    }
}

/// The same image against a protected page at its start, and at its end.
struct Guarded2<'a>([Guarded; 2], &'a Image);

impl Guarded2<'_> {
    fn source(&self, guard: usize) -> Source<'_> {
        Source {
            values: &self.0[guard],
            planes: self.1.planes,
        }
    }
}

/// Runs a kernel on two parts of the planes, with every kind of vectors and each guard, and compares: the
/// margins have to be zeros.
fn check(
    random: &mut Random,
    count: usize,
    planes: Planes,
    tolerance: f32,
    expected: impl Fn(usize, usize, usize) -> f32,
    mut kernel: impl FnMut(Simd, usize, Range<usize>, &Output<'_>),
) {
    let mut wanted = vec![0.0; count * planes.plane];
    for plane in 0..count {
        for y in 0..planes.height {
            for x in 0..planes.width {
                wanted[planes.value(plane, y, x)] = expected(plane, y, x);
            }
        }
    }
    let largest = wanted
        .iter()
        .fold(1.0f32, |largest, value| largest.max(value.abs()));
    for simd in Simd::available() {
        for (index, guard) in Guarded::BOTH.into_iter().enumerate() {
            let mut values = Guarded::new(&vec![f32::MAX; wanted.len()], guard);
            let output = Output::new(&mut values, planes);
            let cut = random.below(count + 1);
            kernel(simd, index, 0..cut, &output);
            kernel(simd, index, cut..count, &output);
            for (at, (found, wanted)) in values.iter().zip(&wanted).enumerate() {
                let is_close = (found - wanted).abs() <= tolerance * largest
                    || found.to_bits() == wanted.to_bits()
                    || found.is_nan() && wanted.is_nan();
                assert!(
                    is_close,
                    "{simd:?}, value {at}: {found}, not {wanted}; {planes:?}"
                );
            }
        }
    }
}
