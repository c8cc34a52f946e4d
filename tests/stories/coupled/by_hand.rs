//! Numbers that a reader can check.

use burn::module::{Param, ParamGroup};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_prune::{
    Allocation, CoupledChannels, CoupledGroup, CoupledMember, Lamp, Magnitude, MaskSet, MemberRole,
    NormScale, Normalize, Prunable, Pruner, Random, SensitivityReport,
};

use super::net::{Net, groups, kept, pattern, units_left};

fn l1() -> Pruner {
    Pruner::new(Magnitude::l1()).pattern(pattern())
}

fn net() -> Net {
    Net::new(&Device::flex())
}

/// The units that are left of the two groups.
fn left(masks: &MaskSet) -> [Vec<usize>; 2] {
    groups().map(|group| units_left(masks, &group))
}

#[test]
fn the_unit_with_the_smallest_sum_goes_from_every_member() {
    // Channels: 18 + 0 + 0.5 + 0 + 16 = 34.5, 9 + 1 + 2 + 1 + 48 = 61, 27 + 1 + 1 + 0 + 32 = 61.
    // Features: a column of fc1 is 4 + 12 + 8 = 24; + 0 + 8, + 0 + 2, + 0 + 9, + 8 + 4.
    let masks = l1().amount(1).masks(&net()).unwrap();
    assert_eq!(left(&masks), [vec![1, 2], vec![0, 2, 3]]);
    assert_eq!(kept(&masks, "conv.bias"), [false, true, true]);
    assert_eq!(kept(&masks, "norm.gamma"), [false, true, true]);
    assert_eq!(kept(&masks, "norm.beta"), [false, true, true]);
    assert_eq!(masks.get("conv.weight").unwrap().pruned(), 9);
    assert_eq!(kept(&masks, "fc1.bias"), [true, false, true, true]);
    // Two groups share fc1.weight: 4 rows of one, a column of the other.
    assert_eq!(masks.get("fc1.weight").unwrap().pruned(), 4 * 4 + 12 - 4);
    let rows = [true, true, false, false, true, true, true, true];
    assert_eq!(kept(&masks, "fc2.weight"), rows);
    assert!(masks.get("fc2.bias").is_none());
}

#[test]
fn a_pruned_model_is_the_same_function_without_the_units() {
    let device = Device::flex();
    let masked = net().prune(&l1().amount(1)).unwrap();
    let images = Tensor::<4>::ones([2, 1, 4, 4], &device);
    // The same by setting the channel to 0 where it is read, and the feature where it is made.
    let mut plain = net();
    plain.fc1.weight = plain.fc1.weight.map(|weight| {
        let zeros = Tensor::zeros([4, 4], &device);
        let weight = weight.slice_assign([0..4, 0..4], zeros);
        weight.slice_assign([0..12, 1..2], Tensor::zeros([12, 1], &device))
    });
    let [masked, plain] = [masked, plain].map(|net| net.forward(images.clone()).into_data());
    assert_eq!(masked, plain);
}

#[test]
fn a_fraction_is_of_the_units_that_are_left_and_a_sparsity_of_all() {
    // Half of 3 is 2 (half to even of 1.5), half of 4 is 2.
    let once = net().prune(&l1().amount(0.5)).unwrap();
    assert_eq!(left(&once.masks()).map(|units| units.len()), [1, 2]);
    // Half of 1 is 0, half of 2 is 1.
    let twice = once.prune(&l1().amount(0.5)).unwrap();
    assert_eq!(left(&twice.masks()).map(|units| units.len()), [1, 1]);
    let masks = net().prune(&l1().amount(1)).unwrap();
    let to_half = l1().to_sparsity(0.5).masks(&masks).unwrap();
    assert_eq!(left(&to_half).map(|units| units.len()), [1, 2]);
}

#[test]
fn rounding_takes_no_group_whole_and_only_all_of_it_is_refused() {
    // 0.9 of 3 is 2.7, of 4 is 3.6: by rounding all of both, but each keeps one.
    for pruner in [l1().amount(0.9), l1().to_sparsity(0.9)] {
        let masks = pruner.masks(&net()).unwrap();
        assert_eq!(left(&masks).map(|units| units.len()), [1, 1]);
    }
    // 0.8 of 7 is 5.6: by rounding 6, but two groups that keep one each can lose 5.
    for allocation in [Allocation::Erk, Allocation::Global] {
        let masks = l1()
            .allocation(allocation)
            .amount(0.8)
            .masks(&net())
            .unwrap();
        assert_eq!(left(&masks).map(|units| units.len()), [1, 1]);
    }
}

