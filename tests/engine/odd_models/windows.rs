use burn::nn::PaddingConfig2d;
use burn::nn::interpolate::{Interpolate2dConfig, InterpolateMode};
use burn::nn::pool::{AdaptiveAvgPool2dConfig, AvgPool2dConfig, MaxPool2dConfig};
use burn::tensor::Tensor;
use burn::tensor::activation::{relu, sigmoid, silu};
use burn::tensor::module::conv2d;
use burn::tensor::ops::{ConvOptions, PadMode};

use super::Cases;

fn zoom(mode: InterpolateMode, size: [usize; 2], x: Tensor<4>) -> Tensor<4> {
    let config = Interpolate2dConfig::new().with_output_size(Some(size));
    config.with_mode(mode).init().forward(x)
}

#[test]
fn pools_and_paddings_of_every_kind() {
    let mut cases = Cases::default();
    cases.images("averages over the border", |net, x| {
        let pool = AvgPool2dConfig::new([3, 3]).with_strides([1, 1]);
        let pool = pool.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
        let x = sigmoid(net.first.forward(x));
        let inside = pool.clone().with_count_include_pad(false).init();
        let x = pool.init().forward(x.clone()) - inside.forward(x);
        net.point.forward(x)
    });
    cases.images("windows that end outside", |net, x| {
        let x = sigmoid(net.first.forward(x));
        let mean = AvgPool2dConfig::new([2, 2])
            .with_strides([2, 2])
            .with_ceil_mode(true);
        let most = MaxPool2dConfig::new([2, 2])
            .with_strides([2, 2])
            .with_ceil_mode(true);
        let most = most.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
        (
            net.point.forward(mean.init().forward(x.clone())),
            net.padded.forward(most.init().forward(-x)),
        )
    });
    cases.images("a dilated pool of negative values", |net, x| {
        let x = net.first.forward(x) - 10.0;
        let pool = MaxPool2dConfig::new([2, 3])
            .with_strides([1, 1])
            .with_dilation([2, 1]);
        let pool = pool
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
            .init();
        net.padded.forward(pool.forward(x))
    });
    cases.images("adaptive", |net, x| {
        let x = relu(net.first.forward(x));
        let pool = |size, x| AdaptiveAvgPool2dConfig::new(size).init().forward(x);
        let a = pool([4, 3], x.clone()) + pool([4, 3], x.clone());
        let b = pool([6, 5], x.clone()) * pool([1, 1], x.clone());
        let c = pool([2, 5], x);
        (
            (net.point.forward(a), net.point.forward(b)),
            net.padded.forward(c),
        )
    });
    cases.images("means over some axes", |net, x| {
        let x = net.first.forward(x);
        let a = net.point.forward(x.clone().mean_dim(2));
        let b = net.point.forward(x.clone().mean_dim(3));
        let c = x.clone().mean_dim(1).mean_dim(2);
        let d = x.clone().mean_dims(&[2, 3]);
        let e = x.clone().mean_dim(2);
        let f = e.clone().mean_dim(3);
        ((net.point.forward(a + d), b + c), net.point.forward(f) + e)
    });
    cases.images("padded with numbers", |net, x| {
        let x = relu(net.first.forward(x));
        let a = x.clone().pad([(1, 0), (2, 1)], PadMode::Constant(0.0));
        let b = x.clone().pad([(1, 0), (2, 1)], PadMode::Constant(1.0));
        let c = x.clone().pad([(2, 1), (1, 0)], PadMode::Reflect);
        let d = x.pad([(1, 2), (0, 0), (0, 1)], PadMode::Constant(0.0));
        let pool = |x| {
            AvgPool2dConfig::new([2, 2])
                .with_strides([1, 1])
                .init()
                .forward(x)
        };
        let most = |x| {
            MaxPool2dConfig::new([2, 2])
                .with_strides([1, 1])
                .init()
                .forward(x)
        };
        let all = net.padded.forward(a.clone()) + net.padded.forward(b.clone());
        (
            (all + a.clone(), net.inside.forward(c)),
            (pool(a.clone()) + pool(b) + most(a), d),
        )
    });
    cases.images("zoomed", |net, x| {
        let x = net.first.forward(x);
        let a = zoom(InterpolateMode::Nearest, [9, 7], x.clone());
        let b = zoom(InterpolateMode::Linear, [12, 10], x.clone());
        let c = zoom(InterpolateMode::Nearest, [12, 10], x.clone());
        let d = zoom(InterpolateMode::Nearest, [3, 5], x);
        (
            (net.padded.forward(a), net.padded.forward(b + c.clone())),
            (net.strided.forward(c), net.point.forward(d)),
        )
    });
    cases.images("one image for two strides", |net, x| {
        let x = net.first.forward(x);
        let a = net.strided.forward(x.clone());
        let b = net.strided.forward(net.padded.forward(x.clone()));
        (a + b, net.inside.forward(x))
    });
    cases.images("constants before borders", |net, x| {
        let x = sigmoid(net.norm.forward(net.first.forward(x)));
        let a = net.after.forward(silu(net.depthwise.forward(x.clone())));
        let y = net.depthwise.forward(sigmoid(net.point.forward(x.clone())));
        (net.padded.forward(a.clone()), net.after.forward(y) * a)
    });
    cases.images("constants in sums, products, pools and slices", |net, x| {
        let x = sigmoid(net.first.forward(x));
        let y = net.padded.forward(x.clone());
        let pool = MaxPool2dConfig::new([3, 3]).with_strides([1, 1]);
        let pool = pool
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
            .init();
        let z =
            pool.forward(x.clone() * y.clone()) + zoom(InterpolateMode::Nearest, [6, 5], y.clone());
        let part = z.clone().narrow(1, 2, 3);
        let all = Tensor::cat(vec![part, y.clone().narrow(1, 0, 3), relu(z.clone())], 1);
        let all = Tensor::cat(
            vec![
                all,
                x.narrow(1, 3, 3)
                    .mean_dim(2)
                    .mean_dim(3)
                    .expand([z.dims()[0], 3, 6, 5]),
            ],
            1,
        );
        net.after.forward(all.narrow(1, 0, 12))
    });
}

#[test]
fn one_weight_in_several_convolutions() {
    let mut cases = Cases::default();
    cases.images("with other groups and kernels", |net, x| {
        let weight = net.depthwise.weight.val();
        let around = |groups| ConvOptions::new([1, 1], [1, 1], [1, 1], groups);
        let x = relu(net.first.forward(x));
        let one = conv2d(x.clone().narrow(1, 0, 1), weight.clone(), None, around(1));
        let each = conv2d(x.clone(), weight.clone(), None, around(6));
        let apart = conv2d(
            x.clone(),
            weight.clone(),
            None,
            ConvOptions::new([2, 1], [0, 2], [1, 2], 6),
        );
        let wide = weight.clone().reshape([12, 1, 1, 9]);
        let lines = ConvOptions::new([1, 1], [0, 4], [1, 1], 6);
        let lines = conv2d(x.clone(), wide, None, lines);
        let threes = weight.clone().reshape([12, 3, 3, 1]);
        let columns = ConvOptions::new([1, 1], [1, 0], [1, 1], 2);
        let columns = conv2d(x, threes, None, columns);
        (
            (net.after.forward(one + each), apart),
            relu(lines + columns),
        )
    });
}
