//! What the controls differ in.

use burn_prune::MaskSet;

use super::{Lab, STEPS, controlled, plain, under};

#[test]
fn controls_differ_from_the_ticket_in_one_thing_each() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::new();
    lab.run(&plain(folder.path()).method(controlled())).unwrap();
    let dense = lab.seen("dense", 0);
    let counts = |masks: &MaskSet| {
        masks
            .iter()
            .map(|(_, mask)| mask.kept())
            .collect::<Vec<_>>()
    };
    for round in [1, 2] {
        let ticket = lab.seen("ticket", round);
        let fresh = lab.seen("ticket-reinitialized", round);
        assert_eq!(fresh.masks, ticket.masks);
        assert_eq!(fresh.start, under(&ticket.masks, &fresh.start));
        let same = fresh.start[1].iter().zip(&ticket.start[1]);
        let same = same.filter(|(a, b)| a == b && **a != 0).count();
        assert!(same < 100, "{same} of the fresh weights are the old ones");
        for method in ["ticket-random-mask", "ticket-shuffled-mask"] {
            let control = lab.seen(method, round);
            assert_ne!(control.masks, ticket.masks, "{method}");
            assert_eq!(counts(&control.masks), counts(&ticket.masks), "{method}");
            assert!(
                control.start == under(&control.masks, &dense.start),
                "{method}"
            );
        }
        for method in [
            "ticket-reinitialized",
            "ticket-random-mask",
            "ticket-shuffled-mask",
        ] {
            assert_eq!(lab.seen(method, round).schedule, 0..STEPS);
        }
    }
}
