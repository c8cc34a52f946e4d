//! N:M, blocks, floors and shares: what they give, and what they refuse.

use burn::module::{Module, ParamGroup};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::Device;
use burn_prune::{
    Allocation, Axis, Blocks, Magnitude, NM, Normalize, Pattern, Pooling, Prunable, PruneError,
    Pruner, Random,
};

use crate::nets::{kept, linear, seeded};

#[derive(Module, Debug)]
struct Net {
    conv: Conv2d,
    fc1: Linear,
    fc2: Linear,
}

fn net() -> Net {
    let device = Device::flex();
    let net = Net {
        conv: Conv2dConfig::new([3, 8], [3, 3]).init(&device),
        fc1: LinearConfig::new(16, 10).init(&device),
        fc2: LinearConfig::new(10, 4).init(&device),
    };
    seeded(net, 3)
}

fn two_four() -> Pruner {
    Pruner::new(Magnitude::l1()).pattern(NM::new(2, 4))
}

#[test]
fn indivisible_axes_are_one_error_with_all_of_them_and_what_to_exclude() {
    let net = net();
    let error = two_four().masks(&net).unwrap_err();
    let offenders = vec![
        ("conv.weight".to_string(), 3),
        ("fc2.weight".to_string(), 10),
    ];
    let expected = PruneError::Indivisible {
        n: 2,
        m: 4,
        offenders,
    };
    assert_eq!(error, expected);
    let message = error.to_string();
    assert!(
        message.contains("`conv.weight` has 3, `fc2.weight` has 10"),
        "{message}"
    );
    assert!(
        message.contains(".exclude(ParamGroup::from_path(\"conv.weight\"))"),
        "{message}"
    );

    // What the message says passes.
    let pruner = two_four()
        .exclude(ParamGroup::from_path("conv.weight"))
        .exclude(ParamGroup::from_path("fc2.weight"));
    assert_eq!(pruner.masks(&net).unwrap().sparsity(), 0.5);
}

#[test]
fn indivisible_axes_are_skipped_when_asked_and_reported() {
    let net = net();
    let pruner = Pruner::new(Magnitude::l1()).pattern(NM::new(2, 4).skip_indivisible());
    let masks = pruner.masks(&net).unwrap();
    let skipped: Vec<_> = masks
        .skipped()
        .iter()
        .map(|one| one.path.as_str())
        .collect();
    assert_eq!(skipped, ["conv.weight", "fc2.weight"]);
    assert!(
        masks
            .to_string()
            .contains("2:4 does not divide its input axis of 3"),
        "{masks}"
    );
    let net = net.with_masks(&masks).unwrap();
    let report = net.sparsity_report();
    assert_eq!(report.get("fc1.weight").unwrap().zeros, 80);
    assert!(!report.get("conv.weight").unwrap().masked);
    // With nothing left it is an error all the same.
    let only = pruner.only(ParamGroup::from_path("conv.weight"));
    assert!(matches!(
        only.masks(&net),
        Err(PruneError::AllIndivisible { .. })
    ));
}

#[test]
fn n_of_m_decides_by_itself() {
    let net = net();
    let refused = |pruner: Pruner| match pruner.masks(&net).unwrap_err() {
        PruneError::NMDecides { what } => what,
        other => panic!("{other}"),
    };
    assert_eq!(refused(two_four().amount(0.5)), "amount");
    assert_eq!(refused(two_four().to_sparsity(0.5)), "amount");
    assert_eq!(
        refused(two_four().allocation(Allocation::Global)),
        "allocation"
    );
    assert_eq!(refused(two_four().min_density(0.1)), "floor");
    for (n, m) in [(0, 4), (5, 4), (1, 0)] {
        let pruner = Pruner::new(Magnitude::l1()).pattern(NM::new(n, m));
        assert_eq!(
            pruner.masks(&net).unwrap_err(),
            PruneError::InvalidNM { n, m }
        );
    }
    let bias = two_four().only(ParamGroup::from_path("fc1.bias"));
    assert!(matches!(
        bias.masks(&net),
        Err(PruneError::RankTooLow { .. })
    ));
}

#[test]
fn every_group_of_a_random_n_of_m_mask_keeps_n() {
    let layer = LinearConfig::new(64, 9).init(&Device::flex());
    let pruner = Pruner::new(Random::new(4)).pattern(NM::new(3, 8));
    let mask = kept(&pruner.masks(&layer).unwrap(), "weight");
    for output in 0..9 {
        for group in 0..8 {
            let inputs = (0..8).map(|input| (group * 8 + input) * 9 + output);
            assert_eq!(inputs.map(|index| mask[index]).sum::<u8>(), 3);
        }
    }
}

#[test]
fn blocks_that_do_not_fit_are_refused() {
    let net = net();
    for size in [[0, 1], [1, 0], [9, 1], [1, 28]] {
        let pruner = Pruner::new(Magnitude::l1())
            .pattern(Blocks::new(size))
            .amount(0.5);
        let pruner = pruner.only(ParamGroup::from_path("conv.weight"));
        let expected = PruneError::BlockSize {
            path: "conv.weight".to_string(),
            size,
            matrix: [8, 27],
        };
        assert_eq!(pruner.masks(&net).unwrap_err(), expected);
    }
}

