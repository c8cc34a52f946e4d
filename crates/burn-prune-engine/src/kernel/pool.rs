//! Largest and mean values of windows.

use std::marker::PhantomData;
use std::ops::Range;

use super::lanes::{self, Kernel, Lanes};
use super::{Output, Scratch, Simd, Source};
use crate::window::{Pool, PoolKind};

/// Pools these planes. Windows are clipped at the border of the image, and margins are not read; a value
/// that is not a number comes through.
pub(crate) fn pool(
    simd: Simd,
    pool: &Pool,
    planes: Range<usize>,
    input: Source<'_>,
    output: &Output<'_>,
    scratch: &mut Scratch,
) {
    match pool.kind {
        PoolKind::Maximum => {
            let combine = PhantomData::<Maximum>;
            lanes::run(
                simd,
                Pooling {
                    combine,
                    pool,
                    planes,
                    input,
                    output,
                    scratch,
                },
            );
        }
        PoolKind::Mean | PoolKind::MeanInside => {
            let combine = PhantomData::<Sum>;
            lanes::run(
                simd,
                Pooling {
                    combine,
                    pool,
                    planes,
                    input,
                    output,
                    scratch,
                },
            );
        }
    }
}

/// The mean of each plane, as a plane of one value.
pub(crate) fn global_average(
    simd: Simd,
    planes: Range<usize>,
    input: Source<'_>,
    output: &Output<'_>,
) {
    lanes::run(
        simd,
        GlobalAverage {
            planes,
            input,
            output,
        },
    );
}

trait Combine {
    /// What an empty window has.
    const EMPTY: f32;

    unsafe fn of<L: Lanes>(a: L, b: L) -> L;
}

struct Maximum;

impl Combine for Maximum {
    const EMPTY: f32 = f32::NEG_INFINITY;

    #[inline(always)]
    unsafe fn of<L: Lanes>(a: L, b: L) -> L {
        // SAFETY: the caller has the instructions of `L`.
        unsafe { a.greatest(b) }
    }
}

struct Sum;

impl Combine for Sum {
    const EMPTY: f32 = 0.0;

    #[inline(always)]
    unsafe fn of<L: Lanes>(a: L, b: L) -> L {
        // SAFETY: the caller has the instructions of `L`.
        unsafe { a.plus(b) }
    }
}

struct Pooling<'a, C> {
    combine: PhantomData<C>,
    pool: &'a Pool,
    planes: Range<usize>,
    input: Source<'a>,
    output: &'a Output<'a>,
    scratch: &'a mut Scratch,
}

/// One axis of a window that begins at `start - padding`: the taps inside of the image, as their first
/// place and number, and how many of them the mean counts.
struct Taps {
    first: usize,
    count: usize,
    padded: usize,
}

impl Taps {
    fn new(pool: &Pool, axis: usize, place: usize, size: usize) -> Self {
        let (kernel, dilation) = (pool.kernel[axis], pool.dilation[axis]);
        let (before, after) = pool.padding[axis];
        let start = place * pool.stride[axis];
        // Taps `t` with `before <= start + t · dilation < end`.
        let skipped = before.saturating_sub(start).div_ceil(dilation).min(kernel);
        let until = |end: usize| end.saturating_sub(start).div_ceil(dilation).min(kernel);
        let count = until(before + size).saturating_sub(skipped);
        Self {
            first: (start + skipped * dilation).saturating_sub(before),
            count,
            padded: until(before + size + after),
        }
    }

    fn counted(&self, kind: PoolKind) -> usize {
        match kind {
            PoolKind::Mean => self.padded,
            _ => self.count,
        }
    }
}

