//! How much each layer can lose, and pictures of it.

use burn::module::ParamGroup;
use burn::tensor::{Device, Tensor};
use burn_prune::plot::{Line, LinePlot};
use burn_prune::{Allocation, Magnitude, Prunable, PruneError, Pruner, SensitivityReport};

use crate::nets::{Net, values};

fn report(sparsities: &[f64]) -> Result<(SensitivityReport, usize), PruneError> {
    let net = Net::new(&Device::flex().autodiff());
    let before = values(net.fc1.weight.val().inner());
    let pruner = Pruner::new(Magnitude::l1()).exclude(ParamGroup::from_path("conv.weight"));
    let mut calls = 0;
    let mut seen = Vec::new();
    let report = SensitivityReport::of(
        &net,
        &pruner,
        sparsities,
        |net| {
            calls += 1;
            net.sparsity_report().zeros() as f64
        },
        |progress| seen.push((progress.done, progress.total)),
    )?;
    assert_eq!(values(net.fc1.weight.val().inner()), before);
    assert!(!net.is_pruned());
    let total = 1 + 2 * sparsities.len();
    assert_eq!(
        seen,
        (1..=total).map(|done| (done, total)).collect::<Vec<_>>()
    );
    Ok((report, calls))
}

#[test]
fn one_layer_at_a_time_is_pruned_to_each_sparsity() {
    let (report, calls) = report(&[0.25, 0.5]).unwrap();
    assert_eq!(calls, 5);
    assert_eq!(report.baseline, 0.0);
    let of = |layer: usize| {
        (
            report.layers[layer].path.as_str(),
            &report.layers[layer].values,
        )
    };
    let fc1 = 6 * 13 * 13 * 16;
    assert_eq!(
        of(0),
        ("fc1.weight", &vec![fc1 as f64 / 4.0, fc1 as f64 / 2.0])
    );
    assert_eq!(of(1), ("fc2.weight", &vec![40.0, 80.0]));
    let table = report.to_string();
    assert!(
        table.contains("fc2.weight") && table.contains("50.0%"),
        "{table}"
    );
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(
        serde_json::from_str::<SensitivityReport>(&json).unwrap(),
        report
    );
}

#[test]
fn a_wrong_sparsity_is_refused_before_anything_is_measured() {
    let error = report(&[0.5, 1.5]).unwrap_err();
    assert_eq!(error, PruneError::InvalidSparsity { found: 1.5 });
}

#[test]
fn plots_are_pictures_and_a_failed_one_leaves_the_old() {
    let (report, _) = report(&[0.25, 0.5]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (svg, png) = (
        folder.path().join("plot.svg"),
        folder.path().join("plot.png"),
    );
    report.plot("zeros").save(&svg).unwrap();
    report.plot("zeros").save(&png).unwrap();
    let text = std::fs::read_to_string(&svg).unwrap();
    assert!(
        text.starts_with("<svg") && text.contains("fc1.weight"),
        "{text}"
    );
    assert!(std::fs::read(&png).unwrap().starts_with(b"\x89PNG"));

    let mut infinite = report.clone();
    infinite.layers[0].values[1] = f64::INFINITY;
    infinite.layers[1].values[0] = f64::NAN;
    infinite.plot("loss").save(&png).unwrap();

    let mut empty: LinePlot = report.plot("zeros");
    empty.lines = vec![Line::new("nothing", [])];
    assert!(
        empty
            .save(&svg)
            .unwrap_err()
            .to_string()
            .contains("nothing to draw")
    );
    assert_eq!(std::fs::read_to_string(&svg).unwrap(), text);
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        2,
        "something is left over"
    );
}

#[test]
fn importance_on_every_layer_and_amounts_by_layer_are_no_obstacle() {
    let net = Net::new(&Device::flex().autodiff());
    let path = |path: &str| ParamGroup::from_path(path.to_string());
    let scores = |shape: [usize; 2]| Tensor::<2>::full(shape, 0.5, &Device::flex());
    let both = Pruner::new(Magnitude::l1())
        .importance("fc1.weight", scores([1014, 16]))
        .importance("fc2.weight", scores([16, 10]))
        .exclude(path("conv.weight"));
    let by_layer = Pruner::new(Magnitude::l1())
        .allocation(Allocation::per_layer([
            (path("fc1.weight"), 0.1),
            (path("fc2.weight"), 0.2),
        ]))
        .exclude(path("conv.weight"));
    let ranked = |allocation| Pruner::new(Magnitude::l1()).allocation(allocation);
    let pruners = [
        both,
        by_layer,
        ranked(Allocation::Erk).exclude(path("conv.weight")),
        ranked(Allocation::Global)
            .exclude(path("conv.weight"))
            .amount(0.1),
    ];
    for pruner in pruners {
        let zeros = |net: &Net| net.sparsity_report().zeros() as f64;
        let report = SensitivityReport::of(&net, &pruner, &[0.5], zeros, |_| {}).unwrap();
        let values: Vec<f64> = report.layers.iter().map(|layer| layer.values[0]).collect();
        assert_eq!(values, [8112.0, 80.0], "{pruner:?}");
    }
}

#[test]
fn what_is_wrong_with_any_layer_is_refused_before_anything_is_measured() {
    let net = Net::new(&Device::flex().autodiff());
    let scores = |shape: [usize; 2], value| Tensor::<2>::full(shape, value, &Device::flex());
    let l1 = || Pruner::new(Magnitude::l1());
    let wrong = [
        l1().importance("fc2.weight", scores([16, 10], f32::NAN)),
        l1().importance("fc2.weight", scores([10, 16], 1.0)),
        l1().importance("fc3.weight", scores([16, 10], 1.0)),
        // 5 of 160 are none below the floor, 97 are.
        l1().min_count(80),
    ];
    for pruner in wrong {
        let never = |_: &Net| panic!("{pruner:?}");
        let report = SensitivityReport::of(&net, &pruner, &[0.03, 0.6], never, |_| {});
        report.unwrap_err();
    }
}
