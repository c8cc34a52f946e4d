use std::fmt::Debug;

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use half::{bf16, f16};

/// A weight as it lies in memory: `f32`, `bf16` or `f16`. Kernels widen it to `f32` when they load it.
pub(crate) trait Value: Copy + Debug + Send + Sync + 'static {
    /// The nearest value of this type, ties to even.
    fn round(value: f32) -> Self;

    fn widen(self) -> f32;

    /// The values as they are, where they are `f32`.
    fn as_f32(values: &[Self]) -> Option<&[f32]> {
        let _ = values;
        None
    }

    /// Four values that lie one behind the other.
    ///
    /// # Safety
    /// All four are readable, and the processor has AVX2 and F16C.
    #[cfg(target_arch = "x86_64")]
    unsafe fn load4(from: *const Self) -> __m128;

    /// Eight values that lie one behind the other.
    ///
    /// # Safety
    /// All eight are readable, and the processor has AVX2 and F16C.
    #[cfg(target_arch = "x86_64")]
    unsafe fn load8(from: *const Self) -> __m256;

    /// Sixteen values that lie one behind the other.
    ///
    /// # Safety
    /// All sixteen are readable, and the processor has AVX-512 F and BW.
    #[cfg(target_arch = "x86_64")]
    unsafe fn load16(from: *const Self) -> __m512;

    /// One value in eight lanes.
    ///
    /// # Safety
    /// It is readable, and the processor has AVX2 and F16C.
    #[cfg(target_arch = "x86_64")]
    unsafe fn splat8(from: *const Self) -> __m256;

    /// One value in sixteen lanes.
    ///
    /// # Safety
    /// It is readable, and the processor has AVX-512 F and BW.
    #[cfg(target_arch = "x86_64")]
    unsafe fn splat16(from: *const Self) -> __m512;
}

impl Value for f32 {
    fn round(value: f32) -> Self {
        value
    }

    #[inline]
    fn widen(self) -> f32 {
        self
    }

