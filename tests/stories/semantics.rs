//! The rules, on numbers that can be checked by hand.

use burn::module::{Module, Param, ParamGroup};
use burn::nn::conv::{Conv1dConfig, Conv2dConfig, Conv3dConfig, ConvTranspose2dConfig};
use burn::nn::{Embedding, EmbeddingConfig, LinearConfig};
use burn::tensor::{Bool, Device, Tensor};
use burn_prune::{
    Allocation, Amount, Axis, Magnitude, Mask, MaskSet, Pattern, Prunable, Pruner, Random,
    WeightAxes,
};

use crate::nets::{Net, kept, linear, values};

#[test]
fn the_smallest_absolute_values_go() {
    let layer = linear([[0.5, -3.0, 0.1], [-0.2, 2.0, -0.4]]);
    let layer = layer.l1_unstructured(0.5).unwrap();
    assert_eq!(values(layer.weight.val()), [0.5, -3.0, 0.0, 0.0, 2.0, 0.0]);
}

#[test]
fn the_count_is_exact_with_all_equal_weights_and_the_lower_index_is_kept() {
    let layer = linear([[1.0, -1.0, 1.0, -1.0, 1.0]]);
    for count in 0..=5 {
        let layer = layer.clone().l1_unstructured(count).unwrap();
        let expected: Vec<u8> = (0..5).map(|index| u8::from(index < 5 - count)).collect();
        assert_eq!(kept(&layer.masks(), "weight"), expected);
    }
}

#[test]
fn zero_marks_as_pruned_and_one_takes_everything() {
    let layer = linear([[1.0, 2.0]]);
    let none = layer.clone().l1_unstructured(0.0).unwrap();
    assert!(none.is_pruned());
    assert_eq!(values(none.weight.val()), [1.0, 2.0]);
    let all = layer.l1_unstructured(1.0).unwrap();
    assert_eq!(values(all.weight.val()), [0.0, 0.0]);
    // Nothing is left to take a fraction of, nor to count.
    let all = all.l1_unstructured(0.5).unwrap();
    assert!(all.l1_unstructured(1).is_err());
}

#[test]
fn a_second_fraction_is_of_what_is_left() {
    let layer = LinearConfig::new(10, 10).init(&Device::flex());
    let once = layer.l1_unstructured(0.2).unwrap();
    let twice = once.clone().l1_unstructured(0.2).unwrap();
    assert_eq!(twice.masks().get("weight").unwrap().pruned(), 36);
    // Masks only shrink.
    let (once, twice) = (once.masks(), twice.masks());
    let (once, twice) = (once.get("weight").unwrap(), twice.get("weight").unwrap());
    assert!(
        once.iter()
            .zip(twice.iter())
            .all(|(before, after)| before || !after)
    );
}

#[test]
fn a_target_sparsity_is_of_all() {
    let layer = LinearConfig::new(10, 10).init(&Device::flex());
    let pruned = |pruner: &Pruner, layer| {
        let layer: burn::nn::Linear = Prunable::prune(layer, pruner).unwrap();
        (layer.masks().get("weight").unwrap().pruned(), layer)
    };
    let to = |sparsity| Pruner::new(Magnitude::l1()).to_sparsity(sparsity);
    let (half, layer) = pruned(&to(0.5), layer);
    let (most, layer) = pruned(&to(0.9), layer);
    let (still, _) = pruned(&to(0.2), layer);
    assert_eq!((half, most, still), (50, 90, 90));
}

#[test]
fn linear_outputs_are_columns_and_inputs_are_rows() {
    let layer = linear([[1.0, 9.0], [1.0, 9.0], [8.0, 0.5]]);
    let outputs = layer.clone().ln_structured(1, 1.0, Axis::Output).unwrap();
    assert_eq!(kept(&outputs.masks(), "weight"), [0, 1, 0, 1, 0, 1]);
    let inputs = layer.ln_structured(1, f64::INFINITY, Axis::Input).unwrap();
    assert_eq!(kept(&inputs.masks(), "weight"), [1, 1, 1, 1, 0, 0]);
}

