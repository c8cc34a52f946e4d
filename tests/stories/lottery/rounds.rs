//! What each round prunes, and what is measured.

use std::cell::RefCell;

use burn::module::{Param, ParamGroup};
use burn::tensor::{Device, Tensor};
use burn_prune::lottery::{
    CellTraining, LearningCurve, LotteryTicketSearch, Method, Moment, Rewind,
};
use burn_prune::{Allocation, Magnitude, MaskSet, Pruner};

use super::{EARLY, Lab, STEPS, plain, pruner, ticket};
use crate::nets::Net;

#[test]
fn each_round_prunes_the_fraction_of_what_is_left_exactly_and_never_lets_a_weight_back() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::new();
    lab.run(&plain(folder.path()).rounds(4).method(ticket()))
        .unwrap();
    // 54, 16224 and 160 weights, rounded half to even in each round.
    let left = |mut left: usize, fraction: f64, rounds: usize| {
        for _ in 0..rounds {
            left -= (fraction * left as f64).round_ties_even() as usize;
        }
        left
    };
    let mut before: Option<MaskSet> = None;
    for round in 1..=4 {
        let masks = lab.seen("ticket", round).masks;
        let kept = |path| masks.get(path).unwrap().kept();
        assert_eq!(kept("conv.weight"), left(54, 0.2, round));
        assert_eq!(kept("fc1.weight"), left(6 * 13 * 13 * 16, 0.2, round));
        assert_eq!(kept("fc2.weight"), left(160, 0.1, round));
        if let Some(before) = before {
            assert_eq!(before.intersect(&masks).unwrap(), masks);
        }
        before = Some(masks);
    }
}

#[test]
fn equal_magnitudes_do_not_cost_one_weight_too_many() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::new();
    let search = plain(folder.path()).method(ticket());
    // Every weight of fc2 has the same magnitude, and is not trained.
    let equal = |seed| {
        let mut net = Lab::model(seed);
        let device = Device::flex().autodiff();
        let same = Tensor::full([16, 10], 0.25, &device);
        net.fc2.weight = Param::from_tensor(same).set_require_grad(false);
        net
    };
    search.run(equal, |cell, net| lab.train(cell, net)).unwrap();
    let kept = |round| {
        lab.seen("ticket", round)
            .masks
            .get("fc2.weight")
            .unwrap()
            .kept()
    };
    assert_eq!([kept(1), kept(2)], [144, 130]);
}

#[test]
fn masks_are_cut_from_the_weights_of_the_moment_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::new();
    let at = |prune_at| Rewind {
        prune_at,
        ..Rewind::to_initialization()
    };
    let search = plain(folder.path())
        .rounds(1)
        .method(Method::new("end", at(Moment::End)))
        .method(Method::new("step", at(Moment::Step(EARLY))))
        .method(Method::new("epoch", at(Moment::Epoch(1))))
        .steps_per_epoch(EARLY);
    let snapshot = RefCell::new(None);
    let train = |cell: &CellTraining<'_>, net: Net| {
        let trained = lab.train(cell, net)?;
        if cell.round() == 0 {
            *snapshot.borrow_mut() = Some(trained.model.clone());
        }
        Ok(trained)
    };
    search.run(Lab::model, train).unwrap();
    let trained = snapshot.into_inner().unwrap();
    assert_eq!(lab.seen("end", 1).masks, pruner().masks(&trained).unwrap());
    assert_ne!(lab.seen("step", 1).masks, lab.seen("end", 1).masks);
    assert_eq!(
        Some(lab.seen("step", 1).masks),
        lab.seen("dense", 0).early_masks
    );
    assert_eq!(lab.seen("step", 1).masks, lab.seen("epoch", 1).masks);
}

#[test]
fn pruners_in_any_order_do_their_parts() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::new();
    let of = |amount: f64| Pruner::new(Magnitude::l1()).amount(amount);
    let last = || ParamGroup::from_path("fc2.weight");
    let search = LotteryTicketSearch::new(folder.path())
        .steps(STEPS)
        .rounds(2)
        .pruner(of(0.1).only(last()))
        .pruner(of(0.2).exclude(last()).allocation(Allocation::Global))
        .method(ticket());
    assert!(lab.run(&search).unwrap().missing.is_empty());
    let masks = lab.seen("ticket", 2).masks;
    assert_eq!(masks.get("fc2.weight").unwrap().kept(), 130);
    // 16278 weights twice less 20 %.
    let others = ["conv.weight", "fc1.weight"].map(|path| masks.get(path).unwrap().kept());
    assert_eq!(others.iter().sum::<usize>(), 10418);
}

#[test]
fn early_stopping_counts_from_the_start_of_the_training_and_knows_when_it_was_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::new();
    let early = Method::new("early", Rewind::weights(Moment::Step(EARLY)));
    let search = plain(folder.path()).method(early);
    let train = |cell: &CellTraining<'_>, net: Net| {
        let mut trained = lab.train(cell, net)?;
        // Lowest at the third step of the schedule; in round 2, at the end.
        let mut curve = LearningCurve::new();
        for step in cell.schedule() {
            let low = if cell.round() == 2 { STEPS } else { 3 };
            curve.push(step + 1, if step + 1 == low { 0.25 } else { 1.0 });
        }
        trained.curve = curve;
        Ok(trained)
    };
    let report = search.run(Lab::model, train).unwrap();
    let found = report.rows.iter();
    let found: Vec<_> = found
        .map(|row| (row.early_stop_iteration, row.censored))
        .collect();
    assert_eq!(found, [(3, false), (1, false), (STEPS - EARLY, true)]);
    assert!(report.rows.iter().all(|row| row.validation_loss == 0.25));
}
