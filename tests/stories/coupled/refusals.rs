//! What is refused, and what the message says.

use burn::module::ParamGroup;
use burn::tensor::{Device, Tensor};
use burn_prune::{
    Allocation, CoupledChannels, CoupledError, CoupledGroup, CoupledMember, Magnitude, MemberRole,
    NormScale, Pattern, Prunable, PruneError, Pruner,
};

use super::net::{Net, groups, pattern};

fn l1() -> Pruner {
    Pruner::new(Magnitude::l1()).pattern(pattern()).amount(1)
}

fn refused(pruner: Pruner) -> PruneError {
    pruner.masks(&Net::new(&Device::flex())).unwrap_err()
}

fn of(path: &str) -> ParamGroup {
    ParamGroup::from_path(path)
}

/// The groups with this in the place of the first member of the first.
fn with(member: CoupledMember) -> CoupledChannels {
    let [first, second] = groups();
    let rest = first.members()[1..].iter().cloned();
    let first = CoupledGroup::new(first.name(), std::iter::once(member).chain(rest));
    CoupledChannels::new([first, second]).unwrap()
}

#[test]
fn a_pattern_of_another_model_names_what_is_missing_or_differs() {
    let gone = CoupledMember::whole("stem.weight", 0, [3, 1, 3, 3], MemberRole::Output);
    let error = refused(l1().pattern(with(gone)));
    let message = error.to_string();
    assert!(matches!(
        error,
        PruneError::Coupled(CoupledError::MemberMissing { .. })
    ));
    for part in ["`conv.weight`", "`stem.weight`", "conv.bias, norm.gamma"] {
        assert!(message.contains(part), "{message}");
    }
    let wide = CoupledMember::whole("conv.weight", 0, [3, 2, 3, 3], MemberRole::Output);
    let error = refused(l1().pattern(with(wide)));
    assert_eq!(
        error,
        PruneError::Coupled(CoupledError::MemberShape {
            path: "conv.weight".to_string(),
            expected: vec![3, 2, 3, 3],
            found: vec![3, 1, 3, 3],
        })
    );
}

#[test]
fn a_statistic_is_no_member() {
    let mean = CoupledMember::whole("norm.running_mean", 0, [3], MemberRole::Other);
    let error = refused(l1().pattern(with(mean)));
    assert!(
        matches!(error, PruneError::RunningStatistic { .. }),
        "{error}"
    );
}

#[test]
fn a_group_keeps_a_unit_whatever_is_asked() {
    let all = |pruner: Pruner| match refused(pruner) {
        PruneError::FloorContradictsAmount {
            parameter,
            requested,
            floor,
            available,
        } => (parameter, requested, floor, available),
        other => panic!("{other}"),
    };
    let first = ("conv.weight".to_string(), 3, 1, 2);
    assert_eq!(all(l1().amount(1.0)), first);
    let to_sparsity = Pruner::new(Magnitude::l1())
        .pattern(pattern())
        .to_sparsity(1.0);
    assert_eq!(all(to_sparsity), first);
    assert_eq!(all(l1().amount(3)), first);
    let together = ("all parameters".to_string(), 7, 2, 5);
    assert_eq!(
        all(l1().allocation(Allocation::Global).amount(1.0)),
        together
    );
    assert_eq!(all(l1().allocation(Allocation::Erk).amount(1.0)), together);
    let two = ("conv.weight".to_string(), 2, 2, 1);
    assert_eq!(all(l1().min_count(2).amount(2)), two);
    assert_eq!(all(l1().min_density(0.5).amount(2)), two);
}

#[test]
fn weights_that_make_a_group_together_have_one_target() {
    let of_fc1 = CoupledMember::whole("fc1.weight", 1, [12, 4], MemberRole::Output);
    let of_fc2 = CoupledMember::whole("fc2.weight", 0, [4, 2], MemberRole::Output);
    let channels = CoupledChannels::new([CoupledGroup::new("sum", [of_fc1, of_fc2])]).unwrap();
    let per_layer = |first: usize, second: usize| {
        let targets = [(of("fc1.weight"), first), (of("fc2.weight"), second)];
        let allocation = Allocation::per_layer(targets);
        l1().pattern(channels.clone()).allocation(allocation)
    };
    let error = refused(per_layer(1, 2));
    let message = error.to_string();
    assert!(matches!(
        error,
        PruneError::Coupled(CoupledError::TargetsDiffer { .. })
    ));
    assert!(message.contains("`fc1.weight` and `fc2.weight`") && message.contains("`sum`"));
    let masks = per_layer(1, 1).masks(&Net::new(&Device::flex())).unwrap();
    assert_eq!(masks.get("fc2.weight").unwrap().pruned(), 2);
}

#[test]
fn names_that_mean_nothing_are_refused() {
    let bias = of("fc2.bias");
    for pruner in [l1().only(bias.clone()), l1().include(bias.clone())] {
        let error = refused(pruner);
        assert!(
            matches!(
                error,
                PruneError::Coupled(CoupledError::MatchesNoMember { .. })
            ),
            "{error}"
        );
        assert!(
            error
                .to_string()
                .contains("conv.bias, conv.weight, fc1.bias")
        );
    }
    let error = refused(l1().exclude(of("fc3.weight")));
    assert!(
        matches!(error, PruneError::GroupMatchesNothing { .. }),
        "{error}"
    );
    // It reads the channels, and does not make them.
    let per_layer = Allocation::per_layer([(of("fc2.weight"), 1usize)]);
    let error = refused(l1().allocation(per_layer));
    assert!(
        matches!(error, PruneError::GroupMatchesNothing { .. }),
        "{error}"
    );
    let error = refused(l1().exclude(of("fc1.weight")));
    assert!(matches!(error, PruneError::AllExcluded { .. }), "{error}");
    let nothing: Pattern = CoupledChannels::new([]).unwrap().into();
    assert_eq!(
        refused(l1().pattern(nothing)),
        CoupledError::NoGroups.into()
    );
    let scores = Tensor::<1>::ones([2], &Device::flex());
    let error = refused(l1().importance("fc2.bias", scores));
    assert!(
        matches!(error, PruneError::ImportanceUnused { .. }),
        "{error}"
    );
}

#[test]
fn a_score_that_is_not_finite_names_the_group() {
    let device = Device::flex();
    let mut net = Net::new(&device);
    net.norm.gamma = net
        .norm
        .gamma
        .map(|_| Tensor::from_floats([1.0, f32::NAN, 1.0], &device));
    let error = l1().masks(&net).unwrap_err();
    match &error {
        PruneError::NonFiniteScore { path, unit, found } => {
            assert_eq!((path.as_str(), *unit), ("conv.weight", 1));
            assert!(found.is_nan());
        }
        other => panic!("{other}"),
    }
    // The model comes back as it went.
    let rejected = net.prune(&l1()).unwrap_err();
    assert!(!rejected.into_model().is_pruned());
}

#[test]
fn norm_scale_needs_a_norm_and_coupled_channels() {
    let error = refused(Pruner::new(NormScale).pattern(pattern()).amount(1));
    let message = error.to_string();
    assert!(
        message.contains("`fc1.weight`") && message.contains("exclude"),
        "{message}"
    );
    let message = refused(Pruner::new(NormScale).amount(0.5)).to_string();
    assert!(message.contains("CoupledChannels"), "{message}");
}