impl<C: Combine> Kernel for Pooling<'_, C> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self {
            pool,
            input,
            output,
            ..
        } = self;
        let (height, width) = (input.planes.height, input.planes.width);
        let (lines, columns) = (output.planes().height, output.planes().width);
        let [_, stride] = pool.stride;
        let [_, dilation] = pool.dilation;
        let (left, _) = pool.padding[1];
        // What several lines have in common, between values that change nothing: then all windows are
        // inside, and so are whole vectors of them.
        let vectors = columns.next_multiple_of(L::COUNT);
        let length = (vectors + L::COUNT) * stride + pool.kernel[1] * dilation;
        let room = self.scratch.values((left + width).max(length) + vectors);
        let (counts, row) = room.split_at_mut(vectors);
        row.fill(C::EMPTY);
        for (x, count) in counts.iter_mut().enumerate() {
            *count = Taps::new(pool, 1, x, width).counted(pool.kind) as f32;
        }
        for plane in self.planes {
            for y in 0..lines {
                let taps = Taps::new(pool, 0, y, height);
                let divisor = match pool.kind {
                    PoolKind::Maximum => None,
                    _ => Some(taps.counted(pool.kind) as f32),
                };
                // SAFETY: the row has room for whole vectors of windows, and these planes are the
                // caller's alone, who has the instructions of `L`.
                unsafe {
                    let common = &mut row[left..left + width];
                    if taps.count == 0 {
                        common.fill(C::EMPTY);
                    }
                    for tap in 0..taps.count {
                        let line = input.line(plane, taps.first + tap * pool.dilation[0]);
                        if tap == 0 {
                            common.copy_from_slice(line);
                        } else {
                            combine_lines::<L, C>(common, line);
                        }
                    }
                    let to = output.line_mut(plane, y);
                    let mut at = 0;
                    while at < columns {
                        let from = row.as_ptr().add(at * stride);
                        let mut value = every::<L>(from, stride);
                        for tap in 1..pool.kernel[1] {
                            value = C::of(value, every::<L>(from.add(tap * dilation), stride));
                        }
                        if let Some(lines) = divisor {
                            let count = L::load(counts.as_ptr().add(at)).times(L::splat(lines));
                            value = value.over(count.at_least(L::splat(1.0)));
                        }
                        if at + L::COUNT <= columns {
                            value.store(to.as_mut_ptr().add(at));
                        } else {
                            value.store_first(to.as_mut_ptr().add(at), columns - at);
                        }
                        at += L::COUNT;
                    }
                }
            }
            output.clear_margins(plane, 0..lines);
        }
    }
}

#[inline(always)]
unsafe fn combine_lines<L: Lanes, C: Combine>(row: &mut [f32], line: &[f32]) {
    let whole = row.len() - row.len() % L::COUNT;
    for at in (0..whole).step_by(L::COUNT) {
        // SAFETY: a vector from here on is inside of both.
        unsafe {
            let place = row.as_mut_ptr().add(at);
            C::of(L::load(place), L::load(line.as_ptr().add(at))).store(place);
        }
    }
    let rest = row.len() - whole;
    if rest > 0 {
        // SAFETY: as many values are left in both.
        unsafe {
            let place = row.as_mut_ptr().add(whole);
            let line = L::load_first(line.as_ptr().add(whole), rest);
            C::of(L::load_first(place, rest), line).store_first(place, rest);
        }
    }
}

/// A vector of values that are `stride` apart.
#[inline(always)]
unsafe fn every<L: Lanes>(from: *const f32, stride: usize) -> L {
    // SAFETY: the caller has `stride` vectors there.
    unsafe {
        match stride {
            1 => L::load(from),
            2 => L::load(from).halves(L::load(from.add(L::COUNT))).0,
            _ => {
                let mut values = [0.0; 16];
                for (i, value) in values.iter_mut().enumerate().take(L::COUNT) {
                    *value = from.add(i * stride).read();
                }
                L::load(values.as_ptr())
            }
        }
    }
}

struct GlobalAverage<'a> {
    planes: Range<usize>,
    input: Source<'a>,
    output: &'a Output<'a>,
}

impl Kernel for GlobalAverage<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let (height, width) = (self.input.planes.height, self.input.planes.width);
        let whole = width - width % L::COUNT;
        for plane in self.planes {
            // SAFETY: vectors inside of a line, and the rest of it; the plane is the caller's alone.
            unsafe {
                let mut sum = L::splat(0.0);
                for y in 0..height {
                    let line = self.input.line(plane, y).as_ptr();
                    for at in (0..whole).step_by(L::COUNT) {
                        sum = sum.plus(L::load(line.add(at)));
                    }
                    if whole < width {
                        sum = sum.plus(L::load_first(line.add(whole), width - whole));
                    }
                }
                self.output.line_mut(plane, 0)[0] = sum.sum() / (height * width) as f32;
            }
            self.output.clear_margins(plane, 0..1);
        }
    }
}
