//! What a program computes, one value at a time.

use crate::kernel::ResidualPlace;
use crate::plan::program::{Node, NodeKind, Product, Program, ValueId};
use crate::run::sizes::Sizes;
use crate::window::{Pool, PoolKind, Window};

/// The outputs for these inputs, both in row order.
pub(crate) fn run(program: &Program, batch: usize, inputs: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let sizes = Sizes::new(program, batch);
    let mut values: Vec<Vec<f32>> = vec![Vec::new(); program.values.len()];
    for (at, value) in program.values.iter().enumerate() {
        if let Some(constant) = &value.constant {
            values[at] = constant.as_slice::<f32>().unwrap().to_vec();
        }
    }
    for (input, data) in program.inputs.iter().zip(inputs) {
        values[input.0] = data.clone();
    }
    for node in &program.nodes {
        let output = node.outputs[0];
        let read = |at: usize| &values[node.inputs[at].0][..];
        values[output.0] = compute(node, &sizes, &read);
    }
    program
        .outputs
        .iter()
        .map(|output| values[output.0].clone())
        .collect()
}

fn compute<'a>(node: &Node, sizes: &Sizes, read: &dyn Fn(usize) -> &'a [f32]) -> Vec<f32> {
    let output = node.outputs[0];
    let [images, channels, height, width] = sizes.image(output);
    let from = sizes.image(node.inputs[0]);
    let plane = height * width;
    let at = |size: [usize; 4], n: usize, c: usize, y: usize, x: usize| {
        ((n * size[1] + c) * size[2] + y) * size[3] + x
    };
    let each = |value: &dyn Fn(usize, usize, usize, usize) -> f32| -> Vec<f32> {
        (0..images * channels * plane)
            .map(|i| {
                let (n, c) = (i / plane / channels, i / plane % channels);
                value(n, c, i % plane / width, i % width)
            })
            .collect()
    };
    match &node.kind {
        NodeKind::Product(product) => multiply(product, node, sizes, read),
        NodeKind::Pool(window) => each(&|n, c, y, x| {
            let value = |y: usize, x: usize| read(0)[at(from, n, c, y, x)];
            pooled(window, [from[2], from[3]], y, x, &value)
        }),
        NodeKind::GlobalAverage => each(&|n, c, _, _| {
            let first = at(from, n, c, 0, 0);
            let values = &read(0)[first..first + from[2] * from[3]];
            (values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64) as f32
        }),
        NodeKind::Upsample { factors } => {
            each(&|n, c, y, x| read(0)[at(from, n, c, y / factors[0], x / factors[1])])
        }
        NodeKind::Concatenate => each(&|n, c, y, x| {
            let mut channel = c;
            let mut input = 0;
            loop {
                let size = sizes.image(node.inputs[input]);
                if channel < size[1] {
                    return read(input)[at(size, n, channel, y, x)];
                }
                channel -= size[1];
                input += 1;
            }
        }),
        NodeKind::Channels { first, .. } => {
            each(&|n, c, y, x| read(0)[at(from, n, c + first, y, x)])
        }
        NodeKind::Reshape => read(0).to_vec(),
        NodeKind::Activation(activation) => read(0).iter().map(|&v| activation.apply(v)).collect(),
        NodeKind::Sum { activation } => {
            let sums = read(0).iter().zip(read(1));
            sums.map(|(a, b)| activation.apply(a + b)).collect()
        }
        NodeKind::Multiply => {
            let second = sizes.image(node.inputs[1]);
            each(&|n, c, y, x| {
                let factor = if second == from {
                    at(from, n, c, y, x)
                } else {
                    at(second, n, c, 0, 0)
                };
                read(0)[at(from, n, c, y, x)] * read(1)[factor]
            })
        }
        NodeKind::Affine {
            scale,
            shift,
            activation,
        } => each(&|n, c, y, x| {
            activation.apply(read(0)[at(from, n, c, y, x)] * scale[c] + shift[c])
        }),
        NodeKind::Burn { .. } => unreachable!("these tests have no nodes of Burn"),
    }
}

