#[cfg(target_arch = "x86_64")]
use std::arch::{asm, x86_64::*};
use std::ops::Range;

use crate::kernel::{Simd, Value, in_large_pages};

/// Columns of one mask.
const COLUMNS: usize = 64;

/// Values behind the last one: a load at a nonzero takes sixteen.
const PADDING: usize = 16;

/// How far ahead of the loads memory is asked for, in bytes.
#[cfg(target_arch = "x86_64")]
const VALUES_AHEAD: usize = 8192;
#[cfg(target_arch = "x86_64")]
const MASKS_AHEAD: usize = 2048;

/// A bit for each weight, and the values of nonzeros one behind the other.
#[derive(Debug)]
pub(crate) struct BitRows<V> {
    /// Of each row, for each 64 columns; bit 0 is the first one of them.
    masks: Vec<u64>,
    /// As many as there are bits, then some zeros.
    values: Vec<V>,
    /// Where the values of each row begin, and where the last ones end.
    starts: Vec<u32>,
    columns: usize,
}

impl<V: Value> BitRows<V> {
    /// `None` if there are too many nonzeros.
    pub(crate) fn pack<'a>(rows: impl Iterator<Item = &'a [f32]>, columns: usize) -> Option<Self> {
        let mut packed = Self {
            masks: Vec::new(),
            values: Vec::new(),
            starts: vec![0],
            columns,
        };
        for row in rows {
            assert_eq!(row.len(), columns);
            for part in row.chunks(COLUMNS) {
                let mut mask = 0;
                for (bit, &value) in part.iter().enumerate() {
                    if value != 0.0 {
                        mask |= 1 << bit;
                        packed.values.push(V::round(value));
                    }
                }
                packed.masks.push(mask);
            }
            packed.starts.push(u32::try_from(packed.values.len()).ok()?);
        }
        packed.values.extend([V::round(0.0); PADDING]);
        packed.masks.shrink_to_fit();
        packed.starts.shrink_to_fit();
        packed.values = in_large_pages(packed.values);
        Some(packed)
    }

    pub(crate) fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Nonzeros before each row, and all of them.
    pub(crate) fn starts(&self) -> &[u32] {
        &self.starts
    }

    /// Of memory.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self.masks.as_slice())
            + size_of_val(self.values.as_slice())
            + size_of_val(self.starts.as_slice())
    }

    fn masks(&self, row: usize) -> &[u64] {
        let count = self.columns.div_ceil(COLUMNS);
        &self.masks[row * count..][..count]
    }

    /// Visits the nonzeros of a row, with their columns.
    #[inline]
    pub(crate) fn each(&self, row: usize, mut visit: impl FnMut(usize, f32)) {
        let mut values = self.values[self.starts[row] as usize..].iter();
        for (at, mask) in self.masks(row).iter().enumerate() {
            let mut rest = *mask;
            for value in values.by_ref().take(mask.count_ones() as usize) {
                visit(at * COLUMNS + rest.trailing_zeros() as usize, value.widen());
                rest &= rest - 1;
            }
        }
    }

    /// The same for those of some columns.
    #[inline]
    pub(crate) fn each_of(
        &self,
        row: usize,
        columns: Range<usize>,
        mut visit: impl FnMut(usize, f32),
    ) {
        let (skipped, masks) = self.masks(row).split_at(columns.start / COLUMNS);
        let skipped: u32 = skipped.iter().map(|mask| mask.count_ones()).sum();
        let mut at = self.starts[row] as usize + skipped as usize;
        let parts = columns.start / COLUMNS..columns.end.div_ceil(COLUMNS);
        for (part, mask) in parts.zip(masks) {
            let mut rest = *mask;
            while rest != 0 {
                let column = part * COLUMNS + rest.trailing_zeros() as usize;
                if columns.contains(&column) {
                    visit(column, self.values[at].widen());
                }
                at += 1;
                rest &= rest - 1;
            }
        }
    }

    /// The products of some rows by a vector.
    pub(crate) fn sums(&self, simd: Simd, rows: Range<usize>, x: &[f32], sums: &mut [f32]) {
        let x = &x[..self.columns];
        assert_eq!(rows.len(), sums.len());
        match simd {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the processor has AVX-512.
            Simd::Avx512 => unsafe { self.sums_avx512(rows, x, sums) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the processor has AVX2.
            Simd::Avx2 => unsafe { self.sums_avx2(rows, x, sums) },
            _ => {
                for (row, sum) in rows.zip(sums) {
                    *sum = 0.0;
                    self.each(row, |column, value| *sum += value * x[column]);
                }
            }
        }
    }

    /// # Safety
    /// The processor has AVX-512 F, BW, DQ and VL.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,f16c,bmi1,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
    unsafe fn sums_avx512(&self, rows: Range<usize>, x: &[f32], sums: &mut [f32]) {
        // Two rows that are far apart: memory is read faster at several places at once.
        let half = rows.len() / 2;
        for at in 0..half {
            let both = [rows.start + at, rows.start + half + at];
            // SAFETY: rows have as many values as their masks have bits, with padding behind the last
            // one, and no bits beyond the columns, of which `x` has all.
            let [first, second] = unsafe { sums_of_rows_avx512(both.map(|row| self.row(row)), x) };
            sums[at] = first;
            sums[half + at] = second;
        }
        if rows.len() % 2 == 1 {
            // SAFETY: as above.
            [sums[2 * half]] = unsafe { sums_of_rows_avx512([self.row(rows.end - 1)], x) };
        }
    }

    /// # Safety
    /// The processor has AVX2, FMA, F16C, BMI1 and POPCNT.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,f16c,bmi1,popcnt")]
    unsafe fn sums_avx2(&self, rows: Range<usize>, x: &[f32], sums: &mut [f32]) {
        for (row, sum) in rows.zip(sums) {
            let (masks, values) = self.row(row);
            // SAFETY: as with AVX-512.
            *sum = unsafe { sum_of_row_avx2(masks, values, x) };
        }
    }

    /// Its masks, and where its values begin.
    #[cfg(target_arch = "x86_64")]
    fn row(&self, row: usize) -> (&[u64], *const V) {
        (
            self.masks(row),
            self.values[self.starts[row] as usize..].as_ptr(),
        )
    }
}

