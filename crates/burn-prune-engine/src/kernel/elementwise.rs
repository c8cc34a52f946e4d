//! Values of equal places: activations, sums, products.

use std::ops::Range;

use super::activate::activated;
use super::lanes::{self, Kernel, Lanes};
use super::{Output, Simd, Source};
use crate::activation::Activation;

/// An activation by itself.
pub(crate) fn activate(
    simd: Simd,
    activation: Activation,
    planes: Range<usize>,
    input: Source<'_>,
    output: &Output<'_>,
) {
    let function = Activated(activation);
    lanes::run(
        simd,
        Elementwise {
            function,
            planes,
            a: input,
            b: input,
            output,
        },
    );
}

/// `activation(a + b)`.
pub(crate) fn sum(
    simd: Simd,
    activation: Activation,
    planes: Range<usize>,
    a: Source<'_>,
    b: Source<'_>,
    output: &Output<'_>,
) {
    let function = Sum(activation);
    lanes::run(
        simd,
        Elementwise {
            function,
            planes,
            a,
            b,
            output,
        },
    );
}

/// `a · b`.
pub(crate) fn multiply(
    simd: Simd,
    planes: Range<usize>,
    a: Source<'_>,
    b: Source<'_>,
    output: &Output<'_>,
) {
    lanes::run(
        simd,
        Elementwise {
            function: Multiplied,
            planes,
            a,
            b,
            output,
        },
    );
}

trait Function {
    unsafe fn of<L: Lanes>(&self, a: L, b: L) -> L;
}

struct Activated(Activation);

impl Function for Activated {
    #[inline(always)]
    unsafe fn of<L: Lanes>(&self, a: L, _: L) -> L {
        // SAFETY: the caller has the instructions of `L`.
        unsafe { activated(self.0, a) }
    }
}

struct Sum(Activation);

impl Function for Sum {
    #[inline(always)]
    unsafe fn of<L: Lanes>(&self, a: L, b: L) -> L {
        // SAFETY: the caller has the instructions of `L`.
        unsafe { activated(self.0, a.plus(b)) }
    }
}

struct Multiplied;

impl Function for Multiplied {
    #[inline(always)]
    unsafe fn of<L: Lanes>(&self, a: L, b: L) -> L {
        // SAFETY: the caller has the instructions of `L`.
        unsafe { a.times(b) }
    }
}

struct Elementwise<'a, F> {
    function: F,
    planes: Range<usize>,
    a: Source<'a>,
    b: Source<'a>,
    output: &'a Output<'a>,
}

impl<F: Function> Kernel for Elementwise<'_, F> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let first = self.planes.start;
        let count = self.planes.len();
        // SAFETY: these planes are the caller's alone.
        let one_line = unsafe { self.output.as_one_line(first, count) };
        if let Some(to) = one_line
            && let Some(a) = self.a.as_one_line(first, count)
            && let Some(b) = self.b.as_one_line(first, count)
        {
            // SAFETY: the caller has the instructions of `L`.
            unsafe { line::<L, F>(&self.function, a, b, to) };
            return;
        }
        let height = self.output.planes().height;
        for plane in self.planes {
            for y in 0..height {
                // SAFETY: as above.
                unsafe {
                    let to = self.output.line_mut(plane, y);
                    line::<L, F>(
                        &self.function,
                        self.a.line(plane, y),
                        self.b.line(plane, y),
                        to,
                    );
                }
            }
            self.output.clear_margins(plane, 0..height);
        }
    }
}

#[inline(always)]
unsafe fn line<L: Lanes, F: Function>(function: &F, a: &[f32], b: &[f32], to: &mut [f32]) {
    let count = to.len();
    assert!(a.len() == count && b.len() == count, "lines of one length");
    let (a, b, to) = (a.as_ptr(), b.as_ptr(), to.as_mut_ptr());
    let whole = count - count % L::COUNT;
    // SAFETY: all three have `count` values.
    unsafe {
        let mut at = 0;
        while at < whole {
            function
                .of(L::load(a.add(at)), L::load(b.add(at)))
                .store(to.add(at));
            at += L::COUNT;
        }
        if whole < count {
            let rest = count - whole;
            let a = L::load_first(a.add(whole), rest);
            let b = L::load_first(b.add(whole), rest);
            function.of(a, b).store_first(to.add(whole), rest);
        }
    }
}
