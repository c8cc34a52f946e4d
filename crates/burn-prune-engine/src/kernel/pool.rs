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

    fn of_two(a: f32, b: f32) -> f32;
}

struct Maximum;

impl Combine for Maximum {
    const EMPTY: f32 = f32::NEG_INFINITY;

    #[inline(always)]
    unsafe fn of<L: Lanes>(a: L, b: L) -> L {
        // SAFETY: the caller has the instructions of `L`.
        unsafe { a.greatest(b) }
    }

    #[inline(always)]
    fn of_two(a: f32, b: f32) -> f32 {
        if b > a || b.is_nan() { b } else { a }
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

    #[inline(always)]
    fn of_two(a: f32, b: f32) -> f32 {
        a + b
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
        // The windows that lie inside of the image, so that all their taps exist.
        let [_, stride] = pool.stride;
        let [_, dilation] = pool.dilation;
        let (left, _) = pool.padding[1];
        let reach = (pool.kernel[1] - 1) * dilation;
        let inner = left.div_ceil(stride).min(columns);
        let inner_end = (width + left)
            .saturating_sub(reach)
            .div_ceil(stride)
            .clamp(inner, columns);
        let row = self.scratch.values(width);
        for plane in self.planes {
            for y in 0..lines {
                let vertical = Taps::new(pool, 0, y, height);
                row.fill(C::EMPTY);
                for tap in 0..vertical.count {
                    let line = vertical.first + tap * pool.dilation[0];
                    // SAFETY: the caller has the instructions of `L`.
                    unsafe { combine_lines::<L, C>(row, input.line(plane, line)) };
                }
                // SAFETY: these planes are the caller's alone.
                let to = unsafe { output.line_mut(plane, y) };
                for (x, to) in to.iter_mut().enumerate() {
                    if x < inner || x >= inner_end {
                        let taps = Taps::new(pool, 1, x, width);
                        *to = (0..taps.count).fold(C::EMPTY, |value, tap| {
                            C::of_two(value, row[taps.first + tap * dilation])
                        });
                    }
                }
                if inner < inner_end {
                    let from = &row[inner * stride - left..];
                    let to = &mut to[inner..inner_end];
                    // SAFETY: the caller has the instructions of `L`.
                    unsafe { slide::<L, C>(from, stride, dilation, pool.kernel[1], to) };
                }
                if pool.kind != PoolKind::Maximum {
                    let lines = vertical.counted(pool.kind);
                    for (x, to) in to.iter_mut().enumerate() {
                        let columns = Taps::new(pool, 1, x, width).counted(pool.kind);
                        *to /= (lines * columns).max(1) as f32;
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
    for (row, value) in row[whole..].iter_mut().zip(&line[whole..]) {
        *row = C::of_two(*row, *value);
    }
}

/// `to[x]` from `from[x · stride + t · dilation]` for all taps `t`.
#[inline(always)]
unsafe fn slide<L: Lanes, C: Combine>(
    from: &[f32],
    stride: usize,
    dilation: usize,
    taps: usize,
    to: &mut [f32],
) {
    let reach = (taps - 1) * dilation;
    let mut at = 0;
    // SAFETY: a vector to `at`, and `stride` vectors from the last tap on, are inside.
    unsafe {
        while stride <= 2
            && at + L::COUNT <= to.len()
            && (at + L::COUNT) * stride + reach <= from.len()
        {
            let mut value = L::splat(C::EMPTY);
            for tap in 0..taps {
                let place = from.as_ptr().add(at * stride + tap * dilation);
                let next = if stride == 1 {
                    L::load(place)
                } else {
                    L::load(place).halves(L::load(place.add(L::COUNT))).0
                };
                value = C::of(value, next);
            }
            value.store(to.as_mut_ptr().add(at));
            at += L::COUNT;
        }
    }
    for (x, to) in to.iter_mut().enumerate().skip(at) {
        *to = (0..taps).fold(C::EMPTY, |value, tap| {
            C::of_two(value, from[x * stride + tap * dilation])
        });
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
