use std::arch::x86_64::*;

use super::{Kernel, Lanes};
use crate::kernel::Value;

/// Eight values in a register of AVX2.
#[derive(Clone, Copy)]
pub(super) struct Eight(__m256);

/// # Safety
///
/// The processor has AVX2 and FMA.
#[inline(never)]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn run(kernel: impl Kernel) {
    // SAFETY: the caller's promise.
    unsafe { kernel.run::<Eight>() }
}

/// A mask with so many lanes set.
#[inline(always)]
unsafe fn first(count: usize) -> __m256i {
    // SAFETY: the caller has AVX2.
    unsafe {
        _mm256_cmpgt_epi32(
            _mm256_set1_epi32(count.min(8) as i32),
            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
        )
    }
}

// SAFETY, of each block: the instructions are there and the pointers are good, says the caller.
impl Lanes for Eight {
    const COUNT: usize = 8;
    const TILE: usize = 2;
    type Half = Self;
    const SUMS: usize = 12;

    #[inline(always)]
    unsafe fn apart(kernel: impl Kernel) {
        // SAFETY: see above.
        unsafe { run(kernel) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_set1_ps(value) })
    }

    #[inline(always)]
    unsafe fn splat_from<V: Value>(from: *const V) -> Self {
        // SAFETY: see above.
        Self(unsafe { V::splat8(from) })
    }

    #[inline(always)]
    unsafe fn masked(self, mask: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_and_ps(self.0, mask.0) })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_maskload_ps(from, first(count)) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: see above.
        unsafe { _mm256_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, count: usize) {
        // SAFETY: see above.
        unsafe { _mm256_maskstore_ps(to, first(count), self.0) }
    }

    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn minus(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn times(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn over(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_div_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn times_plus(self, factor: Self, summand: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_fmadd_ps(self.0, factor.0, summand.0) })
    }

    #[inline(always)]
    unsafe fn at_least(self, bound: Self) -> Self {
        // The second operand is the result where one is not a number.
        // SAFETY: see above.
        Self(unsafe { _mm256_max_ps(bound.0, self.0) })
    }

    #[inline(always)]
    unsafe fn at_most(self, bound: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_min_ps(bound.0, self.0) })
    }

    #[inline(always)]
    unsafe fn greatest(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe {
            let lost = _mm256_cmp_ps::<_CMP_UNORD_Q>(self.0, self.0);
            Self(_mm256_blendv_ps(
                _mm256_max_ps(self.0, other.0),
                self.0,
                lost,
            ))
        }
    }

    #[inline(always)]
    unsafe fn where_less(self, bound: Self, a: Self, b: Self) -> Self {
        // SAFETY: see above.
        unsafe {
            let less = _mm256_cmp_ps::<_CMP_LT_OQ>(self.0, bound.0);
            Self(_mm256_blendv_ps(b.0, a.0, less))
        }
    }

    #[inline(always)]
    unsafe fn rounded(self) -> Self {
        // SAFETY: see above.
        Self(unsafe {
            _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0)
        })
    }

    #[inline(always)]
    unsafe fn power_of_two(self) -> Self {
        // SAFETY: see above.
        unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(self.0), _mm256_set1_epi32(127));
            Self(_mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
        }
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        // SAFETY: see above.
        unsafe {
            let four = _mm_add_ps(
                _mm256_castps256_ps128(self.0),
                _mm256_extractf128_ps::<1>(self.0),
            );
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }

    #[inline(always)]
    unsafe fn halves(self, next: Self) -> (Self, Self) {
        // SAFETY: see above.
        unsafe {
            // Pairs of each half: (a0 a2 b0 b2 | a4 a6 b4 b6), then the halves in their order.
            let even = _mm256_shuffle_ps::<0b10_00_10_00>(self.0, next.0);
            let odd = _mm256_shuffle_ps::<0b11_01_11_01>(self.0, next.0);
            let order =
                |v| _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(_mm256_castps_pd(v)));
            (Self(order(even)), Self(order(odd)))
        }
    }

    #[inline(always)]
    unsafe fn transpose_eight(from: *const f32, line: usize, to: *mut f32, next: usize) {
        // SAFETY: see above.
        unsafe { transpose_eight(from, line, to, next) }
    }
}

/// # Safety
///
/// The processor has AVX2, and the pointers are good.
#[inline(always)]
pub(super) unsafe fn transpose_eight(from: *const f32, line: usize, to: *mut f32, next: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        // Lines `y` and `y + 4` side by side, so that all else stays within halves.
        let pair = |y: usize, x: usize| {
            let low = _mm256_castps128_ps256(_mm_loadu_ps(from.add(y * line + x)));
            _mm256_insertf128_ps::<1>(low, _mm_loadu_ps(from.add((y + 4) * line + x)))
        };
        for x in [0, 4] {
            let [a, b, c, d] = [pair(0, x), pair(1, x), pair(2, x), pair(3, x)];
            let (ab_low, ab_high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
            let (cd_low, cd_high) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
            let columns = [
                _mm256_shuffle_ps::<0b01_00_01_00>(ab_low, cd_low),
                _mm256_shuffle_ps::<0b11_10_11_10>(ab_low, cd_low),
                _mm256_shuffle_ps::<0b01_00_01_00>(ab_high, cd_high),
                _mm256_shuffle_ps::<0b11_10_11_10>(ab_high, cd_high),
            ];
            for (i, column) in columns.into_iter().enumerate() {
                _mm256_storeu_ps(to.add((x + i) * next), column);
            }
        }
    }
}
