//! What each round starts from.

use burn_prune::lottery::{Method, Moment, Rewind};

use super::{EARLY, Lab, STEPS, Weights, plain, ticket, under};

#[test]
fn every_round_begins_with_the_weights_that_its_method_says_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::new();
    let early = Moment::Step(EARLY);
    let search = plain(folder.path())
        .fine_tuning_steps(3)
        .method(ticket())
        .method(Method::new("early", Rewind::weights(early)))
        .method(Method::new("rate", Rewind::learning_rate(early)))
        .method(Method::new("fine-tuning", Rewind::fine_tuning()));
    let report = lab.run(&search).unwrap();
    assert!(report.missing.is_empty());
    assert_eq!(lab.trained(), 1 + 4 * 2);

    let dense = lab.seen("dense", 0);
    assert!(dense.masks.is_empty());
    assert_eq!(dense.schedule, 0..STEPS);
    assert_ne!(dense.start, dense.end);
    assert_ne!(dense.start[3], dense.early[3], "the running mean moves");
    for round in [1, 2] {
        let before = |method| match round {
            1 => dense.clone(),
            _ => lab.seen(method, round - 1),
        };
        let check = |method: &str, from: &Weights, schedule| {
            let seen = lab.seen(method, round);
            assert!(
                seen.start == under(&seen.masks, from),
                "{method}, round {round}"
            );
            assert_eq!(seen.schedule, schedule, "{method}");
        };
        check("ticket", &dense.start, 0..STEPS);
        check("early", &dense.early, EARLY..STEPS);
        check("rate", &before("rate").end, EARLY..STEPS);
        check("fine-tuning", &before("fine-tuning").end, STEPS..STEPS + 3);
    }
}
