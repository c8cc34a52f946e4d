//! The sizes of the example: what is found and cut depends neither on its batch nor on its length.

use burn::module::Module;
use burn::nn::EmbeddingConfig;
use burn::nn::LinearConfig;
use burn::nn::transformer::TransformerEncoderConfig;
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_prune::Prunable;
use burn_prune_deploy::{ChannelPruner, Graph, GraphTensors, Importance};
use examples_shared::nets::others::Transformer;
use proptest::prelude::*;

use crate::random::{Outputs, assert_close, randomised};

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
    let pruner = ChannelPruner::new(Importance::l2()).fraction(0.5);
    let selection = pruner.select(&groups).unwrap();
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
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

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