#[test]
fn ranked_together_the_channels_of_the_convolution_are_larger() {
    // 34.5, 61, 61 against 32, 26, 33, 36.
    let global = l1().allocation(Allocation::Global);
    let masks = global.clone().amount(3).masks(&net()).unwrap();
    assert_eq!(left(&masks), [vec![0, 1, 2], vec![3]]);
    // The fourth of the features stays, so the smallest of the channels goes in its place.
    let masks = global.clone().amount(4).masks(&net()).unwrap();
    assert_eq!(left(&masks), [vec![1, 2], vec![3]]);
    // Two of each stay.
    let masks = global.clone().amount(3).min_count(2).masks(&net()).unwrap();
    assert_eq!(left(&masks), [vec![1, 2], vec![2, 3]]);
    let masks = global.min_density(0.5).amount(3).masks(&net()).unwrap();
    assert_eq!(left(&masks), [vec![1, 2], vec![2, 3]]);
}

#[test]
fn scores_divided_by_the_mean_of_their_group_are_about_1() {
    // Means 156.5 / 3 and 127 / 4: 0.66, 1.17, 1.17 and 1.01, 0.82, 1.04, 1.13.
    let global = l1()
        .allocation(Allocation::Global)
        .normalize(Normalize::Mean);
    let masks = global.clone().amount(1).masks(&net()).unwrap();
    assert_eq!(left(&masks), [vec![1, 2], vec![0, 1, 2, 3]]);
    let masks = global.clone().amount(5).masks(&net()).unwrap();
    assert_eq!(left(&masks), [vec![1], vec![3]]);
    // What is gone has no part in the mean: 61, 61 over 61. The features have lost 4 each: 28, 22,
    // 29, 32 over 27.75.
    let pruned = net().prune(&global.clone().amount(1)).unwrap();
    let masks = global.amount(4).masks(&pruned).unwrap();
    assert_eq!(left(&masks), [vec![1], vec![3]]);
}

#[test]
fn scores_divided_by_the_norm_of_their_group_are_comparable() {
    // Squares of the channels: 36 + 0.25 + 16, 9 + 1 + 4 + 1 + 144, 81 + 1 + 1 + 64, in all 358.25;
    // of the features: 4 (4 + 36 + 16) + 64 + 32 + 2 + 81 + 8 = 411.
    // 34.5, 61, 61 over 18.93 are 1.82, 3.22, 3.22; 32, 26, 33, 36 over 20.27 1.58, 1.28, 1.63, 1.78.
    let global = l1()
        .allocation(Allocation::Global)
        .normalize(Normalize::Norm);
    let masks = global.amount(3).masks(&net()).unwrap();
    assert_eq!(left(&masks), [vec![0, 1, 2], vec![3]]);
}

#[test]
fn each_criterion_by_hand() {
    let first = |pruner: Pruner| left(&pruner.pattern(pattern()).amount(1).masks(&net()).unwrap());
    // Squares 52.25, 159, 147 and 88, 58, 137, 128.
    assert_eq!(
        first(Pruner::new(Magnitude::l2())),
        [vec![1, 2], vec![0, 2, 3]]
    );
    // The largest are 2, 3, 3 and 4, 3, 9, 8.
    let largest = Magnitude::ln(f64::INFINITY);
    assert_eq!(first(Pruner::new(largest)), [vec![1, 2], vec![0, 2, 3]]);
    // The smallest are 0, 1, 0 and 0, 0, 0, 1: of equals the first is kept.
    let smallest = Magnitude::ln(f64::NEG_INFINITY);
    assert_eq!(first(Pruner::new(smallest)), [vec![0, 1], vec![0, 1, 3]]);
    // LAMP of the first channel: 36/117 + 0 + 0.25/5.25 + 0 + 16/224; the others have 1 somewhere.
    let lamp = first(Pruner::new(Lamp));
    assert_eq!(lamp[0], [1, 2]);
    // |gamma| is 0.5, 2, 1; the features have none.
    let scale = Pruner::new(NormScale).exclude(ParamGroup::from_path("fc2.weight"));
    assert_eq!(first(scale)[0], [1, 2]);
    // A draw depends on the name of the group and on nothing else.
    let random = |seed| first(Pruner::new(Random::new(seed)));
    assert_eq!(random(1), random(1));
    assert!((0..20).any(|seed| random(seed) != random(1)));
}

