use super::Depthwise;
use crate::kernel::finish::Finish;
use crate::kernel::lanes::{Kernel, Lanes};

/// Windows of any size.
pub(super) struct Any<'a>(pub Depthwise<'a>);

impl Kernel for Any<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let it = self.0;
        let [height, width] = it.window.kernel;
        let [down, right] = it.window.stride;
        let [below, beside] = it.window.dilation;
        let row = it.input.planes.row;
        let columns = it.output.planes().width;
        for plane in it.part.rows.clone() {
            let weights = &it.weights[plane * height * width..][..height * width];
            let channel = plane / it.multiplier * it.input.planes.plane + it.first;
            for line in it.part.lines.clone() {
                let from = channel + line * down * row;
                let finish = Finish::new(it.epilogue, it.output, plane, line);
                let mut at = 0;
                while at < columns {
                    let count = L::COUNT.min(columns - at);
                    // SAFETY: the windows are inside of the input, and the line is the caller's alone.
                    unsafe {
                        let mut sum = L::splat(0.0);
                        for (y, weights) in weights.chunks_exact(width).enumerate() {
                            let from = it.input.values.as_ptr().add(from + y * below * row);
                            for (x, weight) in weights.iter().enumerate() {
                                let from = from.add(at * right + x * beside);
                                let values = every::<L>(from, right, count);
                                sum = values.times_plus(L::splat(*weight), sum);
                            }
                        }
                        finish.store(sum, at, count);
                    }
                    at += L::COUNT;
                }
            }
            it.output.clear_margins(plane, it.part.lines.clone());
        }
    }
}

/// So many values, `stride` apart.
#[inline(always)]
unsafe fn every<L: Lanes>(from: *const f32, stride: usize, count: usize) -> L {
    // SAFETY: the caller has the instructions, and these values are readable.
    unsafe {
        match stride {
            1 if count == L::COUNT => L::load(from),
            1 => L::load_first(from, count),
            2 if count == L::COUNT => {
                // The last one of the second vector is not read by the window.
                let behind = L::load_first(from.add(L::COUNT), L::COUNT - 1);
                L::load(from).halves(behind).0
            }
            2 => {
                let values = 2 * count - 1;
                let behind = values.saturating_sub(L::COUNT);
                let first = L::load_first(from, values.min(L::COUNT));
                let next = L::load_first(from.wrapping_add(L::COUNT), behind);
                first.halves(next).0
            }
            _ => {
                let mut values = [0.0; 16];
                for (i, value) in values.iter_mut().enumerate().take(count) {
                    *value = from.add(i * stride).read();
                }
                L::load(values.as_ptr())
            }
        }
    }
}
