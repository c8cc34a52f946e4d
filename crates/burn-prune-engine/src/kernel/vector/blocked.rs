#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;
use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use super::gather::gather4;
use crate::kernel::{Cut, Nonzeros, Simd, Value};

/// The products of some rows of a weight in blocks of columns by a vector.
pub(crate) fn blocked_sums<V: Value>(
    simd: Simd,
    weight: &Nonzeros<'_, V>,
    rows: Range<usize>,
    x: &[f32],
    sums: &mut [f32],
) {
    assert_eq!(rows.len(), sums.len());
    sums.fill(0.0);
    each_block(&weight.cut, weight.starts, rows, |row, columns, entries| {
        let x = &x[columns];
        let (indices, values) = (&weight.indices[entries.clone()], &weight.values[entries]);
        sums[row] += match simd {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the processor has AVX2, and indices are less than the columns of their block.
            Simd::Avx2 | Simd::Avx512 => unsafe { sum_avx2(indices, values, x) },
            _ => {
                let each = indices.iter().zip(values);
                each.map(|(index, value)| value.widen() * x[usize::from(*index)])
                    .sum()
            }
        };
    });
}

/// The same where an entry has values for four rows: of some such groups of rows.
pub(crate) fn blocked4_sums<V: Value>(
    simd: Simd,
    weight: &Nonzeros<'_, [V; 4]>,
    groups: Range<usize>,
    x: &[f32],
    sums: &mut [f32],
) {
    assert_eq!(groups.len() * 4, sums.len());
    sums.fill(0.0);
    each_block(
        &weight.cut,
        weight.starts,
        groups,
        |group, columns, entries| {
            let x = &x[columns];
            let (indices, values) = (&weight.indices[entries.clone()], &weight.values[entries]);
            let sums = &mut sums[group * 4..][..4];
            match simd {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: the processor has AVX2, and indices are less than the columns of their block.
                Simd::Avx2 | Simd::Avx512 => unsafe { add_four_avx2(indices, values, x, sums) },
                _ => {
                    for (index, values) in indices.iter().zip(values) {
                        for (sum, value) in sums.iter_mut().zip(values) {
                            *sum += value.widen() * x[usize::from(*index)];
                        }
                    }
                }
            }
        },
    );
}

/// Visits rows (from the first one of these on) with the columns of a block and where their entries are,
/// in the order of memory.
#[inline(always)]
fn each_block(
    cut: &Cut,
    starts: &[u32],
    rows: Range<usize>,
    mut visit: impl FnMut(usize, Range<usize>, Range<usize>),
) {
    let mut first = rows.start;
    while first < rows.end {
        let end = rows.end.min((first / cut.chunk + 1) * cut.chunk);
        for class in 0..cut.classes {
            for block in 0..cut.blocks() {
                let at = cut.start(first, class, block);
                for row in first..end {
                    let entries = &starts[at + row - first..][..2];
                    visit(
                        row - rows.start,
                        cut.block(class, block),
                        entries[0] as usize..entries[1] as usize,
                    );
                }
            }
        }
        first = end;
    }
}

/// # Safety
/// The processor has AVX2, FMA and F16C. There are as many values as indices, which are less than the
/// length of `x`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn sum_avx2<V: Value>(indices: &[u8], values: &[V], x: &[f32]) -> f32 {
    let mut halves = [_mm_setzero_ps(); 2];
    let (fours, rest) = indices.as_chunks::<4>();
    for (at, four) in fours.iter().enumerate() {
        // SAFETY: four indices, which are in `x`, and as many values.
        unsafe {
            let x = gather4(x.as_ptr(), u32::from_le_bytes(*four));
            let w = V::load4(values.as_ptr().add(4 * at));
            halves[at % 2] = _mm_fmadd_ps(w, x, halves[at % 2]);
        }
    }
    let four = _mm_add_ps(halves[0], halves[1]);
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    let mut sum = _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
    for (index, value) in rest.iter().zip(&values[4 * fours.len()..]) {
        // SAFETY: indices are in `x`.
        sum += value.widen() * unsafe { x.get_unchecked(usize::from(*index)) };
    }
    sum
}

/// # Safety
/// The processor has AVX2, FMA and F16C. There are as many values as indices, which are less than the
/// length of `x`, and four sums.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn add_four_avx2<V: Value>(indices: &[u8], values: &[[V; 4]], x: &[f32], sums: &mut [f32]) {
    let mut lanes = [_mm_setzero_ps(); 4];
    let (fours, rest) = indices.as_chunks::<4>();
    let (whole, _) = values.as_chunks::<4>();
    // SAFETY, of each block: indices are in `x`, and each of the values is four numbers.
    for (four, values) in fours.iter().zip(whole) {
        for (k, lanes) in lanes.iter_mut().enumerate() {
            let x = _mm_set1_ps(unsafe { *x.get_unchecked(usize::from(four[k])) });
            *lanes = _mm_fmadd_ps(unsafe { V::load4(values[k].as_ptr()) }, x, *lanes);
        }
    }
    for (index, values) in rest.iter().zip(&values[4 * fours.len()..]) {
        let x = _mm_set1_ps(unsafe { *x.get_unchecked(usize::from(*index)) });
        lanes[0] = _mm_fmadd_ps(unsafe { V::load4(values.as_ptr()) }, x, lanes[0]);
    }
    let [a, b, c, d] = lanes;
    let sum = _mm_add_ps(_mm_add_ps(a, b), _mm_add_ps(c, d));
    // SAFETY: there are four sums.
    unsafe {
        let to = sums.as_mut_ptr();
        _mm_storeu_ps(to, _mm_add_ps(_mm_loadu_ps(to), sum));
    }
}
