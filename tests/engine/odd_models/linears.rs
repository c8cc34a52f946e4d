use burn::nn::Linear;
use burn::nn::attention::{MhaInput, MultiHeadAttentionConfig};
use burn::tensor::Tensor;
use burn::tensor::activation::{gelu, relu, softmax};

use super::Cases;
use crate::signals::noise;

#[test]
fn linears_of_every_rank() {
    let mut cases = Cases::default();
    let rows = |batch, seed| noise::<2>([batch, 6], seed);
    let sequences = |batch, seed| noise::<3>([batch, 4, 6], seed);
    let grids = |batch, seed| noise::<4>([batch, 2, 6, 6], seed);
    cases.check("two axes", rows, |net, x| {
        let x = relu(net.plain.forward(x));
        net.linear.forward(x.clone() + net.plain.forward(x))
    });
    cases.check("one axis", rows, |net, x| {
        let x = net.linear.forward(relu(x));
        let first: Tensor<1> = x.clone().mean_dim(0).flatten(0, 1);
        let first = net.linear.forward(net.plain.forward(first));
        x + first.unsqueeze()
    });
    cases.check("three axes", sequences, |net, x| {
        let x = gelu(net.linear.forward(x) * 0.5 + 0.25);
        let y = net.plain.forward(x.clone()) + x.clone();
        let mean = y.clone().mean_dim(1);
        net.linear.forward(y + mean) * 3.0 - x
    });
    cases.check("four axes", grids, |net, x| {
        let x = relu(net.linear.forward(x)) + 1.0;
        let y = net.plain.forward(x.clone()).swap_dims(1, 2);
        net.linear.forward(y.swap_dims(1, 2) * x.clone()) - net.linear.forward(x.swap_dims(2, 3))
    });
    cases.check("products of two signals", sequences, |net, x| {
        let x = net.linear.forward(x);
        let scores = softmax(x.clone().matmul(x.clone().transpose()), 2);
        net.plain.forward(scores.matmul(x))
    });
    cases.check("weights used in other ways", sequences, |net, x| {
        let weight = net.linear.weight.val();
        let turned = weight.clone().transpose();
        let x = net.linear.forward(x).matmul(turned.unsqueeze()) + 0.5;
        x + weight.clone().sum().reshape([1, 1, 1]) + weight.slice(0..1).unsqueeze()
    });
    cases.check("one weight in two shapes", sequences, |net, x| {
        let weight = net.point.weight.val();
        let square = weight.clone().reshape([6, 6]);
        let tall = weight.clone().reshape([9, 4]);
        let wide = weight.reshape([4, 9]);
        let x = relu(x.matmul(square.unsqueeze()));
        let x: Tensor<2> = x.flatten(0, 1);
        let y = relu(x.narrow(1, 0, 4).matmul(wide.clone()));
        let z = relu(y.matmul(tall));
        z.matmul(wide)
    });
    cases.check(
        "a product of a constant by a signal",
        sequences,
        |net, x| {
            let x = net.linear.forward(x);
            let left = net.plain.weight.val().slice([0..3, 0..4]);
            left.unsqueeze::<3>().expand([x.dims()[0], 3, 4]).matmul(x)
        },
    );
    cases.check(
        "signals and rows of the same shape",
        |batch, seed| noise::<3>([batch, 6, 6], seed),
        |net, x| {
            let a = net.line.forward(x.clone());
            let b = net.linear.forward(x);
            let c = relu(a.clone() + b.clone());
            let d = net.line.forward(b.clone()) + a.clone();
            let e = net.linear.forward(a) + b;
            (net.linear.forward(c.clone() + e), net.line.forward(d * c))
        },
    );
    cases.check(
        "a residual whose channels are another axis",
        |batch, seed| noise::<3>([batch, 6, 6], seed),
        |net, x| {
            let a = net.line.forward(x.clone());
            net.linear.forward(relu(a + net.plain.forward(x)))
        },
    );
    cases.check("attention with a mask", sequences, |net, x| {
        let device = x.device();
        let mut attention = MultiHeadAttentionConfig::new(6, 2).init(&device);
        attention.query = Linear::clone(&net.linear);
        attention.key = Linear::clone(&net.plain);
        attention.value = Linear::clone(&net.linear);
        attention.output = Linear::clone(&net.plain);
        let [batch, length, _] = x.dims();
        let mask = burn::nn::attention::generate_autoregressive_mask(batch, length, &device);
        attention
            .forward(MhaInput::self_attn(x).mask_attn(mask))
            .context
    });
}
