//! The sizes of the example: what is found and cut depends neither on its batch nor on its length.

use burn::module::Module;
use burn::nn::transformer::TransformerEncoderConfig;
use burn::nn::{EmbeddingConfig, Gru, GruConfig, LinearConfig, Lstm, LstmConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_prune::{Magnitude, Prunable, Pruner};
use burn_prune_deploy::{AxisSize, Graph, GraphTensors};
use examples_shared::nets::convolutional::{LeNet5, Mlp, Vgg11};
use examples_shared::nets::others::{Attention, DenseNet, Grouped, Transformer, UNet, Yolo};
use examples_shared::nets::residual::{MobileNetV2, ResNet18};
use proptest::prelude::*;

use crate::common::{cases, select};
use crate::random::{Outputs, assert_close, example, randomised};
use crate::size_nets::{ConvNext, Heads, Perceiver, Rotary, Swin, WithClass};

/// The groups of a model as text, and what is frozen.
fn groups<M: Module, I: GraphTensors, O: GraphTensors>(
    model: &M,
    input: I,
    forward: impl Fn(&M, I) -> O,
) -> String {
    let graph = Graph::capture(model, input, forward).unwrap();
    let groups = graph.groups().unwrap();
    let frozen = groups.frozen().iter();
    // Reasons have numbers of operations, and Burn makes others of them for other sizes.
    let frozen: Vec<_> = frozen
        .map(|frozen| (&frozen.parameter, frozen.axis, frozen.entries))
        .collect();
    format!("{:?} {frozen:?}", groups.groups())
}

/// The law, on an example of any sizes.
fn halve<M: Module, I: GraphTensors, O: GraphTensors + Outputs>(
    model: &M,
    input: I,
    forward: impl Fn(&M, I) -> O + Copy,
) {
    let graph = Graph::capture(model, input.clone(), forward).unwrap();
    let groups = graph.groups().unwrap();
    assert!(!groups.groups().is_empty(), "{groups}");
    let selection = select(Pruner::new(Magnitude::l2()).amount(0.5), model, &groups);
    let masked = model.clone().with_masks(&selection.masks()).unwrap();
    let plan = selection.plan();
    let small = plan.shrink(&masked, input.clone(), forward).unwrap();
    let found = Graph::capture(&small, input.clone(), forward).unwrap();
    assert_eq!(
        found.cost().multiply_adds(),
        plan.graph.cost().multiply_adds()
    );
    assert_close(&forward(&small, input.clone()), &forward(&masked, input));
}

fn words(batch: usize, length: usize, device: &Device) -> Tensor<2, Int> {
    let words = (0..batch * length).map(|index| (index * 7 % 19) as i64);
    let data = TensorData::new(words.collect::<Vec<_>>(), [batch, length]);
    Tensor::from_data(data, device)
}

#[test]
fn a_transformer_is_cut_at_every_batch_and_length() {
    let device = Device::flex();
    let model = randomised(Transformer::new(&device), 1);
    let expected = groups(&model, words(2, 5, &device), Transformer::forward);
    for length in [1, 2, 4, 6, 10, 16, 32] {
        for batch in [1, 2, 3, 4, 5, 8, 16] {
            let input = words(batch, length, &device);
            let found = groups(&model, input.clone(), Transformer::forward);
            assert_eq!(found, expected, "batch {batch}, length {length}");
            halve(&model, input, Transformer::forward);
        }
    }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn transformers_of_any_width_are_cut_at_every_batch_and_length(
        batch in 1usize..10,
        length in 1usize..13,
        heads in 1usize..5,
        head in 1usize..5,
        inner in 2usize..40,
        outputs in 1usize..5,
        seed in 0u64..100,
    ) {
        let device = Device::flex();
        let width = heads * head;
        // A layer norm of one number is 0.
        prop_assume!(width > 2);
        let encoder = TransformerEncoderConfig::new(width, inner, heads, 1).with_dropout(0.0);
        let model = Transformer {
            embedding: EmbeddingConfig::new(20, width).init(&device),
            encoder: encoder.init(&device),
            head: LinearConfig::new(width, outputs).init(&device),
        };
        let model = randomised(model, seed);
        let input = words(batch, length, &device);
        let expected = groups(&model, words(1, 3, &device), Transformer::forward);
        prop_assert_eq!(groups(&model, input.clone(), Transformer::forward), expected);
        halve(&model, input, Transformer::forward);
    }
}

/// The groups at batches 1, 2, 3, 4, 5 and 8 are the same, and the batch is not fixed.
fn same_groups<M: Module, I: GraphTensors, O: GraphTensors + Outputs>(
    model: M,
    seed: u64,
    inputs: impl Fn(usize) -> I,
    forward: impl Fn(&M, I) -> O + Copy,
) -> usize {
    let model = randomised(model, seed);
    let mut expected = None;
    let mut count = 0;
    for batch in [1, 2, 3, 4, 5, 8] {
        let graph = Graph::capture(&model, inputs(batch), forward).unwrap();
        assert_eq!(graph.sizes().batch(), Some(batch), "{}", graph.sizes());
        count = graph.groups().unwrap().groups().len();
        let found = groups(&model, inputs(batch), forward);
        assert_eq!(
            &found,
            expected.get_or_insert(found.clone()),
            "batch {batch}"
        );
        halve(&model, inputs(batch), forward);
    }
    count
}

// With a single head, the field that holds its size would have to change.
proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn rotary_heads_have_the_same_groups_at_every_batch(
        heads in 2usize..5,
        half in 1usize..4,
        inner in 2usize..12,
        length in 1usize..7,
        kind in any::<[bool; 2]>(),
        seed in 0u64..100,
    ) {
        let device = Device::flex();
        let size = heads * 2 * half;
        let heads = Heads::new(heads, 2 * half, kind, &device);
        let model = Rotary::new(heads, inner, &device);
        let inputs = |batch| example([batch, length, size], &device);
        same_groups(model, seed, inputs, Rotary::forward);
    }

    #[test]
    fn a_conv_next_has_the_same_groups_at_every_batch(
        width in 2usize..9,
        inner in 2usize..20,
        size in 1usize..5,
        seed in 0u64..100,
    ) {
        let device = Device::flex();
        let model = ConvNext::new(width, inner, &device);
        let inputs = |batch| example([batch, 3, 2 * size, 2 * size], &device);
        prop_assert_eq!(same_groups(model, seed, inputs, ConvNext::forward), 1);
    }

    #[test]
    fn swin_windows_have_the_same_groups_at_every_batch(
        heads in 2usize..4,
        head_size in 1usize..4,
        inner in 2usize..9,
        window in 1usize..3,
        rows in 1usize..4,
        columns in 1usize..4,
        seed in 0u64..100,
    ) {
        let device = Device::flex();
        let model = Swin::new([heads, head_size, inner], 2 * window, &device);
        let shape = |batch| [batch, 2 * window * rows, 2 * window * columns, 3];
        let inputs = |batch| example(shape(batch), &device);
        let count = same_groups(model, seed, inputs, Swin::forward);
        prop_assert!(count >= 3);
    }

    #[test]
    fn a_perceiver_has_the_same_groups_at_every_batch(
        latents in 1usize..6,
        heads in 2usize..5,
        head_size in 1usize..5,
        inner in 2usize..9,
        length in 1usize..7,
        kind in any::<[bool; 2]>(),
        seed in 0u64..100,
    ) {
        let device = Device::flex();
        let model = Perceiver::new([latents, heads, head_size, inner], kind, &device);
        let inputs = |batch| example([batch, length, 5], &device);
        same_groups(model, seed, inputs, Perceiver::forward);
    }

    #[test]
    fn a_class_token_does_not_change_the_groups(
        heads in 2usize..5,
        head_size in 1usize..5,
        inner in 2usize..9,
        length in 1usize..7,
        seed in 0u64..100,
    ) {
        let device = Device::flex();
        let model = WithClass::new(heads, head_size, inner, &device);
        let inputs = |batch| example([batch, length, 5], &device);
        same_groups(model, seed, inputs, WithClass::forward);
    }
}