/// # Safety
/// The processor has AVX-512 F, BW, DQ and VL. Each row has masks for all of `x`, without bits beyond it,
/// and a value for each bit, with [`PADDING`] behind them.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,fma,f16c,bmi1,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn sums_of_rows_avx512<V: Value, const ROWS: usize>(
    rows: [(&[u64], *const V); ROWS],
    x: &[f32],
) -> [f32; ROWS] {
    let mut sums = [[_mm512_setzero_ps(); 4]; ROWS];
    let mut values = rows.map(|(_, values)| values);
    let whole = x.len() / COLUMNS;
    let masks = rows.map(|(masks, _)| &masks[..whole]);
    #[expect(
        clippy::needless_range_loop,
        reason = "the masks of all rows at one place"
    )]
    for at in 0..whole {
        for ((masks, values), sums) in masks.iter().zip(&mut values).zip(&mut sums) {
            let ahead = values.cast::<i8>().wrapping_add(VALUES_AHEAD);
            _mm_prefetch::<_MM_HINT_T1>(ahead);
            _mm_prefetch::<_MM_HINT_T1>(ahead.wrapping_add(64));
            let mask = masks[at];
            if at % 8 == 0 {
                let here = (&raw const masks[at]).cast::<i8>();
                _mm_prefetch::<_MM_HINT_T1>(here.wrapping_add(MASKS_AHEAD));
            }
            // The four loads do not wait for each other: the bits before each are counted at once.
            let before = [
                0,
                (mask as u16).count_ones(),
                (mask as u32).count_ones(),
                (mask << 16).count_ones(),
            ];
            for (quarter, sum) in sums.iter_mut().enumerate() {
                let bits = (mask >> (16 * quarter)) as u16;
                // SAFETY: `x` has 64 values here; weights are loaded from one on, or behind the last.
                unsafe {
                    let w = in_register(V::load16(values.add(before[quarter] as usize)));
                    let w = _mm512_maskz_expand_ps(bits, w);
                    let x = _mm512_loadu_ps(x.as_ptr().add(at * COLUMNS + 16 * quarter));
                    *sum = _mm512_mask3_fmadd_ps(w, x, *sum, bits);
                }
            }
            // SAFETY: it is at most the end of the values.
            *values = unsafe { values.add(mask.count_ones() as usize) };
        }
    }
    for (row, (masks, _)) in rows.iter().enumerate() {
        let Some(mask) = masks.get(whole) else { break };
        for (quarter, sum) in sums[row].iter_mut().enumerate() {
            let bits = (mask >> (16 * quarter)) as u16;
            // SAFETY: only values of `x` whose bits are set are read.
            unsafe {
                let w = _mm512_maskz_expand_ps(bits, V::load16(values[row]));
                let x = x.as_ptr().wrapping_add(whole * COLUMNS + 16 * quarter);
                *sum = _mm512_mask3_fmadd_ps(w, _mm512_maskz_loadu_ps(bits, x), *sum, bits);
                values[row] = values[row].add(bits.count_ones() as usize);
            }
        }
    }
    let mut totals = [0.0; ROWS];
    for (total, [a, b, c, d]) in totals.iter_mut().zip(sums) {
        *total = _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(a, b), _mm512_add_ps(c, d)));
    }
    totals
}

