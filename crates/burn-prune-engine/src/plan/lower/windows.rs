//! Pooling, means over images, and nearest neighbours.

use burn::backend::ir::{
    InterpolateModeIr, ModuleOperationIr as Module, NumericOperationIr as Numeric, OperationIr,
    TensorId,
};

use super::pass::Pass;
use super::sketch::{Kind, Sketched};
use crate::plan::program::{Pool, PoolKind};

impl Pass<'_> {
    pub(super) fn window(&self, at: usize) -> Option<Sketched> {
        let (kind, x) = self.window_of(at)?;
        self.is_signal(x)
            .then(|| Sketched::new(self, at, kind, [], [x]))
    }

    fn window_of(&self, at: usize) -> Option<(Kind, TensorId)> {
        let output = self.operations[at].outputs().next()?.id;
        let OperationIr::Module(operation) = &self.operations[at] else {
            return self.mean(at);
        };
        match operation {
            Module::MaxPool2d(op) => {
                let pool = Pool {
                    kind: PoolKind::Maximum,
                    kernel: op.kernel_size,
                    stride: op.stride,
                    padding: op.padding.map(both),
                    dilation: op.dilation,
                    ceil: op.ceil_mode,
                };
                self.pool(pool, op.x.id, output)
            }
            Module::MaxPool1d(op) => {
                let pool = Pool {
                    kind: PoolKind::Maximum,
                    kernel: [1, op.kernel_size],
                    stride: [1, op.stride],
                    padding: [(0, 0), both(op.padding)],
                    dilation: [1, op.dilation],
                    ceil: op.ceil_mode,
                };
                self.pool(pool, op.x.id, output)
            }
            Module::AvgPool2d(op) => {
                let pool = Pool {
                    kind: mean(op.count_include_pad),
                    kernel: op.kernel_size,
                    stride: op.stride,
                    padding: op.padding.map(both),
                    dilation: [1, 1],
                    ceil: op.ceil_mode,
                };
                self.pool(pool, op.x.id, output)
            }
            Module::AvgPool1d(op) => {
                let pool = Pool {
                    kind: mean(op.count_include_pad),
                    kernel: [1, op.kernel_size],
                    stride: [1, op.stride],
                    padding: [(0, 0), both(op.padding)],
                    dilation: [1, 1],
                    ceil: op.ceil_mode,
                };
                self.pool(pool, op.x.id, output)
            }
            Module::AdaptiveAvgPool2d(op) => self.adaptive(op.x.id, op.output_size),
            Module::AdaptiveAvgPool1d(op) => self.adaptive(op.x.id, [1, op.output_size]),
            Module::Interpolate(op) => {
                let is_nearest = matches!(
                    op.options.mode,
                    InterpolateModeIr::Nearest | InterpolateModeIr::NearestExact
                );
                let from = spatial(self.shape(op.x.id))?;
                let to = op.output_size;
                let is_whole = (0..2).all(|axis| to[axis].is_multiple_of(from[axis]));
                let factors = [to[0] / from[0], to[1] / from[1]];
                (is_nearest && is_whole).then_some((Kind::Upsample(factors), op.x.id))
            }
            _ => None,
        }
    }

    fn pool(&self, mut pool: Pool, x: TensorId, output: TensorId) -> Option<(Kind, TensorId)> {
        let (from, to) = (spatial(self.shape(x))?, spatial(self.shape(output))?);
        let whole = |axis: usize| {
            let (before, behind) = pool.padding[axis];
            let window = pool.dilation[axis] * (pool.kernel[axis] - 1) + 1;
            let size = (from[axis] + before + behind).checked_sub(window)?;
            Some(size / pool.stride[axis] + 1)
        };
        if [whole(0), whole(1)] == to.map(Some) {
            // All windows end inside.
            pool.ceil = false;
        } else if pool.kind != PoolKind::Maximum {
            return None;
        }
        let x = match pool.kind {
            PoolKind::Maximum if !pool.ceil => {
                self.unpadded(x, f64::NEG_INFINITY, &mut pool.padding)
            }
            PoolKind::Mean => self.unpadded(x, 0.0, &mut pool.padding),
            _ => x,
        };
        Some((Kind::Pool(pool), x))
    }

    fn adaptive(&self, x: TensorId, to: [usize; 2]) -> Option<(Kind, TensorId)> {
        let from = spatial(self.shape(x))?;
        if to == [1, 1] {
            return Some((Kind::GlobalAverage, x));
        }
        if to == from {
            return Some((Kind::Reshape, x));
        }
        let is_even = (0..2).all(|axis| from[axis].is_multiple_of(to[axis]));
        let kernel = [from[0] / to[0].max(1), from[1] / to[1].max(1)];
        let pool = Pool {
            kind: PoolKind::Mean,
            kernel,
            stride: kernel,
            padding: [(0, 0); 2],
            dilation: [1, 1],
            ceil: false,
        };
        is_even.then_some((Kind::Pool(pool), x))
    }

    /// Means over height and width, one after the other.
    fn mean(&self, at: usize) -> Option<(Kind, TensorId)> {
        let (axis, between) = mean_along(&self.operations[at])?;
        let (other, x) = mean_along(self.maker(between)?)?;
        let is_image = self.shape(x).len() == 4;
        let axes = (axis.min(other), axis.max(other));
        (is_image && axes == (2, 3)).then_some((Kind::GlobalAverage, x))
    }
}

fn mean_along(operation: &OperationIr) -> Option<(usize, TensorId)> {
    match operation {
        OperationIr::NumericFloat(_, Numeric::MeanDim(op)) => Some((op.axis, op.input.id)),
        _ => None,
    }
}

fn both(padding: usize) -> (usize, usize) {
    (padding, padding)
}

fn mean(counts_padding: bool) -> PoolKind {
    if counts_padding {
        PoolKind::Mean
    } else {
        PoolKind::MeanInside
    }
}

/// Height and width of an image, or of a signal of height 1.
fn spatial(shape: &[usize]) -> Option<[usize; 2]> {
    match shape {
        [_, _, height, width] => Some([*height, *width]),
        [_, _, width] => Some([1, *width]),
        _ => None,
    }
}