/// The groups at batches 1, 2, 4 and 8 are the same, and the batch is not fixed.
fn any_batch<M: Module, const D: usize, O: GraphTensors>(
    model: &M,
    shape: [usize; D],
    forward: impl Fn(&M, Tensor<D>) -> O,
) {
    let mut expected = None;
    for batch in [1, 2, 4, 8] {
        let mut shape = shape;
        shape[0] = batch;
        let input = Tensor::ones(shape, &Device::flex());
        let graph = Graph::capture(model, input.clone(), &forward).unwrap();
        assert_eq!(graph.sizes().batch(), Some(batch), "{}", graph.sizes());
        let follows = AxisSize::Batch { times: 1, power: 1 };
        for output in graph.outputs() {
            assert_eq!(graph.axis_sizes(*output)[0], follows);
        }
        let found = groups(model, input, &forward);
        assert_eq!(
            &found,
            expected.get_or_insert(found.clone()),
            "batch {batch}"
        );
    }
}

#[test]
fn convolutional_networks_have_the_same_groups_at_every_batch() {
    let device = Device::flex();
    any_batch(&Mlp::new(&[8, 4, 2], &device), [1, 8], Mlp::forward);
    any_batch(&LeNet5::new(&device), [1, 1, 28, 28], LeNet5::forward);
    any_batch(&Vgg11::new(4, &device), [1, 3, 32, 32], Vgg11::forward);
    any_batch(
        &ResNet18::new(4, 10, &device),
        [1, 3, 32, 32],
        ResNet18::forward,
    );
    any_batch(
        &MobileNetV2::new(10, &device),
        [1, 3, 32, 32],
        MobileNetV2::forward,
    );
    any_batch(&DenseNet::new(&device), [1, 3, 8, 8], DenseNet::forward);
    any_batch(&UNet::new(&device), [1, 1, 8, 8], UNet::forward);
    any_batch(&Yolo::new(&device), [1, 3, 32, 32], Yolo::forward);
    any_batch(&Grouped::new(&device), [1, 3, 4, 4], Grouped::forward);
    any_batch(
        &Attention::new(16, 4, &device),
        [1, 4, 16],
        Attention::forward,
    );
}

#[test]
fn recurrent_layers_have_any_batch() {
    let device = Device::flex();
    let lstm = LstmConfig::new(4, 6, true).init(&device);
    let gru = GruConfig::new(4, 6, true).init(&device);
    for length in [1, 2, 4, 5] {
        for batch in [1, 2, 4, 6] {
            let input = || example([batch, length, 4], &device);
            let lstm = Graph::capture(&lstm, input(), |lstm: &Lstm, x| lstm.forward(x, None).0);
            let gru = Graph::capture(&gru, input(), |gru: &Gru, x| gru.forward(x, None));
            for graph in [lstm.unwrap(), gru.unwrap()] {
                assert_eq!(graph.sizes().batch(), Some(batch), "{}", graph.sizes());
                let follows = AxisSize::Batch { times: 1, power: 1 };
                let expected = [follows, AxisSize::Fixed(length), AxisSize::Fixed(6)];
                assert_eq!(graph.axis_sizes(graph.outputs()[0]), expected);
            }
        }
    }
}
