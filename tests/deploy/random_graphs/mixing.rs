//! Steps that put elements elsewhere, or together.

use burn::tensor::activation::{log_softmax, softmax, softmin};
use burn::tensor::ops::PadMode;
use burn::tensor::{Int, Tensor, TensorData};

use super::elementwise::steps;
use super::net::Needs::{Even, Nothing};
use super::net::{Piece, Step};

/// The axis of a size above 1 that is the piece's, or comes next.
fn axis(piece: &Piece, x: &Tensor<4>) -> usize {
    let dims = x.dims();
    let mut axes = (0..4).map(|offset| (piece.axis + offset) % 4);
    axes.find(|axis| dims[*axis] > 1).unwrap_or(1)
}

/// Height or width.
fn pixels(piece: &Piece) -> usize {
    2 + piece.axis % 2
}

fn floats(x: Tensor<4, Int>, like: &Tensor<4>) -> Tensor<4> {
    x.float().cast(like.dtype()) * 0.1
}

pub(super) const STEPS: &[Step] = steps! {
    "mean dim" [Nothing]: |p, x| x.clone() - x.mean_dim(p.axis),
    "sum dim" [Nothing]: |p, x| x.clone().sum_dim(p.axis) * 0.3 + x,
    "sum dims" [Nothing]: |p, x| x.clone().sum_dims(&[2, 3]) * 0.1 + x,
    "sum dims of channels" [Nothing]: |p, x| x.clone().sum_dims(&[1, 3]) * 0.1 + x,
    "prod dim" [Nothing]: |p, x| x.clone().prod_dim(p.axis).tanh() + x,
    "max dim" [Nothing]: |p, x| x.clone() - x.max_dim(p.axis),
    "min dim" [Nothing]: |p, x| x.clone() - x.min_dim(p.axis),
    "max abs dim" [Nothing]: |p, x| x.clone() / (x.max_abs_dim(p.axis) + p.number),
    "length 1" [Nothing]: |p, x| x.clone() / x.square().sum_dim(p.axis).sqrt(),
    "length 1 with a margin" [Nothing]: |p, x| {
        x.clone() / (x.square().sum_dim(p.axis) + 1e-4).sqrt()
    },
    "log of a sum of exponentials" [Nothing]: |p, x| {
        let sum = x.clone().exp().sum_dim(p.axis).log();
        x - sum
    },
    "max dim with indices" [Nothing]: |p, x| {
        let (most, indices) = x.clone().max_dim_with_indices(pixels(p));
        floats(indices, &x) + most + x
    },
    "min dim with indices" [Nothing]: |p, x| {
        let (most, indices) = x.clone().min_dim_with_indices(pixels(p));
        floats(indices, &x) + most + x
    },
    "arg max" [Nothing]: |p, x| floats(x.clone().argmax(pixels(p)), &x) + x,
    "arg min" [Nothing]: |p, x| floats(x.clone().argmin(pixels(p)), &x) + x,
    "mean" [Nothing]: |p, x| x.clone() - x.mean().reshape([1, 1, 1, 1]),
    "sum" [Nothing]: |p, x| x.clone() - x.sum().tanh().reshape([1, 1, 1, 1]),
    "prod" [Nothing]: |p, x| x.clone() - x.prod().tanh().reshape([1, 1, 1, 1]),
    "max" [Nothing]: |p, x| x.clone() - x.max().reshape([1, 1, 1, 1]),
    "min" [Nothing]: |p, x| x.clone() - x.min().reshape([1, 1, 1, 1]),
    "max abs" [Nothing]: |p, x| x.clone() / x.max_abs().reshape([1, 1, 1, 1]),
    "all dim" [Nothing]: |p, x| {
        let all = x.clone().greater_elem(-1.3).all_dim(p.axis);
        all.float().cast(x.dtype()) * 0.4 + x
    },
    "any dim" [Nothing]: |p, x| {
        let any = x.clone().greater_elem(1.3).any_dim(p.axis);
        any.float().cast(x.dtype()) * 0.4 + x
    },
    "softmax" [Nothing]: |p, x| softmax(x, p.axis),
    "softmax of scores with infinite ones" [Nothing]: |p, x| {
        let [_, _, height, width] = x.dims();
        let future = Tensor::<2>::ones([height, width], &x.device()).triu(1).bool();
        softmax(x.mask_fill(future.unsqueeze(), f32::NEG_INFINITY), 3)
    },
    // Not along the first axis: Burn 0.22.1 panics on flex where that and the last one have size 1.
    "log softmax" [Nothing]: |p, x| log_softmax(x, 1 + p.axis % 3),
    "softmin" [Nothing]: |p, x| softmin(x, p.axis),
    "cum sum" [Nothing]: |p, x| x.cumsum(p.axis),
    "cum prod" [Nothing]: |p, x| x.cumprod(p.axis),
    "cum min" [Nothing]: |p, x| x.cummin(p.axis),
    "cum max" [Nothing]: |p, x| x.cummax(p.axis),
    "sorted" [Nothing]: |p, x| x.sort(pixels(p)),
    "swap pixels" [Nothing]: |p, x| x.swap_dims(2, 3),
    "permute" [Nothing]: |p, x| x.permute([0, 1, 3, 2]),
    "channels become pixels" [Nothing]: |p, x| x.permute([0, 2, 3, 1]),
    "channels last and back" [Nothing]: |p, x| {
        x.permute([0, 2, 3, 1]).tanh().permute([0, 3, 1, 2])
    },
    "flip" [Nothing]: |p, x| x.flip([p.axis]),
    "channels split and merged" [Even]: |p, x| {
        let [batch, channels, height, width] = x.dims();
        let halves = x.reshape([batch, channels / 2, 2, height, width]);
        let halves = halves.sin();
        halves.reshape([batch, channels, height, width])
    },
    "channels shuffled" [Even]: |p, x| {
        let [batch, channels, height, width] = x.dims();
        let halves = x.reshape([batch, channels / 2, 2, height, width]);
        halves.swap_dims(1, 2).reshape([batch, channels, height, width])
    },
    "windows" [Nothing]: |p, x| {
        let [batch, channels, height, width] = x.dims();
        let windows = x.permute([0, 2, 1, 3]).reshape([batch * height, channels, width]);
        let windows = softmax(windows, 2).reshape([batch, height, channels, width]);
        windows.permute([0, 2, 1, 3])
    },
    "pixels merged" [Nothing]: |p, x| {
        let [batch, channels, height, width] = x.dims();
        x.reshape([batch, channels, height * width, 1])
    },
    "narrow" [Nothing]: |p, x| {
        let axis = if p.axis == 0 { 1 } else { axis(p, &x).max(1) };
        let size = x.dims()[axis];
        if size < 3 { x } else { x.narrow(axis, 1, size - 1) }
    },
    "steps" [Nothing]: |p, x| x.slice_dim(pixels(p), burn::tensor::s![..;2]),
    "halves" [Even]: |p, x| {
        let [a, b] = x.chunk(2, 1).try_into().expect("two parts");
        a * burn::tensor::activation::sigmoid(b)
    },
    "select" [Nothing]: |p, x| {
        let axis = pixels(p);
        let last = x.dims()[axis] as i32 - 1;
        let indices = TensorData::from([0, last, last / 2]);
        let indices = Tensor::<1, Int>::from_data(indices, &x.device());
        x.select(axis, indices)
    },
    "select channels" [Nothing]: |p, x| {
        let last = x.dims()[1] as i32 - 1;
        let indices = Tensor::<1, Int>::from_data(TensorData::from([last, 0, 0]), &x.device());
        x.select(1, indices)
    },
    "append" [Nothing]: |p, x| Tensor::cat(vec![x.clone().cos(), x], 1),
    "append along pixels" [Nothing]: |p, x| {
        let axis = pixels(p);
        Tensor::cat(vec![x.clone(), x.exp()], axis)
    },
    "repeat" [Nothing]: |p, x| x.repeat_dim(1 + p.axis % 3, 2),
    "expand" [Nothing]: |p, x| {
        let shape = x.dims();
        x.clone().mean_dim(pixels(p)).expand(shape) - x
    },
    "zeros around" [Nothing]: |p, x| x.pad([(1, 0), (0, 1)], PadMode::Constant(0.0)),
    "a number around" [Nothing]: |p, x| x.pad([(1, 0), (0, 1)], PadMode::Constant(p.number as f32)),
    "edges around" [Nothing]: |p, x| x.pad([(1, 0), (0, 1)], PadMode::Edge),
    "a channel around" [Nothing]: |p, x| {
        x.pad([(0, 1), (0, 0), (0, 0)], PadMode::Constant(0.5))
    },
};
