//! A lottery search whose training is Burn's `Learner`.

use std::cell::RefCell;

use burn::tensor::Device;
use burn::train::Learner;
use burn_prune::lottery::{LearningCurve, LotteryTicketSearch, Method, Moment, Rewind, Trained};
use burn_prune::{Magnitude, Prunable, Pruner};
use examples_shared::Cnn;

use crate::learner::{Data, adam, checkpoint, cnn, weights};
use crate::schedules::RUN;

#[test]
fn a_learner_can_be_the_training_and_its_checkpoints_the_early_weights() {
    let device = Device::flex().autodiff();
    let folder = tempfile::tempdir().unwrap();
    let data = Data::small();
    let seen = RefCell::new(Vec::new());
    let search = LotteryTicketSearch::new(folder.path().join("study"))
        .steps(RUN.steps())
        .steps_per_epoch(RUN.steps_per_epoch)
        .rounds(2)
        .pruner(Pruner::new(Magnitude::l1()).amount(0.5))
        .method(Method::new("early", Rewind::weights(Moment::Epoch(2))));
    let train = |cell: &burn_prune::lottery::CellTraining<'_>, model: Cnn| {
        let start = weights(&model);
        let dir = folder.path().join(cell.round().to_string());
        let epochs = cell.schedule().len() / RUN.steps_per_epoch;
        let training = data.training(&dir).with_default_checkpointers();
        let training = training.num_epochs(epochs);
        let trained = training.launch(Learner::new(model, adam(), 1e-3)).model;
        for epoch in 1..=epochs {
            let first = cell.schedule().start;
            // Of three, the checkpointer keeps the last two.
            if let Ok(then) = cnn(&device).load_masked(checkpoint(&dir, epoch)) {
                cell.after_step(first + epoch * RUN.steps_per_epoch, &then);
                if (cell.round(), epoch) == (0, 2) {
                    seen.borrow_mut().push(weights(&then));
                }
            }
        }
        seen.borrow_mut().push(start);
        let mut curve = LearningCurve::new();
        curve.push(cell.schedule().end, 1.0);
        Ok(Trained {
            model: trained,
            curve,
            test_accuracy: 0.0,
        })
    };
    let report = search.run(|_| cnn(&device), train).unwrap();
    assert!(report.missing.is_empty());
    let sparsities: Vec<f64> = report.rows.iter().map(|row| row.remaining).collect();
    assert!((sparsities[2] - 0.25).abs() < 1e-3, "{sparsities:?}");

    let [early, start, first, second] = &seen.borrow()[..] else {
        panic!("the checkpoint and three starts");
    };
    assert_ne!(early, start);
    for round in [first, second] {
        let same = early
            .iter()
            .zip(round)
            .all(|(early, now)| *now == 0 || early == now);
        assert!(same, "the weights of the second epoch, or zero");
        let kept = round.iter().filter(|now| **now != 0).count();
        assert!((1..early.len()).contains(&kept));
    }
}
