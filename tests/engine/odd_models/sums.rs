use burn::tensor::Tensor;
use burn::tensor::activation::{hard_sigmoid, relu, sigmoid, silu};

use super::Cases;

#[test]
fn sums_and_products_of_every_shape() {
    let mut cases = Cases::default();
    cases.images("itself twice", |net, x| {
        let x = net.first.forward(x);
        net.point.forward(x.clone() + x)
    });
    cases.images("itself subtracted", |net, x| {
        let x = net.first.forward(x);
        net.point.forward(x.clone() - x)
    });
    cases.images("its square", |net, x| {
        let x = net.first.forward(x);
        net.padded.forward(x.clone() * x)
    });
    cases.images("differences", |net, x| {
        let x = net.first.forward(x);
        let y = net.padded.forward(x.clone());
        (
            net.point.forward(x.clone() - y.clone()),
            net.point.forward(y - x),
        )
    });
    cases.images("an activation before and after a sum", |net, x| {
        let x = relu(net.first.forward(x));
        let y = sigmoid(net.padded.forward(x.clone()));
        relu(net.point.forward(silu(x + y)))
    });
    cases.images("a sum of two products and their sum again", |net, x| {
        let x = net.first.forward(x);
        let (a, b) = (net.padded.forward(x.clone()), net.point.forward(x.clone()));
        let sum = a.clone() + b.clone();
        (relu(sum.clone() + x) + a, sum * b)
    });
    cases.images("one number a channel, from a constant", |net, x| {
        let x = net.first.forward(x);
        let scale = net.scale.val().reshape([1, 6, 1, 1]);
        let x = (x.clone() + scale.clone()) * scale.clone() - scale.clone();
        let y = scale.clone() - x.clone();
        net.padded.forward(y / scale + x)
    });
    cases.images("one number a line, from a constant", |net, x| {
        let x = net.first.forward(x);
        net.padded
            .forward(x + net.scale.val().reshape([1, 1, 6, 1]))
    });
    cases.images("one number a channel and image", |net, x| {
        let x = net.first.forward(x);
        let mean = x.clone().mean_dim(3).mean_dim(2);
        let gate = sigmoid(net.point.forward(mean.clone()));
        net.padded.forward(x.clone() * gate.clone() + mean - gate)
    });
    cases.images("one line for all", |net, x| {
        let x = net.first.forward(x);
        let line = x.clone().mean_dim(2);
        let channel = x.clone().mean_dim(1);
        net.padded
            .forward(x.clone() * line.clone() + line + channel.clone() * x - channel)
    });
    cases.images("numbers", |net, x| {
        let x: Tensor<4> = (net.first.forward(x) * 3.0 + 1.5).neg() + 2.0;
        let y = net.padded.forward(-x.clone() / 4.0);
        net.point.forward((y - 0.25) * 0.0 + x)
    });
    cases.images("gates that look like activations", |net, x| {
        let x = net.first.forward(x);
        let y = net.point.forward(x.clone());
        let a = x.clone() * sigmoid(y.clone());
        let b = x.clone() * hard_sigmoid(x.clone(), 0.2, 0.5);
        let c = y.clone() * (x.clone() + 3.0).clamp(0.0, 6.0) / 6.0;
        let d = (x.clone() + 3.0).clamp(0.0, 6.0) / 6.0 * x.clone();
        let e = relu(x.clone()) - relu(y.clone() - 6.0);
        let f = relu(x.clone()) - relu(x.clone() + 6.0);
        let g = relu(x.clone()) - relu(x - 0.5);
        (
            net.padded.forward(a + b + c),
            net.padded.forward(d + e + f + g),
        )
    });
    cases.images("bounds of bounds", |net, x| {
        let x = net.first.forward(x);
        let a = x.clone().clamp(-0.2, 0.1).clamp(0.3, 0.6);
        let b = relu(x.clone()).clamp_max(0.2).clamp_min(0.1);
        let c = relu(x.clamp(-0.5, -0.1)).clamp_max(-0.3);
        net.padded.forward(a + b + c)
    });
}

#[test]
fn norms_anywhere() {
    let mut cases = Cases::default();
    cases.images("before and after everything", |net, x| {
        let x = net.norm.forward(relu(net.first.forward(x)));
        let x = net.norm.forward(net.padded.forward(x.clone()) + x);
        net.norm
            .forward(net.point.forward(net.norm.forward(net.norm.forward(x))))
    });
    cases.images("read by a padded and an unpadded layer", |net, x| {
        let x = net.norm.forward(net.first.forward(x));
        (net.padded.forward(x.clone()), net.inside.forward(x))
    });
    cases.images("a convolution with a norm and without", |net, x| {
        let x = net.first.forward(x);
        let y = net.padded.forward(x);
        (net.norm.forward(y.clone()), relu(y))
    });
    cases.images("the same convolution with two ends", |net, x| {
        let x = net.first.forward(x);
        let x = relu(net.norm.forward(net.padded.forward(x)));
        let x = net.padded.forward(x);
        let scale = net.scale.val().reshape([1, 6, 1, 1]);
        net.padded.forward(x * scale)
    });
    cases.images("on features, behind a Linear", |net, x| {
        let x = net
            .first
            .forward(x)
            .mean_dim(2)
            .mean_dim(3)
            .flatten::<2>(1, 3);
        let x = net.norm.forward(net.linear.forward(x));
        net.plain.forward(relu(net.norm.forward(x)))
    });
    cases.images("on positions of a Linear", |net, x| {
        let [batch, ..] = x.dims();
        let x = net.first.forward(x).reshape([batch, 6, 5, 6]);
        let x = net.norm.forward(net.linear.forward(x));
        let x: Tensor<3> = x.slice([0..batch, 0..6, 0..1, 0..6]).squeeze_dim(2);
        net.linear.forward(net.norm.forward(net.plain.forward(x)))
    });
}
