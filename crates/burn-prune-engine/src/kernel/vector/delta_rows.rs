#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;
use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use super::gather::gather4;
use crate::kernel::{Simd, Value, in_large_pages};

/// Nonzeros of a group.
const GROUP: usize = 8;

/// Eight nonzeros that follow each other in a row. All that belongs to them lies together, so a row is
/// one stream of memory.
#[derive(Debug, Clone, Copy)]
#[repr(C, packed)]
struct Group<V: Value> {
    /// The column of the first one.
    base: u16,
    /// The distance of each column from it.
    deltas: [u8; GROUP],
    /// Zeros where a row has no more nonzeros, or none within reach.
    values: [V; GROUP],
}

/// Nonzeros in groups of eight, with an index of one byte for each and a column for each group.
#[derive(Debug)]
pub(crate) struct DeltaRows<V: Value> {
    groups: Vec<Group<V>>,
    /// The first group of each row, and the end.
    starts: Vec<u32>,
    nonzeros: usize,
    columns: usize,
}

impl<V: Value> DeltaRows<V> {
    /// `None` if there are too many columns or nonzeros.
    pub(crate) fn pack<'a>(rows: impl Iterator<Item = &'a [f32]>, columns: usize) -> Option<Self> {
        let mut packed = Self {
            groups: Vec::new(),
            starts: vec![0],
            nonzeros: 0,
            columns,
        };
        u16::try_from(columns.saturating_sub(1)).ok()?;
        for row in rows {
            assert_eq!(row.len(), columns);
            let mut used = GROUP;
            for (column, &value) in row.iter().enumerate() {
                if value == 0.0 {
                    continue;
                }
                packed.nonzeros += 1;
                let near = packed
                    .groups
                    .last()
                    .filter(|_| used < GROUP)
                    .and_then(|group| u8::try_from(column - usize::from(group.base)).ok());
                let delta = near.unwrap_or_else(|| {
                    packed.groups.push(Group {
                        base: column as u16,
                        deltas: [0; GROUP],
                        values: [V::round(0.0); GROUP],
                    });
                    used = 0;
                    0
                });
                if let Some(group) = packed.groups.last_mut() {
                    let mut values = group.values;
                    values[used] = V::round(value);
                    group.values = values;
                    group.deltas[used] = delta;
                }
                used += 1;
            }
            packed.starts.push(u32::try_from(packed.groups.len()).ok()?);
        }
        packed.starts.shrink_to_fit();
        packed.groups = in_large_pages(packed.groups);
        Some(packed)
    }

    pub(crate) fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    pub(crate) fn nonzeros(&self) -> usize {
        self.nonzeros
    }

    /// Groups before each row, and all of them.
    pub(crate) fn starts(&self) -> &[u32] {
        &self.starts
    }

    /// Of memory.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self.groups.as_slice()) + size_of_val(self.starts.as_slice())
    }

    fn groups(&self, row: usize) -> &[Group<V>] {
        &self.groups[self.starts[row] as usize..self.starts[row + 1] as usize]
    }

    /// Visits the nonzeros of a row, with their columns.
    #[inline]
    pub(crate) fn each(&self, row: usize, mut visit: impl FnMut(usize, f32)) {
        for group in self.groups(row) {
            let Group {
                base,
                deltas,
                values,
            } = *group;
            for (delta, value) in deltas.into_iter().zip(values) {
                let value = value.widen();
                if value != 0.0 {
                    visit(usize::from(base) + usize::from(delta), value);
                }
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
        let groups = self.groups(row);
        // Their bases rise; the columns of a group are at most 255 from it.
        let first = groups.partition_point(|group| usize::from(group.base) + 255 < columns.start);
        for group in &groups[first..] {
            let base = usize::from(group.base);
            if base >= columns.end {
                break;
            }
            for (delta, value) in group.deltas.into_iter().zip(group.values) {
                let (column, value) = (base + usize::from(delta), value.widen());
                if value != 0.0 && columns.contains(&column) {
                    visit(column, value);
                }
            }
        }
    }

    /// The products of some rows by a vector.
    pub(crate) fn sums(&self, simd: Simd, rows: Range<usize>, x: &[f32], sums: &mut [f32]) {
        let x = &x[..self.columns];
        assert_eq!(rows.len(), sums.len());
        #[cfg(target_arch = "x86_64")]
        if simd >= Simd::Avx2 {
            // SAFETY: the processor has AVX2, and columns are below `columns`.
            unsafe { self.sums_avx2(rows.clone(), x, sums) };
            for (row, sum) in rows.zip(sums) {
                // An infinite input times the zero of an unused place.
                if !sum.is_finite() {
                    *sum = self.plain_sum(row, x);
                }
            }
            return;
        }
        let _ = simd;
        for (row, sum) in rows.zip(sums) {
            *sum = self.plain_sum(row, x);
        }
    }

    fn plain_sum(&self, row: usize, x: &[f32]) -> f32 {
        let mut sum = 0.0;
        self.each(row, |column, value| sum += value * x[column]);
        sum
    }

    /// # Safety
    /// The processor has AVX2, FMA and F16C. `x` has all columns.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,f16c,bmi1")]
    unsafe fn sums_avx2(&self, rows: Range<usize>, x: &[f32], sums: &mut [f32]) {
        for (row, sum) in rows.zip(sums) {
            let mut halves = [_mm_setzero_ps(); 2];
            for group in self.groups(row) {
                let deltas = u64::from_le_bytes(group.deltas);
                let values = (&raw const group.values).cast::<V>();
                // SAFETY: the columns are below `columns`, those of unused places too, and a group has
                // eight values.
                unsafe {
                    let x = x.as_ptr().add(usize::from(group.base));
                    let low = _mm_fmadd_ps(V::load4(values), gather4(x, deltas as u32), halves[0]);
                    let high = gather4(x, (deltas >> 32) as u32);
                    let high = _mm_fmadd_ps(V::load4(values.add(4)), high, halves[1]);
                    halves = [low, high];
                }
            }
            let four = _mm_add_ps(halves[0], halves[1]);
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            *sum = _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
        }
    }
}
