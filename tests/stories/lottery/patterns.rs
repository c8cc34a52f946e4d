//! Any pruner in a search.

use burn_prune::lottery::{CellId, Control, LotteryTicketSearch, Method, Rewind};
use burn_prune::{
    Allocation, Axis, Blocks, CoupledChannels, CoupledGroup, CoupledMember, Lamp, Magnitude,
    MemberRole, NM, Pattern, Pruner, Random,
};

use super::tiny::{STEPS, Trainings};

/// The output channels of the layer: columns of the weight, and the bias.
fn outputs() -> CoupledChannels {
    let members = [
        CoupledMember::whole("weight", 1, [10, 8], MemberRole::Output),
        CoupledMember::whole("bias", 0, [8], MemberRole::Shift),
    ];
    let group = CoupledGroup::new("weight", members);
    CoupledChannels::new(vec![group]).unwrap()
}

/// Prunes a study round by round, of which two keep this fraction.
fn check(what: &str, pruner: Pruner, remaining: f64) {
    let folder = tempfile::tempdir().unwrap();
    let ticket = Method::new("ticket", Rewind::to_initialization());
    let search = LotteryTicketSearch::new(folder.path())
        .steps(STEPS)
        .rounds(2)
        .pruner(pruner)
        .method(ticket.control(Control::ShuffledMask, [2]));
    let trainings = Trainings::default();
    let report = trainings.run(&search).unwrap();
    let masks = |method: &str, round| {
        let starts = trainings.starts();
        starts[&CellId::new(0, method, round)].0.clone()
    };
    for method in ["ticket", "ticket-shuffled-mask"] {
        let found = report.rows_of(method, 2).next().unwrap().remaining;
        assert!((found - remaining).abs() < 1e-12, "{what}: {found}");
        assert!(
            (1.0 - masks(method, 2).sparsity() - remaining).abs() < 1e-12,
            "{what}"
        );
    }
    let (early, late) = (masks("ticket", 1), masks("ticket", 2));
    assert_eq!(late.clone().intersect(&early).unwrap(), late, "{what}");
    // It is the same study again, and finished.
    let again = Trainings::default();
    assert_eq!(again.run(&search).unwrap(), report, "{what}");
    assert!(again.cells().is_empty(), "{what}");
}

#[test]
fn any_criterion_pattern_and_allocation_work_round_after_round_and_are_recognised() {
    let l2 = || Pruner::new(Magnitude::l2());
    // And what two rounds keep, by hand.
    let pruners = [
        (
            "LAMP over all layers",
            Pruner::new(Lamp).allocation(Allocation::Global).amount(0.5),
            20.0 / 80.0,
        ),
        (
            "at random",
            Pruner::new(Random::new(3)).amount(30),
            20.0 / 80.0,
        ),
        (
            "output channels",
            l2().pattern(Pattern::Channels(Axis::Output)).amount(2),
            4.0 / 8.0,
        ),
        (
            "input channels",
            l2().pattern(Pattern::Channels(Axis::Input)).amount(3),
            4.0 / 10.0,
        ),
        (
            "blocks",
            l2().pattern(Blocks::new([2, 2])).amount(0.5),
            5.0 / 20.0,
        ),
        // The second round has nothing more to take.
        ("1:2", l2().pattern(NM::new(1, 2)), 0.5),
    ];
    for (what, pruner, remaining) in pruners {
        check(what, pruner, remaining);
    }
}

#[test]
fn coupled_channels_are_pruned_together_in_every_round() {
    let pruner = Pruner::new(Magnitude::l2()).pattern(outputs()).amount(2);
    check("coupled channels", pruner, 4.0 / 8.0);
}
