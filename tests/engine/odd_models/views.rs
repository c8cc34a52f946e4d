use burn::tensor::activation::relu;
use burn::tensor::{Tensor, s};

use super::Cases;

#[test]
fn views_of_every_kind() {
    let mut cases = Cases::default();
    cases.images("channels mixed with space", |net, x| {
        let [batch, ..] = x.dims();
        let x = net
            .first
            .forward(x)
            .reshape([batch, 5, 6, 6])
            .swap_dims(1, 3);
        net.padded
            .forward(net.padded.forward(x).reshape([batch, 6, 2, 15]))
    });
    cases.images("as many channels of another kind", |net, x| {
        let [batch, ..] = x.dims();
        let x = net.first.forward(x).reshape([batch, 6, 5, 6]);
        net.linear.forward(relu(net.plain.forward(x)))
    });
    cases.images("channels last", |net, x| {
        let x = net.first.forward(x).permute([0, 2, 3, 1]);
        let x = relu(net.linear.forward(x)).permute([0, 3, 1, 2]);
        net.padded.forward(x)
    });
    cases.images("axes flattened", |net, x| {
        let x = net.first.forward(x);
        let a: Tensor<3> = x.clone().flatten(2, 3);
        let b: Tensor<3> = x.clone().flatten(1, 2);
        let c: Tensor<2> = x.clone().flatten(0, 2);
        let d: Tensor<1> = net.padded.forward(x).flatten(0, 3);
        ((net.line.forward(a), relu(b)), (c, relu(d)))
    });
    cases.images("the batch merged with channels and back", |net, x| {
        let [batch, ..] = x.dims();
        let x = net.first.forward(x);
        let x = x.reshape([batch * 6, 30]).reshape([batch, 6, 6, 5]);
        let y = net
            .point
            .forward(x.clone())
            .reshape([batch * 6, 6, 5])
            .reshape([batch, 6, 6, 5]);
        net.padded.forward(x + y)
    });
    cases.images("images as positions", |net, x| {
        let [batch, ..] = x.dims();
        let x = net
            .first
            .forward(x)
            .swap_dims(2, 3)
            .reshape([batch * 30, 6]);
        let x = net.linear.forward(x).reshape([batch, 6, 5, 6]);
        net.padded.forward(x)
    });
    cases.images(
        "a reshape to the same shape, read beside the original",
        |net, x| {
            let x = net.first.forward(x);
            let dims = x.dims();
            let same = x
                .clone()
                .slice(s![.., 0..6, .., ..])
                .reshape([dims[0], 180])
                .reshape(dims);
            let power = x.clone().matmul(same.clone().swap_dims(2, 3));
            let other = x.clone().atan2(same);
            (power, net.padded.forward(x + other))
        },
    );
    cases.images("slices", |net, x| {
        let x = net.first.forward(x);
        let a = x.clone().slice(s![.., 0..6;2, .., ..]);
        let b = x.clone().slice(s![.., 0..6;-1, .., ..]);
        let c = x.clone().slice(s![.., .., 1..5, 0..4]);
        let d = x.clone().slice(s![.., 3.., .., ..]);
        let e = net.point.forward(net.inside.forward(c));
        let all = Tensor::cat(vec![a, d], 1);
        (net.padded.forward(all + b), e)
    });
    cases.images("slices of slices", |net, x| {
        let x = net.first.forward(x);
        let a = x
            .clone()
            .slice(s![.., 1..6, .., ..])
            .slice(s![.., 1..4, .., ..]);
        let b = a.clone().slice(s![.., 0..1, .., ..]);
        let all = Tensor::cat(vec![b.clone(), relu(a.clone()), b, a.narrow(1, 2, 1)], 1);
        net.padded.forward(all)
    });
    cases.images("concatenated with itself", |net, x| {
        let x = relu(net.first.forward(x));
        let twice = Tensor::cat(vec![x.clone(), x.clone()], 1);
        net.after.forward(twice) + x
    });
    cases.images("concatenated twice", |net, x| {
        let x = relu(net.first.forward(x));
        let y = net.padded.forward(x.clone());
        let a = net
            .after
            .forward(Tensor::cat(vec![x.clone(), y.clone()], 1));
        let b = net
            .after
            .forward(Tensor::cat(vec![y.clone(), x.clone()], 1));
        let c = Tensor::cat(vec![Tensor::cat(vec![x, y.clone()], 1), y], 1);
        (a + b, c)
    });
    cases.images("concatenated along other axes", |net, x| {
        let x = net.first.forward(x);
        let y = net.padded.forward(x.clone());
        let high = Tensor::cat(vec![x.clone(), y.clone()], 2);
        let wide = Tensor::cat(vec![y.clone(), x.clone()], 3);
        let more = Tensor::cat(vec![x, y], 0);
        (
            (net.padded.forward(high), net.point.forward(wide)),
            net.padded.forward(more),
        )
    });
    cases.images("concatenated with the input and a constant", |net, x| {
        let [batch, ..] = x.dims();
        let y = net.first.forward(x.clone());
        let ones = Tensor::<4>::ones([1, 3, 6, 5], &x.device()).repeat_dim(0, batch);
        net.after.forward(Tensor::cat(vec![x, y, ones], 1))
    });
    cases.images("features concatenated and cut", |net, x| {
        let x: Tensor<2> = net.first.forward(x).mean_dim(2).mean_dim(3).flatten(1, 3);
        let y = net.linear.forward(x.clone());
        let all = Tensor::cat(vec![y.clone(), x.clone(), y], 1);
        let part = all.clone().slice(s![.., 3..9]);
        (net.plain.forward(part), all)
    });
    cases.images("signals concatenated with rows", |net, x| {
        let x: Tensor<3> = net.first.forward(x).flatten(2, 3);
        let a = net.line.forward(x);
        let b = net.line.forward(a.clone().slice(s![.., .., 0..6]));
        let c = net.linear.forward(b.clone());
        let all = Tensor::cat(vec![b.clone(), c.clone()], 1);
        ((b + c, all.clone()), net.linear.forward(all))
    });
    cases.images("squeezed and unsqueezed", |net, x| {
        let x = net.first.forward(x).mean_dim(3);
        let x: Tensor<3> = x.squeeze_dim(3);
        let x = net.line.forward(x).unsqueeze_dim::<4>(2);
        let x: Tensor<4> = net.point.forward(x).unsqueeze_dim::<5>(0).squeeze_dim(0);
        net.padded.forward(x)
    });
    cases.images("turned", |net, x| {
        let x = net.first.forward(x);
        let x = x.clone().flip([2]) + x.flip([1]).roll_dim(1, 3);
        net.padded.forward(x.clone().swap_dims(2, 3)) + x.permute([0, 1, 3, 2])
    });
}
