use std::arch::x86_64::*;

use super::{Kernel, Lanes};
use crate::kernel::Value;

/// Sixteen values in a register of AVX-512.
#[derive(Clone, Copy)]
pub(super) struct Sixteen(__m512);

/// # Safety
///
/// The processor has AVX-512 F, BW, DQ and VL.
#[inline(never)]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn run(kernel: impl Kernel) {
    // SAFETY: the caller's promise.
    unsafe { kernel.run::<Sixteen>() }
}

#[inline(always)]
fn first(count: usize) -> __mmask16 {
    ((1u32 << count.min(16)) - 1) as __mmask16
}

// SAFETY, of each block: the instructions are there and the pointers are good, says the caller.
impl Lanes for Sixteen {
    const COUNT: usize = 16;
    const TILE: usize = 4;
    type Half = super::avx2::Eight;
    const SUMS: usize = 14;

    #[inline(always)]
    unsafe fn apart(kernel: impl Kernel) {
        // SAFETY: see above.
        unsafe { run(kernel) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_set1_ps(value) })
    }

    #[inline(always)]
    unsafe fn splat_from<V: Value>(from: *const V) -> Self {
        // SAFETY: see above.
        Self(unsafe { V::splat16(from) })
    }

    #[inline(always)]
    unsafe fn masked(self, mask: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_and_ps(self.0, mask.0) })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_maskz_loadu_ps(first(count), from) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: see above.
        unsafe { _mm512_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, count: usize) {
        // SAFETY: see above.
        unsafe { _mm512_mask_storeu_ps(to, first(count), self.0) }
    }

    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn minus(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn times(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn over(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_div_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn times_plus(self, factor: Self, summand: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, summand.0) })
    }

    #[inline(always)]
    unsafe fn at_least(self, bound: Self) -> Self {
        // The second operand is the result where one is not a number.
        // SAFETY: see above.
        Self(unsafe { _mm512_max_ps(bound.0, self.0) })
    }

    #[inline(always)]
    unsafe fn at_most(self, bound: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_min_ps(bound.0, self.0) })
    }

    #[inline(always)]
    unsafe fn greatest(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe {
            let lost = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(self.0, self.0);
            Self(_mm512_mask_mov_ps(
                _mm512_max_ps(self.0, other.0),
                lost,
                self.0,
            ))
        }
    }

    #[inline(always)]
    unsafe fn where_less(self, bound: Self, a: Self, b: Self) -> Self {
        // SAFETY: see above.
        unsafe {
            let less = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, bound.0);
            Self(_mm512_mask_mov_ps(b.0, less, a.0))
        }
    }

    #[inline(always)]
    unsafe fn rounded(self) -> Self {
        // SAFETY: see above.
        Self(unsafe {
            _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0)
        })
    }

    #[inline(always)]
    unsafe fn power_of_two(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_scalef_ps(_mm512_set1_ps(1.0), self.0) })
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        // SAFETY: see above.
        unsafe { _mm512_reduce_add_ps(self.0) }
    }

    #[inline(always)]
    unsafe fn halves(self, next: Self) -> (Self, Self) {
        // SAFETY: see above.
        unsafe {
            let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
            (
                Self(_mm512_permutex2var_ps(self.0, even, next.0)),
                Self(_mm512_permutex2var_ps(self.0, odd, next.0)),
            )
        }
    }

    #[inline(always)]
    unsafe fn transpose_eight(from: *const f32, line: usize, to: *mut f32, next: usize) {
        // SAFETY: see above.
        unsafe { super::avx2::transpose_eight(from, line, to, next) }
    }
}