    fn as_f32(values: &[Self]) -> Option<&[f32]> {
        Some(values)
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn load4(from: *const Self) -> __m128 {
        // SAFETY: the caller says that four values are readable.
        unsafe { _mm_loadu_ps(from) }
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn load8(from: *const Self) -> __m256 {
        // SAFETY: the caller says that eight values are readable.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load16(from: *const Self) -> __m512 {
        // SAFETY: the caller says that sixteen values are readable.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn splat8(from: *const Self) -> __m256 {
        // SAFETY: the caller says that it is readable.
        _mm256_set1_ps(unsafe { *from })
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn splat16(from: *const Self) -> __m512 {
        // SAFETY: the caller says that it is readable.
        _mm512_set1_ps(unsafe { *from })
    }
}

// A bf16 is the upper half of an f32.
impl Value for bf16 {
    fn round(value: f32) -> Self {
        bf16::from_f32(value)
    }

    #[inline]
    fn widen(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn load4(from: *const Self) -> __m128 {
        // SAFETY: the caller says that four values are readable.
        let bits = unsafe { _mm_loadl_epi64(from.cast()) };
        _mm_castsi128_ps(_mm_slli_epi32::<16>(_mm_cvtepu16_epi32(bits)))
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn load8(from: *const Self) -> __m256 {
        // SAFETY: the caller says that eight values are readable.
        let bits = unsafe { _mm_loadu_si128(from.cast()) };
        _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(bits)))
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load16(from: *const Self) -> __m512 {
        // SAFETY: the caller says that sixteen values are readable.
        let bits = unsafe { _mm256_loadu_si256(from.cast()) };
        _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(bits)))
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn splat8(from: *const Self) -> __m256 {
        // SAFETY: the caller says that it is readable.
        _mm256_set1_ps(unsafe { *from }.widen())
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn splat16(from: *const Self) -> __m512 {
        // SAFETY: the caller says that it is readable.
        _mm512_set1_ps(unsafe { *from }.widen())
    }
}

impl Value for f16 {
    fn round(value: f32) -> Self {
        f16::from_f32(value)
    }

    #[inline]
    fn widen(self) -> f32 {
        // The other conversion asks each time what the processor can do.
        self.to_f32_const()
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    unsafe fn load4(from: *const Self) -> __m128 {
        // SAFETY: the caller says that four values are readable.
        _mm_cvtph_ps(unsafe { _mm_loadl_epi64(from.cast()) })
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    unsafe fn load8(from: *const Self) -> __m256 {
        // SAFETY: the caller says that eight values are readable.
        _mm256_cvtph_ps(unsafe { _mm_loadu_si128(from.cast()) })
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load16(from: *const Self) -> __m512 {
        // SAFETY: the caller says that sixteen values are readable.
        _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(from.cast()) })
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    unsafe fn splat8(from: *const Self) -> __m256 {
        // SAFETY: the caller says that it is readable.
        _mm256_cvtph_ps(_mm_set1_epi16(unsafe { *from }.to_bits().cast_signed()))
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn splat16(from: *const Self) -> __m512 {
        // SAFETY: the caller says that it is readable.
        _mm512_cvtph_ps(_mm256_set1_epi16(unsafe { *from }.to_bits().cast_signed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Simd;

    /// Loads through every path that the processor has; returns which ones.
    fn agree<V: Value>(values: &[f32; 16]) -> Vec<Simd> {
        let packed = values.map(V::round);
        let plain = packed.map(V::widen);
        let available = Simd::available();
        #[cfg(target_arch = "x86_64")]
        for simd in &available {
            let mut lanes = [[0f32; 16]; 2];
            let [loaded, splatted] = &mut lanes;
            match simd {
                Simd::Portable => continue,
                // SAFETY: the processor has AVX2, and there are sixteen values.
                Simd::Avx2 => unsafe {
                    for half in [0, 8] {
                        store8(
                            loaded.as_mut_ptr().add(half),
                            V::load8(packed.as_ptr().add(half)),
                        );
                        store8(splatted.as_mut_ptr().add(half), V::splat8(&packed[3]));
                    }
                },
                // SAFETY: the processor has AVX-512, and there are sixteen values.
                Simd::Avx512 => unsafe {
                    store16(loaded.as_mut_ptr(), V::load16(packed.as_ptr()));
                    store16(splatted.as_mut_ptr(), V::splat16(&packed[3]));
                },
            }
            assert_eq!(*loaded, plain, "{simd:?}");
            assert_eq!(*splatted, [plain[3]; 16], "{simd:?}");
        }
        available
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    unsafe fn store8(to: *mut f32, lanes: __m256) {
        // SAFETY: the caller says that eight values fit.
        unsafe { _mm256_storeu_ps(to, lanes) }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    unsafe fn store16(to: *mut f32, lanes: __m512) {
        // SAFETY: the caller says that sixteen values fit.
        unsafe { _mm512_storeu_ps(to, lanes) }
    }

    #[test]
    fn every_path_widens_the_same_bits() {
        let values = [
            0.0,
            -0.0,
            1.0,
            -1.5,
            0.1,
            -0.2,
            65504.0,
            1e-3,
            6e-5,
            -3e-8,
            3.0,
            1.0 / 3.0,
            2e-6,
            -7.7,
            1024.5,
            5e-7,
        ];
        let ran = [
            agree::<f32>(&values),
            agree::<bf16>(&values),
            agree::<f16>(&values),
        ];
        assert!(ran.iter().all(|paths| *paths == Simd::available()));
    }

    #[test]
    fn rounding_keeps_what_the_type_can_hold() {
        assert_eq!(<f32 as Value>::round(0.1), 0.1);
        assert_eq!(bf16::round(1.0 + 1.0 / 256.0).widen(), 1.0);
        assert_eq!(bf16::round(1.0 + 3.0 / 256.0).widen(), 1.0 + 4.0 / 256.0);
        assert_eq!(f16::round(1.0 + 1.0 / 2048.0).widen(), 1.0);
        assert_eq!(f16::round(-65504.0).widen(), -65504.0);
    }
}