#[test]
fn a_mean_does_not_favour_full_blocks() {
    // One output by three inputs in blocks of two: 1 + 1 against 1.5.
    let layer = linear([[1.0], [1.0], [1.5]]);
    let prune = |pooling| {
        let blocks = Blocks::new([1, 2]).pooling(pooling);
        let pruner = Pruner::new(Magnitude::l1()).pattern(blocks).amount(1);
        kept(&pruner.masks(&layer).unwrap(), "weight")
    };
    assert_eq!(prune(Pooling::Sum), [1, 1, 0]);
    assert_eq!(prune(Pooling::Mean), [0, 0, 1]);
    assert_eq!(prune(Pooling::Max), [0, 0, 1]);
}

#[test]
fn a_floor_makes_the_others_lose_more_and_the_amount_is_reached() {
    let mut net = net();
    net.fc2.weight = net.fc2.weight.map(|weight| weight * 1e-3);
    let weights = 216 + 160 + 40;
    let pruner = || {
        let pruner = Pruner::new(Magnitude::l1()).allocation(Allocation::Global);
        pruner.to_sparsity(0.5)
    };
    let masks = pruner().masks(&net).unwrap();
    assert_eq!(masks.get("fc2.weight").unwrap().kept(), 0);
    for (pruner, floor) in [
        (pruner().min_density(0.3), 12),
        (pruner().min_density(0.31), 13),
        (pruner().min_count(7), 7),
        (pruner().min_count(7).min_density(0.3), 12),
    ] {
        let masks = pruner.masks(&net).unwrap();
        let fc2 = masks.get("fc2.weight").unwrap();
        assert_eq!(fc2.kept(), floor);
        let pruned: usize = masks.iter().map(|(_, mask)| mask.pruned()).sum();
        assert_eq!(pruned, weights / 2);
        // Within the layer the largest are kept.
        let only = ParamGroup::from_path("fc2.weight");
        let alone = Pruner::new(Magnitude::l1()).only(only).amount(fc2.pruned());
        assert_eq!(alone.masks(&net).unwrap().get("fc2.weight"), Some(fc2));
    }
    let expected = PruneError::FloorContradictsAmount {
        parameter: "all parameters".to_string(),
        requested: weights / 2,
        floor: weights,
        available: 0,
    };
    assert_eq!(pruner().min_count(1000).masks(&net).unwrap_err(), expected);
}

#[test]
fn floors_that_contradict_the_amount_are_refused() {
    let net = net();
    let refused = |pruner: Pruner| match pruner.masks(&net).unwrap_err() {
        PruneError::FloorContradictsAmount { parameter, .. } => parameter,
        other => panic!("{other}"),
    };
    let pruner = || Pruner::new(Magnitude::l1()).to_sparsity(0.9);
    let global = || pruner().allocation(Allocation::Global);
    assert_eq!(refused(pruner().min_density(0.2)), "conv.weight");
    assert_eq!(refused(global().min_density(0.2)), "all parameters");
    assert_eq!(refused(global().min_count(50)), "all parameters");
    assert_eq!(
        refused(pruner().allocation(Allocation::Erk).min_density(0.5)),
        "conv.weight"
    );
    for found in [f64::NAN, -0.1, 1.1, f64::INFINITY] {
        let error = pruner().min_density(found).masks(&net).unwrap_err();
        assert!(matches!(error, PruneError::InvalidDensity { .. }));
    }
    // A floor that just fits.
    let masks = global().min_density(0.1).masks(&net).unwrap();
    assert!(masks.iter().all(|(_, mask)| mask.kept() * 10 >= mask.len()));
}

#[test]
fn a_floor_counts_channels_where_channels_are_pruned() {
    use burn_prune::{Axis, Pattern};
    let mut net = net();
    net.conv.weight = net.conv.weight.map(|weight| weight * 1e-3);
    let pruner = Pruner::new(Magnitude::l2())
        .pattern(Pattern::Channels(Axis::Output))
        .allocation(Allocation::Global)
        .min_count(3)
        .amount(12);
    let report = net.prune(&pruner).unwrap().sparsity_report();
    let dead: Vec<_> = report
        .parameters
        .iter()
        .map(|row| row.outputs.unwrap().dead)
        .collect();
    assert_eq!(dead[0], 5);
    assert_eq!(dead.iter().sum::<usize>(), 12);
    assert!(dead[1] <= 7 && dead[2] <= 1);
}

#[test]
fn erk_prunes_on_from_what_is_there() {
    let net = net();
    let erk = |sparsity| {
        let pruner = Pruner::new(Magnitude::l1()).allocation(Allocation::Erk);
        pruner.to_sparsity(sparsity)
    };
    let at_once = erk(0.8).masks(&net).unwrap();
    let twice = net.prune(&erk(0.5)).unwrap().prune(&erk(0.8)).unwrap();
    assert_eq!(twice.masks(), at_once);
    let pruned: usize = at_once.iter().map(|(_, mask)| mask.pruned()).sum();
    assert_eq!(pruned, (0.8f64 * 416.0).round_ties_even() as usize);
}