#[test]
fn lamp_is_scored_in_each_member_and_summed() {
    // Two members of two units with squares 1, 4 and 9, 4: LAMP 1/5, 1 and 1, 4/13.
    let [a, b] = [
        CoupledMember::whole("0.weight", 1, [1, 2], MemberRole::Output),
        CoupledMember::whole("1.weight", 0, [2, 1], MemberRole::Input),
    ];
    let device = Device::flex();
    let mut layers = vec![
        LinearConfig::new(1, 2).init(&device),
        LinearConfig::new(2, 1).init(&device),
    ];
    let makes = Tensor::from_floats([[1.0, 2.0]], &device);
    layers[0].weight = Param::from_tensor(makes);
    let reads = Tensor::from_floats([[3.0], [2.0]], &device);
    layers[1].weight = Param::from_tensor(reads);
    // 1.2 against 1.31: the first goes, though its squares are 10 against 8.
    let channels = CoupledChannels::new([CoupledGroup::new("0.weight", [a, b])]).unwrap();
    let goes = |pruner: Pruner| {
        let pruner = pruner.pattern(channels.clone()).amount(1);
        kept(&pruner.masks(&layers).unwrap(), "0.weight")
    };
    assert_eq!(goes(Pruner::new(Lamp)), [false, true]);
    assert_eq!(goes(Pruner::new(Magnitude::l2())), [true, false]);
}

#[test]
fn a_group_has_the_amount_of_the_weight_that_makes_it() {
    let of = |path: &str| ParamGroup::from_path(path);
    // fc1.weight makes the second group; in the first, which it reads, it says nothing.
    let per_layer = Allocation::per_layer([(of("fc1.weight"), 3usize), (of("conv.weight"), 1)]);
    let masks = l1().allocation(per_layer).masks(&net()).unwrap();
    assert_eq!(left(&masks), [vec![1, 2], vec![3]]);
    // A group without one has the amount of the pruner, and stays as it is without.
    let per_layer = Allocation::per_layer([(of("conv.weight"), 1usize)]);
    let pruner = l1().allocation(per_layer);
    assert_eq!(left(&pruner.masks(&net()).unwrap())[1], [0, 1, 2, 3]);
    assert_eq!(
        left(&pruner.amount(2).masks(&net()).unwrap()),
        [vec![1, 2], vec![2, 3]]
    );
}

#[test]
fn erk_shares_out_by_the_shape_of_the_weight_that_makes_a_group() {
    // Raw densities (3 + 1 + 3 + 3)/27 and (12 + 4)/48: 0.37 · 3 and 0.33 · 4 units, 4 of 7 kept:
    // 1.82 and 2.18.
    let erk = l1().allocation(Allocation::Erk).amount(3);
    assert_eq!(
        left(&erk.masks(&net()).unwrap()).map(|units| units.len()),
        [2, 2]
    );
}

#[test]
fn groups_are_chosen_by_any_of_their_members() {
    let of = |path: &str| ParamGroup::from_path(path);
    let paths = |pruner: Pruner| {
        let masks = pruner.amount(1).masks(&net()).unwrap();
        masks
            .iter()
            .map(|(path, _)| path.to_string())
            .collect::<Vec<_>>()
    };
    let first = [
        "conv.weight",
        "conv.bias",
        "norm.gamma",
        "norm.beta",
        "fc1.weight",
    ];
    let second = ["fc1.weight", "fc1.bias", "fc2.weight"];
    assert_eq!(paths(l1().exclude(of("fc2.weight"))), first);
    assert_eq!(paths(l1().exclude(of("norm.gamma"))), second);
    assert_eq!(paths(l1().only(of("norm.beta"))), first);
    let both = [&first[..4], &second].concat();
    assert_eq!(
        paths(l1().only(of("norm.beta")).include(of("fc1.bias"))),
        both
    );
    // A parameter without coupled channels may be excluded all the same.
    assert_eq!(paths(l1().exclude(of("fc2.bias"))), both);
    // In the order of the model, whatever that of the groups is.
    let [conv, fc] = groups();
    let turned = CoupledChannels::new([fc, conv]).unwrap();
    assert_eq!(paths(l1().pattern(turned)), both);
}

