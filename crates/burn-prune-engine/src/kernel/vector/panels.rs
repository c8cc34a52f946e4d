#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use crate::kernel::{PANEL, Simd, Value};

/// The products of one panel, `[column][row]`, by a vector with as many values as it has columns.
pub(crate) fn panel_sums<V: Value>(simd: Simd, panel: &[V], x: &[f32]) -> [f32; PANEL] {
    assert_eq!(panel.len(), x.len() * PANEL);
    let mut sums = [0.0; PANEL];
    let done = match simd {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has AVX-512, and the panel has six values for each of `x`.
        Simd::Avx512 => unsafe { add_avx512(panel, x, &mut sums) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above, with AVX2.
        Simd::Avx2 => unsafe { add_avx2(panel, x, &mut sums) },
        _ => 0,
    };
    for (column, x) in panel[done * PANEL..].chunks_exact(PANEL).zip(&x[done..]) {
        for (sum, value) in sums.iter_mut().zip(column) {
            *sum += value.widen() * x;
        }
    }
    sums
}

/// Adds the products of most columns; returns of how many. Eight columns are three vectors of weights.
///
/// # Safety
/// The processor has AVX-512 F and BW; the panel has six values for each of `x`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn add_avx512<V: Value>(panel: &[V], x: &[f32], sums: &mut [f32; PANEL]) -> usize {
    // Which of eight inputs the values of each vector belong to.
    let columns = [
        _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2),
        _mm512_setr_epi32(2, 2, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 5, 5),
        _mm512_setr_epi32(5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 7, 7, 7, 7, 7, 7),
    ];
    let mut lanes = [[_mm512_setzero_ps(); 3]; 2];
    let done = x.len() / 16 * 16;
    for at in (0..done).step_by(16) {
        // SAFETY: sixteen columns from `at` on are in the panel and in `x`.
        unsafe {
            let from = panel.as_ptr().add(at * PANEL);
            let x =
                [at, at + 8].map(|at| _mm512_castps256_ps512(_mm256_loadu_ps(&raw const x[at])));
            for (half, lanes) in lanes.iter_mut().enumerate() {
                for (third, lanes) in lanes.iter_mut().enumerate() {
                    let from = from.add(16 * (3 * half + third));
                    let x = _mm512_permutexvar_ps(columns[third], x[half]);
                    *lanes = _mm512_fmadd_ps(V::load16(from), x, *lanes);
                }
            }
        }
    }
    let mut all = [0.0; 48];
    for third in 0..3 {
        let lanes = _mm512_add_ps(lanes[0][third], lanes[1][third]);
        // SAFETY: there is room for three times sixteen.
        unsafe { _mm512_storeu_ps(all.as_mut_ptr().add(16 * third), lanes) };
    }
    add_columns(&all, sums);
    done
}

/// As with AVX-512; four columns are three vectors of weights.
///
/// # Safety
/// The processor has AVX2, FMA and F16C; the panel has six values for each of `x`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn add_avx2<V: Value>(panel: &[V], x: &[f32], sums: &mut [f32; PANEL]) -> usize {
    let columns = [
        _mm256_setr_epi32(0, 0, 0, 0, 0, 0, 1, 1),
        _mm256_setr_epi32(1, 1, 1, 1, 2, 2, 2, 2),
        _mm256_setr_epi32(2, 2, 3, 3, 3, 3, 3, 3),
    ];
    let mut lanes = [[_mm256_setzero_ps(); 3]; 2];
    let done = x.len() / 8 * 8;
    for at in (0..done).step_by(8) {
        // SAFETY: eight columns from `at` on are in the panel and in `x`.
        unsafe {
            let from = panel.as_ptr().add(at * PANEL);
            let x = [at, at + 4].map(|at| _mm256_castps128_ps256(_mm_loadu_ps(&raw const x[at])));
            for (half, lanes) in lanes.iter_mut().enumerate() {
                for (third, lanes) in lanes.iter_mut().enumerate() {
                    let from = from.add(8 * (3 * half + third));
                    let x = _mm256_permutevar8x32_ps(x[half], columns[third]);
                    *lanes = _mm256_fmadd_ps(V::load8(from), x, *lanes);
                }
            }
        }
    }
    let mut all = [0.0; 24];
    for third in 0..3 {
        let lanes = _mm256_add_ps(lanes[0][third], lanes[1][third]);
        // SAFETY: there is room for three times eight.
        unsafe { _mm256_storeu_ps(all.as_mut_ptr().add(8 * third), lanes) };
    }
    add_columns(&all, sums);
    done
}

#[cfg(target_arch = "x86_64")]
fn add_columns(columns: &[f32], sums: &mut [f32; PANEL]) {
    for column in columns.chunks_exact(PANEL) {
        for (sum, value) in sums.iter_mut().zip(column) {
            *sum += value;
        }
    }
}