#[test]
fn erk_counts_as_every_allocation_does() {
    use burn_prune::{Axis, Pattern};
    let net = net();
    let pruned = |pruner: Pruner, net: &Net| -> usize {
        let masks = pruner.allocation(Allocation::Erk).masks(net).unwrap();
        masks.iter().map(|(_, mask)| mask.pruned()).sum()
    };
    let magnitude = || Pruner::new(Magnitude::l1());
    for count in [0, 1, 100, 415, 416] {
        assert_eq!(pruned(magnitude().amount(count), &net), count);
    }
    // One layer has lost everything: nothing asked for is nothing done.
    let all = magnitude()
        .only(ParamGroup::from_path("fc1.weight"))
        .amount(1.0);
    let net = net.prune(&all).unwrap();
    assert_eq!(pruned(magnitude().amount(0.0), &net), 160);
    assert_eq!(pruned(magnitude().to_sparsity(0.1), &net), 160);
    assert_eq!(pruned(magnitude().amount(0.5), &net), 160 + 128);
    let channels = magnitude()
        .pattern(Pattern::Channels(Axis::Output))
        .amount(5);
    let net = net.prune(&channels.allocation(Allocation::Erk)).unwrap();
    let rows = net.sparsity_report().parameters;
    assert_eq!(
        rows.iter()
            .map(|row| row.outputs.unwrap().dead)
            .sum::<usize>(),
        10 + 5
    );
}

#[test]
fn a_skipped_parameter_may_have_importance_scores() {
    let net = net();
    let importance = |pruner: Pruner, path: &str, shape: [usize; 2]| {
        pruner.importance(
            path,
            burn::tensor::Tensor::<2>::ones(shape, &Device::flex()),
        )
    };
    let pruner = Pruner::new(Magnitude::l1()).pattern(NM::new(2, 4).skip_indivisible());
    let pruner = importance(
        importance(pruner, "fc1.weight", [16, 10]),
        "fc2.weight",
        [10, 4],
    );
    assert_eq!(pruner.masks(&net).unwrap().len(), 1);
}

#[test]
fn normalized_scores_are_finite_or_refused() {
    use burn::tensor::{Device, Tensor};
    let layer = linear([[1.0, f32::NAN, 2.0]]);
    let refused = |pruner: Pruner| {
        pruner
            .normalize(Normalize::Norm)
            .amount(1)
            .masks(&layer)
            .unwrap_err()
    };
    for pruner in [Pruner::new(Magnitude::l1()), Pruner::new(Random::new(1))] {
        assert!(matches!(
            refused(pruner),
            PruneError::NonFiniteScore { unit: 1, .. }
        ));
    }
    // What is pruned takes no part, in the norm neither.
    let layer = linear([[0.0, 3.0, 2.0]]).l1_unstructured(1).unwrap();
    let scores = Tensor::<2>::from_floats([[f32::NAN, 3.0, 2.0]], &Device::flex());
    let pruner = Pruner::new(Magnitude::l1()).importance("weight", scores);
    let masks = pruner
        .normalize(Normalize::Norm)
        .amount(1)
        .masks(&layer)
        .unwrap();
    assert_eq!(kept(&masks, "weight"), [0, 1, 0]);
}

#[test]
fn every_layer_of_burn_that_multiplies_by_a_weight_is_selected_and_has_its_axes() {
    fn dead<M: burn::module::Module>(layer: M) -> Option<(usize, usize)> {
        let pruner = Pruner::new(Magnitude::l1())
            .pattern(Pattern::Channels(Axis::Output))
            .amount(1);
        let report = layer.prune(&pruner).ok()?.sparsity_report();
        let row = report.get("weight")?;
        Some((row.outputs?.total, row.inputs?.total))
    }

    use burn::nn::conv::{
        Conv1dConfig, Conv3dConfig, ConvTranspose1dConfig, ConvTranspose2dConfig,
        ConvTranspose3dConfig, DeformConv2dConfig,
    };
    let device = &Device::flex();
    let layers = [
        dead(LinearConfig::new(2, 3).init(device)),
        dead(Conv1dConfig::new(2, 3, 3).init(device)),
        dead(Conv2dConfig::new([2, 3], [3, 3]).init(device)),
        dead(Conv3dConfig::new([2, 3], [3, 3, 3]).init(device)),
        dead(DeformConv2dConfig::new([2, 3], [3, 3]).init(device)),
        dead(ConvTranspose1dConfig::new([2, 3], 3).init(device)),
        dead(ConvTranspose2dConfig::new([2, 3], [3, 3]).init(device)),
        dead(ConvTranspose3dConfig::new([2, 3], [3, 3, 3]).init(device)),
    ];
    assert_eq!(layers, [Some((3, 2)); 8]);
}