#[test]
fn importance_scores_take_the_place_of_a_member() {
    let scores = Tensor::<1>::from_floats([0.0, 0.0, -100.0], &Device::flex());
    let pruner = l1().only(ParamGroup::from_path("conv.weight"));
    let pruner = pruner.importance("conv.bias", scores).amount(2);
    // 34.5, 60 and 160.
    assert_eq!(left(&pruner.masks(&net()).unwrap())[0], [2]);
}

#[test]
fn earlier_masks_stay_and_units_that_they_emptied_are_gone() {
    // Single weights first: half of each weight tensor.
    let single = Pruner::new(Magnitude::l1()).to_sparsity(0.5);
    let sparse = net().prune(&single).unwrap();
    let before = sparse.masks();
    let after = sparse.prune(&l1().amount(1)).unwrap().masks();
    for (path, mask) in before.iter() {
        let now = after.get(path).unwrap();
        assert_eq!(&now.clone().intersect(mask).unwrap(), now, "{path}");
    }
    // The two that are left of three channels: to two thirds one more goes, not two.
    let pruned = net().prune(&l1().amount(1)).unwrap();
    let masks = l1().to_sparsity(0.6).masks(&pruned).unwrap();
    assert_eq!(left(&masks).map(|units| units.len()), [1, 2]);
}

#[test]
fn a_residual_couples_the_output_and_the_input_of_one_weight() {
    // x + fc(x): feature i is row i and column i.
    let device = Device::flex();
    let mut fc = LinearConfig::new(3, 3).init(&device);
    let weights = [[5.0, 1.0, 1.0], [1.0, 0.0, 2.0], [1.0, 2.0, 0.0]];
    fc.weight = Param::from_tensor(Tensor::from_floats(weights, &device));
    let group = CoupledGroup::new(
        "weight",
        [
            CoupledMember::whole("weight", 1, [3, 3], MemberRole::Output),
            CoupledMember::whole("weight", 0, [3, 3], MemberRole::Input),
        ],
    );
    let channels = CoupledChannels::new([group]).unwrap();
    // Row and column, the diagonal twice: 14, 6, 6. Of equals the first is kept.
    let masks = l1().pattern(channels).amount(1).masks(&fc).unwrap();
    let expected = [true, true, false, true, true, false, false, false, false];
    assert_eq!(kept(&masks, "weight"), expected);
}

#[test]
fn each_group_is_measured_by_itself() {
    let metric = |net: &Net| net.masks().sparsity();
    let report = SensitivityReport::of(&net(), &l1(), &[0.5], metric, |_| {}).unwrap();
    let found: Vec<_> = report
        .layers
        .iter()
        .map(|layer| layer.path.as_str())
        .collect();
    assert_eq!(found, ["conv.weight", "fc1.weight"]);
    // Two of three channels: 2 (9 + 3 + 16) of 27 + 9 + 48 entries; two of four features: 2 (12 + 1
    // + 2) of 48 + 4 + 8.
    assert_eq!(report.layers[0].values, [56.0 / 84.0]);
    assert_eq!(report.layers[1].values, [30.0 / 60.0]);
}

#[test]
fn a_parameter_at_two_places_is_one_member() {
    // Both layers are one parameter, and the pattern names both places.
    let device = Device::flex();
    let mut layer: Linear = LinearConfig::new(2, 3).with_bias(false).init(&device);
    let weights = [[1.0, -2.0, 3.0], [1.0, 2.0, 3.0]];
    layer.weight = Param::from_tensor(Tensor::from_floats(weights, &device));
    let layers = vec![layer.clone(), layer];
    let whole = |path| CoupledMember::whole(path, 1, [2, 3], MemberRole::Output);
    let group = CoupledGroup::new("0.weight", [whole("0.weight"), whole("1.weight")]);
    let channels = CoupledChannels::new([group]).unwrap();
    let layers = layers.prune(&l1().pattern(channels).amount(1)).unwrap();
    for layer in &layers {
        let weights = layer.weight.val().try_into_vec_as::<f32>().unwrap();
        assert_eq!(weights, [0.0, -2.0, 3.0, 0.0, 2.0, 3.0]);
    }
}
