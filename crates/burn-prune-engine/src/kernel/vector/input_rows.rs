#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;
use std::ops::Range;

use super::nonzeros::{GROUP, Nonzeros};
use crate::kernel::{Simd, Value, in_large_pages};

/// Values behind the last one: the last vector of a row may reach beyond it.
const PADDING: usize = 16;

/// A dense weight, input by input. Those inputs that are 0 are not read.
#[derive(Debug)]
pub(crate) struct InputRows<V> {
    /// For each input a value for each output, then some zeros.
    values: Vec<V>,
    inputs: usize,
    outputs: usize,
}

impl<V: Value> InputRows<V> {
    /// `value(input, output)` for each.
    pub(crate) fn pack(inputs: usize, outputs: usize, value: impl Fn(usize, usize) -> f32) -> Self {
        let mut values = Vec::with_capacity(inputs * outputs + PADDING);
        for input in 0..inputs {
            values.extend((0..outputs).map(|output| V::round(value(input, output))));
        }
        values.extend([V::round(0.0); PADDING]);
        Self {
            values: in_large_pages(values),
            inputs,
            outputs,
        }
    }

    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Of memory.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self.values.as_slice())
    }

    pub(crate) fn value(&self, input: usize, output: usize) -> f32 {
        self.values[input * self.outputs + output].widen()
    }

    /// How many sums [`Self::sums`] needs room for.
    pub(crate) fn room(outputs: usize) -> usize {
        outputs.next_multiple_of(PADDING)
    }

    /// The products of some outputs by a vector, in [`Self::room`] for them.
    pub(crate) fn sums(&self, simd: Simd, outputs: Range<usize>, x: &[f32], sums: &mut [f32]) {
        assert!(outputs.start <= outputs.end && outputs.end <= self.outputs);
        assert_eq!(sums.len(), Self::room(outputs.len()));
        sums.fill(0.0);
        if outputs.is_empty() {
            return;
        }
        let mut nonzeros = Nonzeros::of(&x[..self.inputs]);
        let mut next = nonzeros.group();
        while let Some((inputs, factors)) = next {
            next = nonzeros.group();
            // What is read next; without anything, the same again.
            let ahead = next.map_or(inputs, |(inputs, _)| inputs);
            let row = |input: u32| &self.values[input as usize * self.outputs + outputs.start..];
            let rows = inputs.map(|input| row(input).as_ptr());
            let ahead = ahead.map(|input| row(input).as_ptr());
            match simd {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: the processor has AVX-512. Each row has the outputs of `sums` from here on,
                // and there is padding behind the last one.
                Simd::Avx512 => unsafe { add_avx512(sums, rows, ahead, factors) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above, with AVX2.
                Simd::Avx2 => unsafe { add_avx2(sums, rows, ahead, factors) },
                _ => {
                    for (input, factor) in inputs.into_iter().zip(factors) {
                        let row = &row(input)[..outputs.len()];
                        for (sum, value) in sums.iter_mut().zip(row) {
                            *sum += factor * value.widen();
                        }
                    }
                }
            }
        }
    }
}

/// Adds rows times factors to the sums, and asks for the next rows meanwhile.
///
/// # Safety
/// The processor has AVX-512 F and BW. Each row has as many values as there are sums, a multiple of 16.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn add_avx512<V: Value>(
    sums: &mut [f32],
    rows: [*const V; GROUP],
    ahead: [*const V; GROUP],
    factors: [f32; GROUP],
) {
    let factors = factors.map(|factor| _mm512_set1_ps(factor));
    for at in (0..sums.len()).step_by(16) {
        let (mut even, mut odd) = (_mm512_setzero_ps(), _mm512_setzero_ps());
        for k in (0..GROUP).step_by(2) {
            if (at * size_of::<V>()).is_multiple_of(64) {
                _mm_prefetch::<_MM_HINT_T1>(ahead[k].wrapping_add(at).cast());
                _mm_prefetch::<_MM_HINT_T1>(ahead[k + 1].wrapping_add(at).cast());
            }
            // SAFETY: the rows reach as far as the sums.
            unsafe {
                even = _mm512_fmadd_ps(V::load16(rows[k].add(at)), factors[k], even);
                odd = _mm512_fmadd_ps(V::load16(rows[k + 1].add(at)), factors[k + 1], odd);
            }
        }
        // SAFETY: there are a multiple of 16 sums.
        unsafe {
            let to = sums.as_mut_ptr().add(at);
            _mm512_storeu_ps(
                to,
                _mm512_add_ps(_mm512_loadu_ps(to), _mm512_add_ps(even, odd)),
            );
        }
    }
}

/// # Safety
/// The processor has AVX2, FMA and F16C. Each row has as many values as there are sums, a multiple of 8.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn add_avx2<V: Value>(
    sums: &mut [f32],
    rows: [*const V; GROUP],
    ahead: [*const V; GROUP],
    factors: [f32; GROUP],
) {
    for at in (0..sums.len()).step_by(8) {
        let (mut even, mut odd) = (_mm256_setzero_ps(), _mm256_setzero_ps());
        for k in (0..GROUP).step_by(2) {
            if (at * size_of::<V>()).is_multiple_of(64) {
                _mm_prefetch::<_MM_HINT_T1>(ahead[k].wrapping_add(at).cast());
                _mm_prefetch::<_MM_HINT_T1>(ahead[k + 1].wrapping_add(at).cast());
            }
            // SAFETY: the rows reach as far as the sums.
            unsafe {
                let factor = _mm256_set1_ps(factors[k]);
                even = _mm256_fmadd_ps(V::load8(rows[k].add(at)), factor, even);
                let factor = _mm256_set1_ps(factors[k + 1]);
                odd = _mm256_fmadd_ps(V::load8(rows[k + 1].add(at)), factor, odd);
            }
        }
        // SAFETY: there are a multiple of 8 sums.
        unsafe {
            let to = sums.as_mut_ptr().add(at);
            _mm256_storeu_ps(
                to,
                _mm256_add_ps(_mm256_loadu_ps(to), _mm256_add_ps(even, odd)),
            );
        }
    }
}
