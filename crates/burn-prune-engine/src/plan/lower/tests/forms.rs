use std::sync::Arc;

use burn::nn::attention::{MhaInput, MultiHeadAttention, MultiHeadAttentionConfig};
use burn::nn::conv::{Conv1dConfig, ConvTranspose2dConfig};
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig, LinearLayout};
use burn::tensor::activation::{gelu, relu};
use burn::tensor::{Int, Tensor, TensorData};

use super::{device, kinds, lowered, product, random, try_lowered};
use crate::plan::program::{NodeKind, Size};

#[test]
fn a_linear_is_one_node_in_every_form() {
    let model = LinearConfig::new(5, 4).init(&device());
    let program = lowered(&model, [2, 5], |model: &Linear, x: Tensor<2>| {
        model.forward(x)
    });
    assert_eq!(kinds(&program), ["product"]);
    // Few rows and many are captured in different ways.
    for length in [1, 2, 3, 7, 33] {
        let program = lowered(&model, [1, length, 5], |model: &Linear, x: Tensor<3>| {
            relu(model.forward(x))
        });
        assert_eq!(kinds(&program), ["product"]);
        let shape = &program.values[program.outputs[0].0].shape;
        assert_eq!(
            *shape,
            [Size::Batch(1), Size::Fixed(length), Size::Fixed(4)]
        );
        let program = lowered(&model, [1, 2, length, 5], |model: &Linear, x: Tensor<4>| {
            model.forward(x)
        });
        assert_eq!(kinds(&program), ["product"]);
    }
    let column = LinearConfig::new(5, 4).with_layout(LinearLayout::Col);
    let program = lowered(
        &column.init(&device()),
        [2, 5],
        |model: &Linear, x: Tensor<2>| model.forward(x),
    );
    assert_eq!(kinds(&program), ["product"]);
}

#[test]
fn a_weight_is_followed_to_what_it_is_computed_from() {
    let model = LinearConfig::new(5, 5).with_bias(false).init(&device());
    let program = lowered(&model, [2, 5], |model: &Linear, x: Tensor<2>| {
        let weight = model.weight.val();
        let half = Tensor::<1>::from_floats([0.5], &x.device()).unsqueeze();
        x.matmul(weight.swap_dims(0, 1) * half)
    });
    assert_eq!(kinds(&program), ["product"]);
    assert_eq!(program.nodes[0].name, "weight");
}

#[test]
fn a_layer_that_is_used_twice_has_one_weight() {
    let model = LinearConfig::new(5, 5).init(&device());
    let program = lowered(&model, [2, 5], |model: &Linear, x: Tensor<2>| {
        model.forward(relu(model.forward(x)))
    });
    let weights = [0, 1].map(|at| &product(&program, at).weight);
    assert!(Arc::ptr_eq(weights[0], weights[1]));
}

#[test]
fn a_convolution_of_signals_is_ours() {
    let model = Conv1dConfig::new(3, 4, 3).with_stride(2).init(&device());
    let program = lowered(&model, [1, 3, 9], |model: &burn::nn::conv::Conv1d, x| {
        relu(model.forward(x))
    });
    assert_eq!(kinds(&program), ["product"]);
}

#[test]
fn attention_runs_in_burn_and_its_linears_are_ours() {
    let model = MultiHeadAttentionConfig::new(8, 2)
        .with_dropout(0.0)
        .init(&device());
    let forward = |model: &MultiHeadAttention, x: Tensor<3>| {
        gelu(model.forward(MhaInput::self_attn(x)).context)
    };
    let program = try_lowered(&model, random([1, 3, 8]), forward).unwrap();
    assert!(program.batches.other.is_ok(), "{:?}", program.batches);
    let count = |name: &str| kinds(&program).iter().filter(|kind| **kind == name).count();
    assert_eq!(count("product"), 4);
    // The scaling of the scores is between products of Burn.
    assert_eq!(count("affine"), 0);
    assert_eq!(count("activation"), 0);
    for node in &program.nodes {
        if let NodeKind::Burn { other, .. } = &node.kind {
            assert!(other.is_some(), "{}", node.name);
        }
    }
}

#[test]
fn a_transposed_convolution_runs_in_burn() {
    let model = ConvTranspose2dConfig::new([3, 2], [2, 2]).init(&device());
    let forward = |model: &burn::nn::conv::ConvTranspose2d, x: Tensor<4>| relu(model.forward(x));
    let program = try_lowered(&model, random([1, 3, 4, 4]), forward).unwrap();
    assert_eq!(kinds(&program), ["burn", "burn"]);
}

#[test]
fn what_only_constants_make_is_computed_once() {
    let model = (
        EmbeddingConfig::new(6, 4).init(&device()),
        LinearConfig::new(4, 4).init(&device()),
    );
    let forward = |model: &(Embedding, Linear), x: Tensor<3>| {
        let positions = Tensor::<2, Int>::from_data(TensorData::from([[0, 2, 1]]), &x.device());
        model.1.forward(x + model.0.forward(positions))
    };
    let program = try_lowered(&model, random([1, 3, 4]), forward).unwrap();
    // Only the sum with what was looked up.
    assert_eq!(kinds(&program), ["burn", "product"]);
    let constants = program
        .values
        .iter()
        .filter(|value| value.constant.is_some());
    assert_eq!(constants.count(), 1);
}

#[test]
fn sizes_that_do_not_follow_the_batch_are_fixed() {
    let model = LinearConfig::new(4, 4).init(&device());
    let forward = |model: &Linear, x: Tensor<2>| {
        let first = Tensor::<2>::ones([1, 4], &x.device());
        model.forward(Tensor::cat(vec![first, x], 0))
    };
    let program = try_lowered(&model, random([2, 4]), forward).unwrap();
    assert!(program.batches.other.is_err());
    let shape = &program.values[program.outputs[0].0].shape;
    assert_eq!(*shape, [Size::Fixed(3), Size::Fixed(4)]);
}

#[test]
fn what_nobody_reads_is_left_out() {
    let model = LinearConfig::new(4, 4).init(&device());
    let program = lowered(&model, [2, 4], |model: &Linear, x: Tensor<2>| {
        let y = relu(model.forward(x));
        let _unused = model.forward(y.clone());
        y
    });
    assert_eq!(kinds(&program), ["product"]);
}
