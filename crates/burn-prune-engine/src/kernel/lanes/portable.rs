use super::{Kernel, Lanes};
use crate::kernel::Value;

/// Eight values in plain Rust.
#[derive(Clone, Copy)]
#[repr(align(32))]
pub(super) struct Eight([f32; 8]);

/// # Safety
///
/// None; as for the others.
#[inline(never)]
pub(super) unsafe fn run(kernel: impl Kernel) {
    // SAFETY: any processor has what it needs.
    unsafe { kernel.run::<Eight>() }
}

impl Eight {
    #[inline(always)]
    fn each(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
}

// Plain operations; the pointers are the caller's promise.
impl Lanes for Eight {
    const COUNT: usize = 8;
    // Processors without AVX have sixteen registers of four values.
    const TILE: usize = 1;
    type Half = Self;
    const SUMS: usize = 3;

    #[inline(always)]
    unsafe fn apart(kernel: impl Kernel) {
        // SAFETY: any processor has what this needs.
        unsafe { run(kernel) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 8])
    }

    #[inline(always)]
    unsafe fn splat_from<V: Value>(from: *const V) -> Self {
        // SAFETY: the caller's promise.
        Self([unsafe { from.read() }.widen(); 8])
    }

    #[inline(always)]
    unsafe fn masked(self, mask: Self) -> Self {
        self.each(mask, |a, mask| f32::from_bits(a.to_bits() & mask.to_bits()))
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { from.cast::<[f32; 8]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> Self {
        let mut values = [0.0; 8];
        for (i, value) in values.iter_mut().enumerate().take(count) {
            // SAFETY: the caller's promise.
            *value = unsafe { from.add(i).read() };
        }
        Self(values)
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(self.0) };
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, count: usize) {
        for (i, value) in self.0.into_iter().enumerate().take(count) {
            // SAFETY: the caller's promise.
            unsafe { to.add(i).write(value) };
        }
    }

    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        self.each(other, |a, b| a + b)
    }

    #[inline(always)]
    unsafe fn minus(self, other: Self) -> Self {
        self.each(other, |a, b| a - b)
    }

    #[inline(always)]
    unsafe fn times(self, other: Self) -> Self {
        self.each(other, |a, b| a * b)
    }

    #[inline(always)]
    unsafe fn over(self, other: Self) -> Self {
        self.each(other, |a, b| a / b)
    }

    #[inline(always)]
    unsafe fn times_plus(self, factor: Self, summand: Self) -> Self {
        Self(std::array::from_fn(|i| {
            self.0[i] * factor.0[i] + summand.0[i]
        }))
    }

    #[inline(always)]
    unsafe fn at_least(self, bound: Self) -> Self {
        self.each(bound, |a, b| if b > a { b } else { a })
    }

    #[inline(always)]
    unsafe fn at_most(self, bound: Self) -> Self {
        self.each(bound, |a, b| if b < a { b } else { a })
    }

    #[inline(always)]
    unsafe fn greatest(self, other: Self) -> Self {
        self.each(other, |a, b| if b > a || b.is_nan() { b } else { a })
    }

    #[inline(always)]
    unsafe fn where_less(self, bound: Self, a: Self, b: Self) -> Self {
        Self(std::array::from_fn(|i| {
            if self.0[i] < bound.0[i] {
                a.0[i]
            } else {
                b.0[i]
            }
        }))
    }

    #[inline(always)]
    unsafe fn rounded(self) -> Self {
        Self(self.0.map(f32::round_ties_even))
    }

    #[inline(always)]
    unsafe fn power_of_two(self) -> Self {
        Self(
            self.0
                .map(|exponent| f32::from_bits(((exponent as i32 + 127) << 23) as u32)),
        )
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let v = self.0;
        ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]))
    }

    #[inline(always)]
    unsafe fn halves(self, next: Self) -> (Self, Self) {
        let at = |i: usize| if i < 8 { self.0[i] } else { next.0[i - 8] };
        (
            Self(std::array::from_fn(|i| at(2 * i))),
            Self(std::array::from_fn(|i| at(2 * i + 1))),
        )
    }

    #[inline(always)]
    unsafe fn transpose_eight(from: *const f32, line: usize, to: *mut f32, next: usize) {
        for y in 0..8 {
            for x in 0..8 {
                // SAFETY: the caller's promise.
                unsafe { to.add(x * next + y).write(from.add(y * line + x).read()) };
            }
        }
    }
}
