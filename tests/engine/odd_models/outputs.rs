use burn::tensor::Tensor;
use burn::tensor::activation::{relu, sigmoid};

use super::Cases;

#[test]
fn outputs_of_every_kind() {
    let mut cases = Cases::default();
    cases.images("read inside too", |net, x| {
        let x = relu(net.first.forward(x));
        let y = net.padded.forward(x.clone());
        let z = relu(y.clone());
        ((x.clone(), y), (net.point.forward(z.clone()) + x, z))
    });
    cases.images("twice, and in another shape", |net, x| {
        let y = net.first.forward(x.clone());
        let flat: Tensor<2> = y.clone().flatten(1, 3);
        ((y.clone(), y), (flat, x))
    });
    cases.images("a part and the whole", |net, x| {
        let y = sigmoid(net.first.forward(x.clone()));
        let part = y.clone().narrow(1, 2, 3);
        let whole = Tensor::cat(vec![part.clone(), x], 1);
        ((part, whole.clone()), net.padded.forward(whole))
    });
    cases.images("nothing of the input", |net, x| {
        let y = net.first.forward(x.clone());
        (net.linear.weight.val() * 2.0, y * 0.0 + 1.0)
    });
    cases.images("a mean of all, and a number", |net, x| {
        let y = net.padded.forward(net.first.forward(x));
        (y.clone().mean(), net.point.forward(y).max_dim(1))
    });
    cases.images("the batch as a number", |net, x| {
        let batch = x.dims()[0] as f32;
        let y = net.first.forward(x) / batch;
        let y = net.padded.forward(y * batch);
        y.clone() - y.mean_dim(0)
    });
    cases.images("means over the batch", |net, x| {
        let y = net.padded.forward(net.first.forward(x));
        y.clone() - y.mean_dim(0)
    });
    cases.images("no layer at all", |_, x| (x.clone() + 1.0, relu(x)));
}
