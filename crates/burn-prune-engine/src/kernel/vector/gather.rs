use std::arch::x86_64::*;

/// Four values at distances of one byte each. A gather instruction is slower.
///
/// # Safety
/// The values are readable, and the processor has AVX2.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn gather4(x: *const f32, distances: u32) -> __m128 {
    let at = |byte: u32| x.wrapping_add((distances >> (8 * byte)) as usize & 0xff);
    // SAFETY: the caller's promise.
    unsafe {
        let lanes = _mm_load_ss(at(0));
        let lanes = _mm_insert_ps::<0x10>(lanes, _mm_load_ss(at(1)));
        let lanes = _mm_insert_ps::<0x20>(lanes, _mm_load_ss(at(2)));
        _mm_insert_ps::<0x30>(lanes, _mm_load_ss(at(3)))
    }
}