fn multiply<'a>(
    product: &Product,
    node: &Node,
    sizes: &Sizes,
    read: &dyn Fn(usize) -> &'a [f32],
) -> Vec<f32> {
    let input = read(0);
    let count: usize = sizes.shape(node.outputs[0]).iter().product();
    let finish = |at: usize, row: usize, sum: f64| {
        let sum = sum as f32 + product.bias[row];
        match product.residual {
            None => product.activation.apply(sum),
            Some(ResidualPlace::Inside) => product.activation.apply(sum + read(1)[at]),
            Some(ResidualPlace::Outside) => product.activation.apply(sum) + read(1)[at],
        }
    };
    let weight = &product.weight;
    let Some(window) = product.window else {
        return (0..count)
            .map(|at| {
                let (position, row) = (at / weight.rows, at % weight.rows);
                let x = &input[position * weight.columns..][..weight.columns];
                let w = &weight.values[row * weight.columns..][..weight.columns];
                let sum = x.iter().zip(w).map(|(&x, &w)| f64::from(x) * f64::from(w));
                finish(at, row, sum.sum())
            })
            .collect();
    };
    let [_, rows, height, width] = sizes.image(node.outputs[0]);
    let [_, channels, in_height, in_width] = sizes.image(node.inputs[0]);
    (0..count)
        .map(|at| {
            let (n, row) = (at / (rows * height * width), at / (height * width) % rows);
            let (y, x) = (at / width % height, at % width);
            let group_channels = channels / window.groups;
            let first = row / (rows / window.groups) * group_channels;
            let mut sum = 0.0;
            for c in 0..group_channels {
                let plane = &input[(n * channels + first + c) * in_height * in_width..];
                for tap in 0..window.kernel[0] * window.kernel[1] {
                    let w = weight.values
                        [row * weight.columns + c * window.kernel[0] * window.kernel[1] + tap];
                    let place = [tap / window.kernel[1], tap % window.kernel[1]];
                    if let Some([y, x]) = reached(&window, [y, x], place, [in_height, in_width]) {
                        sum += f64::from(w) * f64::from(plane[y * in_width + x]);
                    }
                }
            }
            finish(at, row, sum)
        })
        .collect()
}

fn reached(
    window: &Window,
    output: [usize; 2],
    tap: [usize; 2],
    size: [usize; 2],
) -> Option<[usize; 2]> {
    let mut place = [0, 0];
    for axis in [0, 1] {
        let at = output[axis] * window.stride[axis] + tap[axis] * window.dilation[axis];
        let at = at.checked_sub(window.padding[axis].0)?;
        if at >= size[axis] {
            return None;
        }
        place[axis] = at;
    }
    Some(place)
}

fn pooled(
    pool: &Pool,
    size: [usize; 2],
    y: usize,
    x: usize,
    value: &dyn Fn(usize, usize) -> f32,
) -> f32 {
    let window = Window {
        kernel: pool.kernel,
        stride: pool.stride,
        padding: pool.padding,
        dilation: pool.dilation,
        groups: 1,
    };
    let mut inside = Vec::new();
    for tap in 0..pool.kernel[0] * pool.kernel[1] {
        let place = [tap / pool.kernel[1], tap % pool.kernel[1]];
        if let Some([y, x]) = reached(&window, [y, x], place, size) {
            inside.push(value(y, x));
        }
    }
    let sum: f64 = inside.iter().map(|&v| f64::from(v)).sum();
    match pool.kind {
        PoolKind::Maximum => inside.iter().copied().fold(f32::NEG_INFINITY, f32::max),
        PoolKind::Mean => (sum / (pool.kernel[0] * pool.kernel[1]) as f64) as f32,
        PoolKind::MeanInside => (sum / inside.len() as f64) as f32,
    }
}

/// The values of one tensor of a program at a batch size.
pub(super) fn count(program: &Program, value: ValueId, batch: usize) -> usize {
    Sizes::new(program, batch).shape(value).iter().product()
}
