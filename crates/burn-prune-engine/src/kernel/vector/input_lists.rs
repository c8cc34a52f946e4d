#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;
use std::ops::Range;

use crate::kernel::{Simd, Value, in_large_pages};

/// Outputs of a block: few enough that their sums stay in cache, many enough that the lists are long.
const LARGEST_BLOCK: usize = 1024;
const SMALLEST_BLOCK: usize = 256;

/// Values behind the last one: a load takes eight.
const PADDING: usize = 8;

/// The nonzeros of each input, for blocks of outputs. The lists of inputs that are 0 are not read.
#[derive(Debug)]
pub(crate) struct InputLists<V> {
    /// Where the list of each block and input begins, and where the last one ends.
    starts: Vec<u32>,
    /// Outputs, from the first one of the block.
    places: Vec<u16>,
    /// One for each place, then some zeros.
    values: Vec<V>,
    inputs: usize,
    outputs: usize,
    block: usize,
}

impl<V: Value> InputLists<V> {
    /// `value(input, output)` for each; `None` if there are too many nonzeros.
    pub(crate) fn pack(
        inputs: usize,
        outputs: usize,
        value: impl Fn(usize, usize) -> f32,
    ) -> Option<Self> {
        // Two parts at least, where there is enough for two threads.
        let half = outputs.div_ceil(2).next_multiple_of(16);
        let block = half.clamp(SMALLEST_BLOCK, LARGEST_BLOCK);
        let mut packed = Self {
            starts: vec![0],
            places: Vec::new(),
            values: Vec::new(),
            inputs,
            outputs,
            block,
        };
        for first in (0..outputs).step_by(block) {
            for input in 0..inputs {
                for output in first..outputs.min(first + block) {
                    let value = value(input, output);
                    if value != 0.0 {
                        packed.places.push((output - first) as u16);
                        packed.values.push(V::round(value));
                    }
                }
                packed.starts.push(u32::try_from(packed.places.len()).ok()?);
            }
        }
        packed.values.extend([V::round(0.0); PADDING]);
        packed.places = in_large_pages(packed.places);
        packed.values = in_large_pages(packed.values);
        Some(packed)
    }

    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Outputs of a block; the last one may have fewer.
    pub(crate) fn block(&self) -> usize {
        self.block
    }

    pub(crate) fn nonzeros(&self) -> usize {
        self.places.len()
    }

    /// Of a block of outputs.
    pub(crate) fn nonzeros_of(&self, block: usize) -> usize {
        let starts = &self.starts[block * self.inputs..];
        (starts[self.inputs] - starts[0]) as usize
    }

    /// Of memory.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self.starts.as_slice())
            + size_of_val(self.places.as_slice())
            + size_of_val(self.values.as_slice())
    }

    /// Where the list of an input for a block of outputs is.
    fn list(&self, block: usize, input: usize) -> Range<usize> {
        let at = block * self.inputs + input;
        self.starts[at] as usize..self.starts[at + 1] as usize
    }

    /// The weight of an input for an output.
    pub(crate) fn value(&self, input: usize, output: usize) -> Option<f32> {
        let list = self.list(output / self.block, input);
        let place = (output % self.block) as u16;
        let at = self.places[list.clone()].binary_search(&place).ok()?;
        Some(self.values[list.start + at].widen())
    }

    /// The products of some outputs, whole blocks of them, by a vector.
    pub(crate) fn sums(&self, simd: Simd, outputs: Range<usize>, x: &[f32], sums: &mut [f32]) {
        assert!(outputs.start.is_multiple_of(self.block) && outputs.end <= self.outputs);
        assert!(outputs.end.is_multiple_of(self.block) || outputs.end == self.outputs);
        assert_eq!(outputs.len(), sums.len());
        sums.fill(0.0);
        let first = outputs.start / self.block;
        for (block, sums) in sums.chunks_mut(self.block).enumerate() {
            for (input, &factor) in x[..self.inputs].iter().enumerate() {
                if factor == 0.0 {
                    continue;
                }
                let list = self.list(first + block, input);
                match simd {
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: the processor has AVX2. Places are inside of their block, of which
                    // `sums` has all outputs, and there is padding behind the values.
                    Simd::Avx2 | Simd::Avx512 => unsafe {
                        add_avx2(sums, &self.places, &self.values, list, factor);
                    },
                    _ => {
                        let values = &self.values[list.clone()];
                        for (place, value) in self.places[list].iter().zip(values) {
                            sums[usize::from(*place)] += factor * value.widen();
                        }
                    }
                }
            }
        }
    }
}

/// # Safety
/// The processor has AVX2, FMA and F16C; `list` is a part of `places`, which are below the number of
/// sums there, and `values` has [`PADDING`] more than `places`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn add_avx2<V: Value>(
    sums: &mut [f32],
    places: &[u16],
    values: &[V],
    list: Range<usize>,
    factor: f32,
) {
    let factor = _mm256_set1_ps(factor);
    let mut products = [0.0; 8];
    for at in list.clone().step_by(8) {
        // SAFETY: at most eight values from a place on are read, and written to eight.
        unsafe {
            let values = values.as_ptr().add(at);
            _mm_prefetch::<_MM_HINT_T0>(values.cast::<i8>().wrapping_add(1024));
            _mm256_storeu_ps(
                products.as_mut_ptr(),
                _mm256_mul_ps(V::load8(values), factor),
            );
        }
        if at + 8 <= list.end {
            for (k, product) in products.iter().enumerate() {
                // SAFETY: `at + k` is in the list, and places are below the number of sums.
                unsafe {
                    *sums.get_unchecked_mut(usize::from(*places.get_unchecked(at + k))) += product
                };
            }
        } else {
            for (place, product) in places[at..list.end].iter().zip(products) {
                // SAFETY: places are below the number of sums.
                unsafe { *sums.get_unchecked_mut(usize::from(*place)) += product };
            }
        }
    }
}
