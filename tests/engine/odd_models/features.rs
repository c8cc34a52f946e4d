use burn::nn::PaddingConfig1d;
use burn::nn::pool::{AdaptiveAvgPool1dConfig, AvgPool1dConfig, MaxPool1dConfig};
use burn::tensor::activation::{gelu, glu, relu, sigmoid};
use burn::tensor::{Tensor, s};

use super::Cases;
use crate::signals::noise;

#[test]
fn features_of_sequences_and_rows() {
    let mut cases = Cases::default();
    let rows = |batch, seed| noise::<2>([batch, 6], seed);
    let sequences = |batch, seed| noise::<3>([batch, 7, 6], seed);
    cases.check("heads", sequences, |net, x| {
        let [batch, length, _] = x.dims();
        let heads = |x: Tensor<3>| x.reshape([batch, length, 2, 3]).swap_dims(1, 2);
        let (q, k) = (
            heads(net.linear.forward(x.clone())),
            heads(net.plain.forward(x.clone())),
        );
        let v = heads(net.linear.forward(x.clone()));
        let y = q
            .matmul(k.transpose())
            .matmul(v)
            .swap_dims(1, 2)
            .reshape([batch, length, 6]);
        net.plain.forward(relu(net.linear.forward(y) + x))
    });
    cases.check("parts of features", sequences, |net, x| {
        let x = sigmoid(net.linear.forward(x));
        let a = x.clone().slice(s![.., .., 0..2]);
        let b = x.clone().slice(s![.., 1..4, ..]);
        let c = Tensor::cat(vec![a.clone(), x.clone().narrow(2, 2, 4)], 2);
        let d = Tensor::cat(vec![b.clone(), net.plain.forward(b)], 1);
        (glu(net.linear.forward(c), 2), (net.linear.forward(d), a))
    });
    cases.check("rows that become sequences and images", rows, |net, x| {
        let [batch, _] = x.dims();
        let x = sigmoid(net.linear.forward(x));
        let y: Tensor<3> = net.plain.forward(x.clone()).unsqueeze_dim(1);
        let y: Tensor<2> = relu(net.linear.forward(y)).squeeze_dim(1);
        let z = net.padded.forward(x.clone().reshape([batch, 6, 1, 1]));
        let z: Tensor<2> = relu(z).flatten(1, 3);
        let w: Tensor<3> = net.plain.forward(z.clone() + y).reshape([batch, 6, 1]);
        net.line.forward(w).reshape([batch, 6]) + net.linear.forward(z) * x
    });
    cases.check("gates and parts of rows", rows, |net, x| {
        let x = gelu(net.linear.forward(x));
        let y = sigmoid(net.linear.forward(x.clone()));
        let gated = x.clone() * y.clone() + x.clone();
        let all = Tensor::cat(
            vec![
                gated.clone().narrow(1, 0, 2),
                y.narrow(1, 1, 4),
                gated.narrow(1, 3, 3),
            ],
            1,
        );
        net.plain.forward(relu(all.clone().narrow(1, 2, 6)))
            - net.plain.forward(all.narrow(1, 0, 6))
            + x
    });
    cases.check(
        "pools of signals",
        |batch, seed| noise::<3>([batch, 6, 11], seed),
        |net, x| {
            let x = sigmoid(net.line.forward(x));
            let around = PaddingConfig1d::Explicit(1, 1);
            let mean = AvgPool1dConfig::new(3)
                .with_stride(2)
                .with_padding(around.clone());
            let inside = mean.clone().with_count_include_pad(false).init();
            let most = MaxPool1dConfig::new(3)
                .with_stride(1)
                .with_dilation(2)
                .with_padding(around)
                .init();
            let a = net
                .line
                .forward(mean.init().forward(x.clone()) + inside.forward(x.clone()));
            let b = net.line.forward(most.forward(net.norm.forward(x.clone())));
            let c = AdaptiveAvgPool1dConfig::new(1)
                .init()
                .forward(net.line.forward(x.clone()));
            let c: Tensor<2> = net.linear.forward(c.flatten(1, 2));
            let gate = sigmoid(
                net.linear
                    .forward(x.clone().mean_dim(2).squeeze_dim::<2>(2)),
            );
            let d = net.line.forward(x * gate.unsqueeze_dim::<3>(2));
            ((a, b), (c, d))
        },
    );
    cases.check("signals and rows by turns", sequences, |net, x| {
        let x = relu(net.linear.forward(x));
        let y = net.line.forward(x.clone().swap_dims(1, 2));
        let y = net.norm.forward(relu(y)).swap_dims(1, 2) + x.clone();
        let z = net.linear.forward(y.clone()) * sigmoid(net.plain.forward(y));
        (
            net.plain.forward(z.clone()).mean_dim(1).squeeze_dim::<2>(1),
            z * 0.5 + x,
        )
    });
}