/// The same values. Keeps the compiler from loading and expanding in one instruction, which takes twice
/// as long on Zen 4.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f")]
fn in_register(lanes: __m512) -> __m512 {
    let mut lanes = lanes;
    // SAFETY: a comment without any instruction.
    unsafe {
        asm!("/* {0} */", inout(zmm_reg) lanes, options(pure, nomem, nostack, preserves_flags));
    }
    lanes
}

/// For each byte and each of its bits: which of the packed values belongs there; negative for none.
#[cfg(target_arch = "x86_64")]
static PLACES: [[i8; 8]; 256] = {
    let mut places = [[-128; 8]; 256];
    let mut mask = 0;
    while mask < 256 {
        let (mut bit, mut next) = (0, 0);
        while bit < 8 {
            if mask >> bit & 1 == 1 {
                places[mask][bit] = next;
                next += 1;
            }
            bit += 1;
        }
        mask += 1;
    }
    places
};

/// # Safety
/// The processor has AVX2, FMA, F16C and POPCNT; the rest as for AVX-512.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,fma,f16c,bmi1,popcnt")]
unsafe fn sum_of_row_avx2<V: Value>(masks: &[u64], values: *const V, x: &[f32]) -> f32 {
    let mut sums = [_mm256_setzero_ps(); 4];
    let mut values = values;
    let whole = x.len() / 8;
    let mut rest = [0.0; 8];
    rest[..x.len() % 8].copy_from_slice(&x[whole * 8..]);
    for (at, mask) in masks.iter().enumerate() {
        let bytes = 8.min(x.len().div_ceil(8) - at * 8);
        for byte in 0..bytes {
            let group = at * 8 + byte;
            let from = if group < whole {
                // SAFETY: it has eight values.
                unsafe { x.as_ptr().add(group * 8) }
            } else {
                rest.as_ptr()
            };
            let before = (mask & ((1 << (8 * byte)) - 1)).count_ones() as usize;
            let places = &PLACES[usize::from((mask >> (8 * byte)) as u8)];
            // SAFETY: the load of weights begins at one or behind the last one.
            unsafe {
                let places = _mm256_cvtepi8_epi32(_mm_loadl_epi64(places.as_ptr().cast()));
                let w = _mm256_permutevar8x32_ps(V::load8(values.add(before)), places);
                // Inputs of absent weights are taken as 0, whatever weight is in their place here.
                let absent = _mm256_castsi256_ps(places);
                let x = _mm256_blendv_ps(_mm256_loadu_ps(from), _mm256_setzero_ps(), absent);
                sums[byte % 4] = _mm256_fmadd_ps(w, x, sums[byte % 4]);
            }
        }
        // SAFETY: it is at most the end of the values.
        values = unsafe { values.add(mask.count_ones() as usize) };
    }
    let [a, b, c, d] = sums;
    sum8(_mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d)))
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
fn sum8(lanes: __m256) -> f32 {
    let four = _mm_add_ps(
        _mm256_castps256_ps128(lanes),
        _mm256_extractf128_ps::<1>(lanes),
    );
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
}