#[test]
fn every_layer_has_its_output_and_input_axis() {
    let device = Device::flex();
    let dead = |layer: &dyn Fn(Axis) -> (usize, usize)| (layer(Axis::Output), layer(Axis::Input));
    macro_rules! dead_channels {
        ($layer:expr) => {{
            let layer = $layer;
            dead(&|axis| {
                let pruned = layer.clone().random_structured(1, axis, 0).unwrap();
                let report = pruned.sparsity_report();
                let row = &report.parameters[0];
                (row.outputs.unwrap().dead, row.inputs.unwrap().dead)
            })
        }};
    }
    let expected = ((1, 0), (0, 1));
    assert_eq!(
        dead_channels!(LinearConfig::new(4, 6).init(&device)),
        expected
    );
    assert_eq!(
        dead_channels!(Conv1dConfig::new(4, 6, 3).init(&device)),
        expected
    );
    assert_eq!(
        dead_channels!(Conv2dConfig::new([4, 6], [3, 3]).init(&device)),
        expected
    );
    assert_eq!(
        dead_channels!(Conv3dConfig::new([4, 6], [3, 3, 3]).init(&device)),
        expected
    );
    let transposed = ConvTranspose2dConfig::new([4, 6], [3, 3]).init(&device);
    assert_eq!(transposed.weight.dims(), [4, 6, 3, 3]);
    assert_eq!(dead_channels!(transposed), expected);
}

#[test]
fn slices_that_are_entirely_pruned_do_not_count_and_partly_pruned_ones_do() {
    let layer = linear([[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]]);
    let mut masks = MaskSet::new();
    let custom = [false, true, true, true, false, false, true, true];
    masks.insert("weight", Mask::from_kept([2, 4], &custom).unwrap());
    let layer = layer.with_masks(&masks).unwrap();
    // Output 0 is gone, output 1 has norm 1, outputs 2 and 3 have norm 2. Half of three rounds
    // to 2: output 1, and of the equal ones the higher.
    let layer = layer.ln_structured(0.5, 1.0, Axis::Output).unwrap();
    assert_eq!(kept(&layer.masks(), "weight"), [0, 0, 1, 0, 0, 0, 1, 0]);
}

#[test]
fn methods_follow_each_other_and_masks_are_intersected() {
    let layer = linear([[0.1, 5.0, 3.0], [4.0, 0.2, 3.5]]);
    let layer = layer.l1_unstructured(2).unwrap();
    assert_eq!(kept(&layer.masks(), "weight"), [0, 1, 1, 1, 0, 1]);
    // Of what is left, the columns have L1 norms 4, 5 and 6.5.
    let layer = layer.ln_structured(1, 1.0, Axis::Output).unwrap();
    assert_eq!(kept(&layer.masks(), "weight"), [0, 1, 1, 0, 0, 1]);
    let layer = layer.random_unstructured(1, 3).unwrap();
    assert_eq!(layer.masks().get("weight").unwrap().pruned(), 4);
}

#[test]
fn global_ranks_all_parameters_together() {
    let layers = vec![linear([[1.0, 2.0, 3.0]]), linear([[1.5, 2.5, 0.5]])];
    let layers = layers.global_unstructured(Magnitude::l1(), 0.5).unwrap();
    assert_eq!(kept(&layers.masks(), "0.weight"), [0, 1, 1]);
    assert_eq!(kept(&layers.masks(), "1.weight"), [0, 1, 0]);
}

#[test]
fn global_ties_keep_what_comes_first_in_the_model() {
    let layers = vec![linear([[1.0, 1.0]]), linear([[1.0, 1.0]])];
    let layers = layers.global_unstructured(Magnitude::l1(), 3).unwrap();
    assert_eq!(kept(&layers.masks(), "0.weight"), [1, 0]);
    assert_eq!(kept(&layers.masks(), "1.weight"), [0, 0]);
}

#[test]
fn a_layer_may_lose_everything_and_the_report_says_so() {
    let layers = vec![linear([[0.1, 0.2]]), linear([[1.0, 2.0]])];
    let layers = layers.global_unstructured(Magnitude::l1(), 0.5).unwrap();
    let report = layers.sparsity_report();
    assert_eq!(report.get("0.weight").unwrap().sparsity(), 1.0);
    assert_eq!(report.get("0.weight").unwrap().outputs.unwrap().dead, 2);
    assert_eq!(report.get("1.weight").unwrap().sparsity(), 0.0);
}

#[test]
fn global_channels_are_ranked_together() {
    let layers = vec![
        linear([[1.0, 9.0], [1.0, 9.0]]),
        linear([[3.0, 0.5], [3.0, 0.5]]),
    ];
    let pruner = Pruner::new(Magnitude::l2())
        .pattern(Pattern::Channels(Axis::Output))
        .allocation(Allocation::Global)
        .amount(Amount::Count(2));
    let masks = pruner.masks(&layers).unwrap();
    assert_eq!(kept(&masks, "0.weight"), [0, 1, 0, 1]);
    assert_eq!(kept(&masks, "1.weight"), [1, 0, 1, 0]);
}

