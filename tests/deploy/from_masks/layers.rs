//! Layers that the nets of the examples do not have, under random masks.

use burn::nn::EmbeddingConfig;
use burn::nn::conv::{Conv1dConfig, Conv2dConfig, ConvTranspose2dConfig};
use burn::tensor::activation::{
    gelu, hard_sigmoid, hard_swish, leaky_relu, mish, prelu, relu, sigmoid, silu, softplus, tanh,
};
use burn::tensor::module::{avg_pool1d, max_pool1d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::nets::{Counts, check, images, none};
use super::parts::Parts;

fn flat<const D: usize>(
    new: impl Fn() -> Parts,
    shape: [usize; D],
    forward: impl Fn(&Parts, Tensor<D>) -> Tensor<2> + Copy,
) -> Counts {
    check(new, &images(shape, &Device::flex()), forward, none)
}

#[test]
fn a_bank_of_matrices() {
    for experts in [3, 1] {
        let counts = flat(
            || {
                Parts::new()
                    .linear([4, 6])
                    .bank([experts, 6, 5])
                    .linear([5, 3])
            },
            [2, 4],
            |parts, x| {
                let x = relu(parts.linears[0].forward(x)).unsqueeze_dim::<3>(0);
                let x = x.matmul(parts.banks[0].val());
                let x = relu(x).sum_dim(0).squeeze_dim(0);
                parts.linears[1].forward(x)
            },
        );
        assert!(counts.cut > 0);
    }
}

#[test]
fn a_bank_of_matrices_on_the_left() {
    for heads in [2, 1] {
        flat(
            || {
                Parts::new()
                    .linear([4, 6])
                    .bank([heads, 5, 6])
                    .linear([5, 3])
            },
            [2, 3, 4],
            |parts, x| {
                let x = sigmoid(parts.linears[0].forward(x)).swap_dims(1, 2);
                let x = x.unsqueeze_dim::<4>(1);
                let x = parts.banks[0].val().unsqueeze_dim::<4>(0).matmul(x);
                let x = relu(x).sum_dim(1).squeeze_dim::<3>(1).swap_dims(1, 2);
                parts.linears[1].forward(x).mean_dim(1).squeeze_dim(1)
            },
        );
    }
}

#[test]
fn a_matrix_on_the_left_with_what_is_added_to_it() {
    flat(
        || {
            let parts = Parts::new().linear([4, 6]).matrix([5, 6]).vector(5);
            parts.linear([5, 3])
        },
        [2, 3, 4],
        |parts, x| {
            let x = tanh(parts.linears[0].forward(x)).swap_dims(1, 2);
            let x = parts.matrices[0].val().unsqueeze::<3>().matmul(x);
            let x = x + parts.vectors[0]
                .val()
                .unsqueeze_dim::<2>(1)
                .unsqueeze::<3>();
            let x = gelu(x).swap_dims(1, 2);
            parts.linears[1].forward(x).mean_dim(1).squeeze_dim(1)
        },
    );
}

#[test]
fn two_matrices_in_a_row() {
    flat(
        || {
            Parts::new()
                .linear([4, 6])
                .matrix([6, 3])
                .matrix([3, 5])
                .linear([5, 3])
        },
        [2, 4],
        |parts, x| {
            let x = silu(parts.linears[0].forward(x));
            let product = parts.matrices[0].val().matmul(parts.matrices[1].val());
            parts.linears[1].forward(relu(x.matmul(product)))
        },
    );
}

#[test]
fn a_transposed_convolution_in_groups() {
    let counts = flat(
        || {
            let mut parts = Parts::new()
                .convolution([3, 8], 3)
                .norm(8)
                .convolution([6, 4], 1);
            let transposed = ConvTranspose2dConfig::new([8, 6], [3, 3]).with_groups(2);
            let transposed = transposed.with_stride([2, 2]).with_padding([1, 1]);
            parts.transposed.push(transposed.init(&Device::flex()));
            parts.linear([4, 3])
        },
        [2, 3, 5, 5],
        |parts, x| {
            let x = relu(parts.norms[0].forward(parts.convolutions[0].forward(x)));
            let x = leaky_relu(parts.transposed[0].forward(x), 0.1);
            let x = hard_swish(parts.convolutions[1].forward(x));
            parts.linears[0].forward(x.mean_dim(3).mean_dim(2).flatten(1, 3))
        },
    );
    assert!(counts.cut > 0);
}

#[test]
fn convolutions_in_groups_with_strides_and_dilation() {
    flat(
        || {
            let mut parts = Parts::new().convolution([3, 8], 3);
            let grouped = Conv2dConfig::new([8, 12], [2, 2]).with_groups(2);
            let grouped = grouped.with_stride([2, 2]).with_dilation([2, 2]);
            parts.convolutions.push(grouped.init(&Device::flex()));
            parts.convolution([12, 4], 1).norm(12).linear([4 * 9, 3])
        },
        [2, 3, 8, 8],
        |parts, x| {
            let x = softplus(parts.convolutions[0].forward(x), 1.0);
            let x = parts.norms[0].forward(parts.convolutions[1].forward(x));
            let pool = MaxPoolOptions::new([2, 2])
                .with_stride([1, 1])
                .with_padding([1, 1]);
            let x = max_pool2d(mish(x), pool).slice([0..100, 0..12, 0..3, 0..3]);
            let x = hard_sigmoid(parts.convolutions[2].forward(x), 0.2, 0.5);
            parts.linears[0].forward(x.flatten(1, 3))
        },
    );
}

#[test]
fn a_gated_block_with_a_residual_sum() {
    flat(
        || {
            let parts = Parts::new().convolution([3, 8], 3).norm(8);
            let parts = parts.convolution([8, 4], 1).convolution([4, 8], 1);
            let parts = parts.convolution([8, 8], 1).norm(8).map_of(8).map_of(8);
            parts.convolution([16, 6], 1).linear([6, 3])
        },
        [2, 3, 5, 5],
        |parts, x| {
            let [first, squeeze, excite, second, last] =
                [0, 1, 2, 3, 4].map(|number: usize| &parts.convolutions[number]);
            let x = hard_swish(parts.norms[0].forward(first.forward(x)));
            let mean = x.clone().mean_dim(2).mean_dim(3);
            let gate = sigmoid(excite.forward(relu(squeeze.forward(mean))));
            let y = parts.norms[1].forward(second.forward(x.clone() * gate));
            let y = tanh(y) + 1.0;
            let y = y * parts.maps[0].val() + parts.maps[1].val();
            let x = Tensor::cat(vec![x.clone() + y.clone(), (x * 0.3).exp() * y], 1);
            let x = gelu(last.forward(x));
            parts.linears[0].forward(x.mean_dim(3).mean_dim(2).flatten(1, 3))
        },
    );
}

#[test]
fn an_activation_with_a_slope_for_each_channel() {
    flat(
        || {
            let parts = Parts::new().convolution([3, 6], 3).vector(6).vector(1);
            parts.convolution([6, 4], 1).linear([4, 3])
        },
        [2, 3, 4, 4],
        |parts, x| {
            let x = prelu(parts.convolutions[0].forward(x), parts.vectors[0].val());
            let x = prelu(parts.convolutions[1].forward(x), parts.vectors[1].val());
            parts.linears[0].forward(x.mean_dim(3).mean_dim(2).flatten(1, 3))
        },
    );
}

#[test]
fn gated_linear_units() {
    flat(
        || {
            let parts = Parts::new().linear([4, 12]).linear_without_bias([6, 5]);
            parts.norm(5).linear([5, 8]).linear_without_bias([8, 3])
        },
        [2, 4],
        |parts, x| {
            let halves = parts.linears[0].forward(x).chunk(2, 1);
            let x = halves[0].clone() * sigmoid(halves[1].clone());
            let x = parts.norms[0].forward(parts.linears[1].forward(x));
            let x = parts.linears[2].forward(silu(x));
            parts.linears[3].forward(x.clone() * x.clamp(-0.2, 0.3))
        },
    );
}

#[test]
fn parts_with_several_readers() {
    flat(
        || {
            let parts = Parts::new().linear([4, 9]).linear([9, 5]).linear([6, 5]);
            parts.linear([3, 5]).linear([14, 6]).linear([6, 3])
        },
        [2, 4],
        |parts, x| {
            let x = sigmoid(parts.linears[0].forward(x));
            let whole = parts.linears[1].forward(x.clone());
            let front = parts.linears[2].forward(x.clone().slice([0..100, 0..6]));
            let back = parts.linears[3].forward(x.clone().slice([0..100, 6..9]));
            let both = Tensor::cat(vec![relu(whole + front + back), x], 1);
            parts.linears[5].forward(gelu(parts.linears[4].forward(both)))
        },
    );
}

#[test]
fn one_layer_three_times() {
    flat(
        || Parts::new().linear([4, 6]).linear([6, 6]).linear([6, 3]),
        [2, 3, 4],
        |parts, x| {
            let steps = x.chunk(3, 1);
            let first = tanh(parts.linears[0].forward(steps[0].clone()));
            let state = steps[1..].iter().fold(first, |state, step| {
                let new = parts.linears[0].forward(step.clone());
                tanh(new + parts.linears[1].forward(state))
            });
            parts.linears[2].forward(state).squeeze_dim(1)
        },
    );
}

#[test]
fn a_gated_recurrent_cell() {
    flat(
        || Parts::new().linear([4, 12]).linear([6, 12]).linear([6, 3]),
        [2, 3, 4],
        |parts, x| {
            let steps = x.chunk(3, 1);
            let first = parts.linears[0]
                .forward(steps[0].clone())
                .chunk(2, 2)
                .remove(0);
            let state = steps[1..].iter().fold(first, |state, step| {
                let new = parts.linears[0].forward(step.clone());
                let gates = (new + parts.linears[1].forward(state.clone())).chunk(2, 2);
                let forget = sigmoid(gates[0].clone());
                forget.clone() * state + (forget.neg() + 1.0) * tanh(gates[1].clone())
            });
            parts.linears[2].forward(state).squeeze_dim(1)
        },
    );
}

#[test]
fn rows_that_are_pooled_and_flattened() {
    flat(
        || {
            let mut parts = Parts::new()
                .norm(8)
                .linear([6 * 4, 5])
                .norm(5)
                .linear([5, 3]);
            let rows = |sizes: [usize; 2]| Conv1dConfig::new(sizes[0], sizes[1], 3);
            let first = rows([2, 8]).with_dilation(2).init(&Device::flex());
            let second = rows([8, 6])
                .with_stride(2)
                .with_bias(false)
                .init(&Device::flex());
            parts.rows = vec![first, second];
            parts
        },
        [2, 2, 16],
        |parts, x| {
            let x = parts.norms[0].forward(parts.rows[0].forward(x));
            let pool = MaxPoolOptions::new([3]).with_stride([1]).with_padding([1]);
            let x = max_pool1d(gelu(x), pool);
            let x = parts.rows[1].forward(x);
            let pool = AvgPoolOptions::new([2]).with_stride([1]).with_padding([0]);
            let x = avg_pool1d(sigmoid(x), pool);
            let x = parts.norms[1].forward(parts.linears[0].forward(x.flatten(1, 2)));
            parts.linears[1].forward(relu(x))
        },
    );
}

#[test]
fn attention_without_a_softmax() {
    flat(
        || {
            let parts = Parts::new().linear([4, 6]).linear([4, 6]).linear([4, 5]);
            parts.linear([5, 3])
        },
        [2, 3, 4],
        |parts, x| {
            let query = parts.linears[0].forward(x.clone()).exp();
            let key = sigmoid(parts.linears[1].forward(x.clone()));
            let value = parts.linears[2].forward(x);
            let x = query.matmul(key.swap_dims(1, 2)).matmul(value);
            parts.linears[3].forward(relu(x)).mean_dim(1).squeeze_dim(1)
        },
    );
}

#[test]
fn a_table_that_is_read_again_at_the_end() {
    let device = Device::flex();
    let words = |batch: usize| {
        let words = (0..batch * 3).map(|word| (word * 5 % 7) as i64);
        let words = TensorData::new(words.collect::<Vec<_>>(), [batch, 3]);
        Tensor::<2, Int>::from_data(words, &device)
    };
    check(
        || {
            let mut parts = Parts::new().linear([6, 8]).linear([8, 6]).matrix([3, 6]);
            parts.tables.push(EmbeddingConfig::new(7, 6).init(&device));
            parts
        },
        &[words(2), words(3)],
        |parts: &Parts, words| {
            let x = parts.tables[0].forward(words) + parts.matrices[0].val().unsqueeze::<3>();
            let y = relu(parts.linears[0].forward(x.clone()));
            let x = x + parts.linears[1].forward(y);
            let table = parts.tables[0].weight.val().transpose().unsqueeze::<3>();
            x.matmul(table)
        },
        none,
    );
}
