//! Tickets that travel.

use std::fs;

use burn::optim::SgdConfig;
use burn::optim::momentum::MomentumConfig;
use burn_prune::Prunable;
use burn_prune::lottery::{CellId, Method, Moment, Rewind, Ticket};

use super::{Lab, STEPS, plain, ticket, weights};
use crate::nets::{Net, values};

#[test]
fn a_ticket_travels_to_a_fresh_model_and_trains_to_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::new();
    let search = plain(&folder.path().join("study"))
        .method(ticket())
        .method(Method::new("rate", Rewind::learning_rate(Moment::Start)));
    lab.run(&search).unwrap();
    for method in ["ticket", "rate"] {
        let cell = CellId::new(0, method, 2);
        let file = folder.path().join(method);
        let ticket = Ticket::from_study(folder.path().join("study"), &cell).unwrap();
        ticket.save(&file).unwrap();
        let ticket = Ticket::load(&file).unwrap();
        let description = ticket.description();
        assert_eq!(description["cell"], serde_json::to_value(&cell).unwrap());
        assert_eq!(description["test_accuracy"], 0.5);
        let remaining = description["remaining"].as_f64().unwrap();
        assert!((remaining + ticket.masks().sparsity() - 1.0).abs() < 1e-12);
        let net = ticket.clone().apply(Lab::model(99)).unwrap();
        let seen = lab.seen(method, 2);
        assert_eq!(net.masks(), seen.masks);
        assert!(weights(&net) == seen.start, "{method}");
        let mut optimizer = SgdConfig::new()
            .with_momentum(Some(MomentumConfig::new()))
            .init();
        let mut trained = net.clone();
        for step in 0..STEPS {
            let (_, grads) = trained.gradients(&lab.batches[step % lab.batches.len()]);
            trained = optimizer.step(0.05, trained, grads);
        }
        assert!(weights(&trained) == seen.end, "{method}");

        // Another shape: the model is as it was.
        let other = Net {
            norm: None,
            ..Lab::model(5)
        };
        let before = values(other.fc1.weight.val());
        let (other, error) = ticket.clone().apply(other).unwrap_err().into_parts();
        assert!(error.to_string().contains("norm"), "{error}");
        assert!(!other.is_pruned() && values(other.fc1.weight.val()) == before);
        let error = ticket.apply(net).unwrap_err().to_string();
        assert!(error.contains("masks already"), "{error}");
    }
    let missing = Ticket::from_study(folder.path().join("study"), &CellId::new(0, "ticket", 3));
    assert!(missing.unwrap_err().to_string().contains("no such cell"));
    let dense = Ticket::from_study(folder.path().join("study"), &CellId::new(0, "dense", 0));
    assert!(dense.unwrap_err().to_string().contains("no ticket"));

    let file = folder.path().join("ticket");
    let mut bytes = fs::read(&file).unwrap();
    for (place, expected) in [(0, "no ticket"), (8, "newer"), (40, "damaged")] {
        bytes[place] ^= 0x10;
        fs::write(&file, &bytes).unwrap();
        bytes[place] ^= 0x10;
        let error = Ticket::load(&file).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    fs::write(&file, &bytes[..11]).unwrap();
    assert!(
        Ticket::load(&file)
            .unwrap_err()
            .to_string()
            .contains("damaged")
    );
}