#[test]
fn per_layer_targets_fall_back_to_the_amount() {
    let net = Net::new(&Device::flex());
    let own = [(ParamGroup::from_path("fc1.weight"), 0.5)];
    let pruner = Pruner::new(Magnitude::l1()).allocation(Allocation::per_layer(own));
    let masks = pruner.masks(&net).unwrap();
    let pruned = |masks: &MaskSet, path| masks.get(path).unwrap().pruned();
    assert_eq!(pruned(&masks, "fc1.weight"), 1014 * 16 / 2);
    assert_eq!(pruned(&masks, "fc2.weight"), 0);

    let masks = pruner.amount(3).masks(&net).unwrap();
    assert_eq!(pruned(&masks, "fc1.weight"), 1014 * 16 / 2);
    assert_eq!(pruned(&masks, "fc2.weight"), 3);
}

#[test]
fn importance_replaces_the_weights_and_masks_do_not_enter_it() {
    let layer = linear([[1.0, 2.0, 3.0, 4.0]]).l1_unstructured(1).unwrap();
    assert_eq!(kept(&layer.masks(), "weight"), [0, 1, 1, 1]);
    let scores = Tensor::<2>::from_floats([[-9.0, 3.0, -1.0, 2.0]], &Device::flex());
    let pruner = Pruner::new(Magnitude::l1())
        .importance("weight", scores)
        .amount(1);
    assert_eq!(kept(&pruner.masks(&layer).unwrap(), "weight"), [0, 1, 0, 1]);

    // Columns of scores 10 and 4; with the mask in them they would be 1 and 4.
    let layer = linear([[1.0, 5.0], [5.0, 5.0]]).l1_unstructured(1).unwrap();
    let scores = Tensor::<2>::from_floats([[9.0, 2.0], [1.0, 2.0]], &Device::flex());
    let pruner = Pruner::new(Magnitude::l1()).importance("weight", scores);
    let pruner = pruner.pattern(Pattern::Channels(Axis::Output)).amount(1);
    assert_eq!(kept(&pruner.masks(&layer).unwrap(), "weight"), [0, 0, 1, 0]);
}

#[test]
fn random_masks_are_pinned() {
    // Change this and everybody's seeds mean something else.
    let layer = LinearConfig::new(4, 8).init(&Device::flex());
    let masks = Pruner::new(Random::new(42))
        .amount(0.5)
        .masks(&layer)
        .unwrap();
    let golden = [
        0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 1,
        1, 0,
    ];
    assert_eq!(kept(&masks, "weight"), golden);
}

#[test]
fn random_draws_of_a_layer_do_not_depend_on_the_others() {
    let net = Net::new(&Device::flex());
    let pruner = Pruner::new(Random::new(5)).amount(0.3);
    let all = pruner.masks(&net).unwrap();
    let without = pruner.clone().exclude(ParamGroup::from_path("conv.weight"));
    let without = without.masks(&net).unwrap();
    assert_eq!(all.get("fc2.weight"), without.get("fc2.weight"));
    assert_ne!(all.get("fc1.weight"), all.get("fc2.weight"));
}

#[test]
fn only_weights_of_linear_and_conv_are_pruned_unless_asked_for() {
    let net = Net::new(&Device::flex());
    let paths = |pruner: &Pruner| -> Vec<String> {
        let masks = pruner.masks(&net).unwrap();
        masks.iter().map(|(path, _)| path.to_string()).collect()
    };
    let pruner = Pruner::new(Magnitude::l1()).amount(0.5);
    assert_eq!(paths(&pruner), ["conv.weight", "fc1.weight", "fc2.weight"]);

    let biases = ParamGroup::from_regex(r"fc\d\.bias$").unwrap();
    let included = pruner.clone().include(biases.clone());
    assert_eq!(
        paths(&included),
        [
            "conv.weight",
            "fc1.weight",
            "fc1.bias",
            "fc2.weight",
            "fc2.bias"
        ]
    );
    assert_eq!(
        paths(&pruner.clone().only(biases)),
        ["fc1.bias", "fc2.bias"]
    );

    // A group drawn wide takes gamma and beta, never the running statistics.
    let norm = pruner.only(ParamGroup::from_predicate("norm"));
    assert_eq!(paths(&norm), ["norm.gamma", "norm.beta"]);
}

