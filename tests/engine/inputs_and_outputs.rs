//! What an engine takes and returns: tensors of every kind, in the types of the caller.

use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Bool, Device, Int, Tensor};
use burn_prune_engine::SparseEngine;

fn linear(sizes: [usize; 2]) -> Linear {
    LinearConfig::new(sizes[0], sizes[1]).init(&Device::flex())
}

fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    let count: usize = shape.iter().product();
    let values = Tensor::<1, Int>::arange(0..count as i64, &Device::flex()).float();
    (values * 0.7).sin().reshape(shape)
}

fn close<const D: usize>(a: Tensor<D>, b: Tensor<D>) {
    assert_eq!(a.dims(), b.dims());
    let difference = (a - b).abs().max().into_scalar::<f32>();
    assert!(difference <= 1e-5, "{difference}");
}

#[derive(Module, Debug)]
struct Words {
    embedding: Embedding,
    layer: Linear,
}

#[test]
fn ints_and_bools_go_in_and_come_out() {
    let device = Device::flex();
    let model = Words {
        embedding: EmbeddingConfig::new(10, 6).init(&device),
        layer: linear([6, 4]),
    };
    let forward = |model: &Words, (words, keep): (Tensor<2, Int>, Tensor<2, Bool>)| {
        let x = model.layer.forward(model.embedding.forward(words.clone()));
        let [batch, length, size] = x.dims();
        let mask = keep
            .clone()
            .unsqueeze_dim::<3>(2)
            .expand([batch, length, size]);
        let scores = x.mask_fill(mask, -1.0);
        (scores.clone().argmax(2), keep.bool_not(), scores, words + 1)
    };
    let words = |rows: usize| {
        let all = Tensor::<1, Int>::arange(0..(rows * 3) as i64, &device);
        let words = all.remainder_scalar(10).reshape([rows, 3]);
        let keep = words.clone().lower_elem(4);
        (words, keep)
    };
    let engine = SparseEngine::compile(&model, words(2), forward).unwrap();
    for rows in [1, 2, 5] {
        let (best, dropped, scores, next) = engine.run(words(rows)).unwrap();
        let expected = forward(&model, words(rows));
        assert_eq!(best.dtype(), expected.0.dtype());
        assert_eq!(dropped.dtype(), expected.1.dtype());
        best.into_data().assert_eq(&expected.0.into_data(), true);
        dropped.into_data().assert_eq(&expected.1.into_data(), true);
        close(scores, expected.2);
        next.into_data().assert_eq(&expected.3.into_data(), true);
    }
}

#[test]
fn lists_and_tuples_come_back_as_they_were() {
    let model = vec![linear([4, 4]), linear([4, 4]), linear([4, 2])];
    let forward = |model: &Vec<Linear>, (x, others): (Tensor<2>, Vec<Tensor<2>>)| {
        let mut found = Vec::new();
        let mut y = x;
        for (layer, other) in model.iter().zip(others) {
            y = relu(layer.forward(y + other));
            found.push(y.clone());
        }
        (found, (y.clone().sum_dim(1), y))
    };
    let inputs = |rows: usize| {
        let others = (0..3).map(|layer| random([rows, 4]) * layer as f32);
        (random([rows, 4]), others.collect())
    };
    let engine = SparseEngine::compile(&model, inputs(1), forward).unwrap();
    let (found, (sum, last)) = engine.run(inputs(7)).unwrap();
    let (expected, (expected_sum, expected_last)) = forward(&model, inputs(7));
    assert_eq!(found.len(), 3);
    for (found, expected) in found.into_iter().zip(expected) {
        close(found, expected);
    }
    close(sum, expected_sum);
    close(last, expected_last);
}

#[test]
fn an_output_may_come_twice_or_be_an_input_a_parameter_or_a_constant() {
    let device = Device::flex();
    let model = linear([3, 3]);
    let forward = |model: &Linear, x: Tensor<2>| {
        let constant = Tensor::<1>::from_floats([1.0, -2.0], &x.device());
        let y = model.forward(x.clone());
        (vec![y.clone(), x, y], model.weight.val(), constant)
    };
    let x = random([2, 3]);
    let engine = SparseEngine::compile(&model, x.clone(), forward).unwrap();
    for _ in 0..2 {
        let (found, weight, constant) = engine.run(x.clone()).unwrap();
        close(found[0].clone(), model.forward(x.clone()));
        close(found[1].clone(), x.clone());
        close(found[2].clone(), found[0].clone());
        close(weight.clone(), model.weight.val());
        // What the caller does to outputs is not seen by the engine.
        let changed = weight.mul_scalar(0.0).sum() + constant.mul_scalar(3.0).sum();
        assert_eq!(changed.into_scalar::<f32>(), -3.0);
    }
    drop(model);
    let again = engine.run(Tensor::zeros([2, 3], &device)).unwrap();
    assert_eq!(
        again.2.into_data().try_to_vec::<f32>().unwrap(),
        [1.0, -2.0]
    );
}

#[test]
fn inputs_of_any_layout_are_taken_and_left_as_they_are() {
    let model = vec![linear([6, 5]), linear([5, 2])];
    let forward = |model: &Vec<Linear>, x: Tensor<2>| model[1].forward(relu(model[0].forward(x)));
    let engine = SparseEngine::compile(&model, random([1, 6]), forward).unwrap();
    let wide = random([6, 9]);
    let before = wide.clone().into_data();
    let views = [
        wide.clone().swap_dims(0, 1),
        wide.clone().slice([0..6, 2..8]),
        wide.clone().slice([3..4, 1..7]).expand([4, 6]),
        wide.clone().flip([0, 1]).slice([1..5, 3..9]),
    ];
    for view in views {
        close(engine.run(view.clone()).unwrap(), forward(&model, view));
    }
    wide.into_data().assert_eq(&before, true);
}

#[test]
fn inputs_with_automatic_differentiation_are_taken_without_it() {
    let model = linear([4, 2]);
    let forward = |model: &Linear, x: Tensor<2>| model.forward(x);
    let example = Tensor::<2>::ones([1, 4], &Device::flex().autodiff());
    let trained = linear([4, 2]).train();
    let engine = SparseEngine::compile(&trained, example.clone(), forward).unwrap();
    let output = engine.run(example).unwrap();
    assert!(!output.is_autodiff());
    close(
        output,
        forward(&trained.valid(), Tensor::ones([1, 4], &Device::flex())),
    );
    assert_eq!(model.weight.dims(), [4, 2]);
}
