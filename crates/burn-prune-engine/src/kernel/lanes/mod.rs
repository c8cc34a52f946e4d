//! Vectors of `f32`, so that a loop is written once and compiled for each [`Simd`].

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use super::{Simd, Value};

/// A vector of so many values.
///
/// # Safety
///
/// Of all functions: the processor has the instructions (which [`run`] makes sure of), and the values
/// at a pointer may be read or written. They have to be inlined into a function that enables these
/// instructions: otherwise each is a call.
pub(super) trait Lanes: Copy {
    /// Values in a vector.
    const COUNT: usize;
    /// Vectors of a tile of a dense product, which has six rows: as many as registers allow.
    const TILE: usize;

    /// Vectors of half as many values, or the same where these would be slow.
    type Half: Lanes;
    /// Vectors of sums of one row of a sparse product, at most 14: as many as registers allow.
    const SUMS: usize;

    /// Runs a loop in a function of its own: what is long and not inlined everywhere.
    unsafe fn apart(kernel: impl Kernel);

    unsafe fn splat(value: f32) -> Self;
    /// A weight in all lanes.
    unsafe fn splat_from<V: Value>(from: *const V) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    /// Its first `count` values, and zeros.
    unsafe fn load_first(from: *const f32, count: usize) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn store_first(self, to: *mut f32, count: usize);

    /// As [`load`](Self::load) where `count` is that of a vector, else as [`load_first`](Self::load_first).
    #[inline(always)]
    unsafe fn load_some(from: *const f32, count: usize) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            if count == Self::COUNT {
                Self::load(from)
            } else {
                Self::load_first(from, count)
            }
        }
    }

    /// As [`store`](Self::store) where `count` is that of a vector, else as
    /// [`store_first`](Self::store_first).
    #[inline(always)]
    unsafe fn store_some(self, to: *mut f32, count: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            if count == Self::COUNT {
                self.store(to);
            } else {
                self.store_first(to, count);
            }
        }
    }

    /// The bits that both have.
    unsafe fn masked(self, mask: Self) -> Self;
    unsafe fn plus(self, other: Self) -> Self;
    unsafe fn minus(self, other: Self) -> Self;
    unsafe fn times(self, other: Self) -> Self;
    unsafe fn over(self, other: Self) -> Self;
    /// `self · factor + summand`.
    unsafe fn times_plus(self, factor: Self, summand: Self) -> Self;
    /// The greater one; where `self` is not a number, `self`.
    unsafe fn at_least(self, bound: Self) -> Self;
    /// The lesser one; where `self` is not a number, `self`.
    unsafe fn at_most(self, bound: Self) -> Self;
    /// The greater one; not a number where either is not.
    unsafe fn greatest(self, other: Self) -> Self;
    /// `a` where `self < bound`, `b` elsewhere.
    unsafe fn where_less(self, bound: Self, a: Self, b: Self) -> Self;
    /// The nearest whole number.
    unsafe fn rounded(self) -> Self;
    /// `2^self` of whole numbers from -126 to 127.
    unsafe fn power_of_two(self) -> Self;
    unsafe fn sum(self) -> f32;
    /// Of two vectors one behind the other: the values at even places, then those at odd ones.
    unsafe fn halves(self, next: Self) -> (Self, Self);
    /// Eight lines of eight values, `line` apart, become eight columns of lines that are `next` apart.
    unsafe fn transpose_eight(from: *const f32, line: usize, to: *mut f32, next: usize);
}

/// A loop over vectors.
pub(super) trait Kernel {
    /// Has to be `#[inline(always)]`.
    ///
    /// # Safety
    ///
    /// The processor has the instructions of `L`.
    unsafe fn run<L: Lanes>(self);
}

/// Runs a loop with vectors of this kind.
pub(super) fn run(simd: Simd, kernel: impl Kernel) {
    match simd {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a `Simd` is one of those that the processor has.
        Simd::Avx512 => unsafe { avx512::run(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Simd::Avx2 => unsafe { avx2::run(kernel) },
        // SAFETY: any processor has them.
        _ => unsafe { portable::run(kernel) },
    }
}