#[test]
fn embeddings_and_biases_can_be_pruned_when_asked_for() {
    #[derive(Module, Debug)]
    struct Tokens {
        embedding: Embedding,
    }
    let tokens = Tokens {
        embedding: EmbeddingConfig::new(10, 4).init(&Device::flex()),
    };
    let pruner = Pruner::new(Magnitude::l1())
        .include(ParamGroup::all())
        .amount(0.5);
    let pruned = tokens.clone().prune(&pruner).unwrap();
    assert_eq!(pruned.masks().get("embedding.weight").unwrap().pruned(), 20);
    // Its axes are not known, so they are named by dimension.
    let rows = Pattern::Channels(Axis::Dim(0));
    let pruned = tokens.clone().prune(&pruner.clone().pattern(rows)).unwrap();
    assert_eq!(pruned.masks().get("embedding.weight").unwrap().pruned(), 20);
    let outputs = pruner.pattern(Pattern::Channels(Axis::Output));
    assert!(
        outputs
            .masks(&tokens)
            .unwrap_err()
            .to_string()
            .contains("weight_axes")
    );
    let axes = WeightAxes {
        output: 1,
        input: 0,
    };
    assert!(
        outputs
            .weight_axes(ParamGroup::all(), axes)
            .masks(&tokens)
            .is_ok()
    );
}

#[test]
fn custom_masks_are_intersected_with_what_is_there() {
    let layer = linear([[1.0, 2.0, 3.0, 4.0]]).l1_unstructured(1).unwrap();
    let mut masks = MaskSet::new();
    let tensor = Tensor::<2, Bool>::from_data([[true, true, false, true]], &Device::flex());
    masks.insert("weight", Mask::from_tensor(tensor));
    let layer = layer.with_masks(&masks).unwrap();
    assert_eq!(kept(&layer.masks(), "weight"), [0, 1, 0, 1]);
    // A mask of ones changes nothing.
    masks.insert("weight", Mask::all_kept([1, 4]));
    let layer = layer.with_masks(&masks).unwrap();
    assert_eq!(kept(&layer.masks(), "weight"), [0, 1, 0, 1]);
}

#[test]
fn a_nan_under_a_mask_does_not_come_through() {
    let layer = linear([[f32::NAN, 2.0, 3.0]]);
    let mut masks = MaskSet::new();
    masks.insert(
        "weight",
        Mask::from_kept([1, 3], &[false, true, true]).unwrap(),
    );
    let layer = layer.with_masks(&masks).unwrap();
    assert_eq!(values(layer.weight.val()), [0.0, 2.0, 3.0]);
    // Nor does it spoil the next scores.
    let layer = layer.l1_unstructured(1).unwrap();
    assert_eq!(values(layer.weight.val()), [0.0, 0.0, 3.0]);
    assert_eq!(
        values(layer.make_permanent().unwrap().weight.val()),
        [0.0, 0.0, 3.0]
    );
}

#[test]
fn all_ranks_can_be_masked() {
    #[derive(Module, Debug)]
    struct Ranks {
        one: Param<Tensor<1>>,
        two: Param<Tensor<2>>,
        three: Param<Tensor<3>>,
        four: Param<Tensor<4>>,
    }
    let device = Device::flex();
    let ranks = Ranks {
        one: Param::from_tensor(Tensor::from_floats([3.0, 1.0, 2.0], &device)),
        two: Param::from_tensor(Tensor::ones([3, 5], &device)),
        three: Param::from_tensor(Tensor::ones([2, 3, 5], &device)),
        four: Param::from_tensor(Tensor::ones([2, 3, 5, 7], &device)),
    };
    let pruner = Pruner::new(Magnitude::l1())
        .only(ParamGroup::all())
        .amount(0.4);
    let ranks = ranks.prune(&pruner).unwrap();
    let pruned: Vec<usize> = ranks
        .masks()
        .iter()
        .map(|(_, mask)| mask.pruned())
        .collect();
    assert_eq!(pruned, [1, 6, 12, 84]);
    assert_eq!(values(ranks.one.val()), [3.0, 0.0, 2.0]);
    let kept = values(ranks.four.val())
        .iter()
        .filter(|weight| **weight == 1.0)
        .count();
    assert_eq!(kept, 126);
}
