//! The paper's network and its rates.

use burn::module::{Module, ParamGroup};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::Device;
use burn_prune::{Allocation, Magnitude, Prunable, Pruner};

#[derive(Module, Debug)]
struct LeNet {
    fc1: Linear,
    fc2: Linear,
    fc3: Linear,
}

#[test]
fn lenet_300_100_keeps_what_the_paper_says_after_each_round() {
    let device = Device::flex();
    let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(&device);
    let mut net = LeNet {
        fc1: linear(784, 300),
        fc2: linear(300, 100),
        fc3: linear(100, 10),
    };
    let output = ParamGroup::from_path("fc3.weight");
    let pruner = Pruner::new(Magnitude::l1())
        .amount(0.2)
        .allocation(Allocation::per_layer([(output, 0.1)]));
    // Percent of 266,200 weights (Frankle and Carbin 2019).
    let paper = [(3, 51.28), (7, 21.07), (9, 13.52), (11, 8.68), (15, 3.58)];
    for round in 1..=15 {
        net = net.prune(&pruner).unwrap();
        let masks = net.masks();
        let weights: usize = masks.iter().map(|(_, mask)| mask.len()).sum();
        assert_eq!(weights, 266_200);
        let percent = 100.0 * (1.0 - masks.sparsity());
        if let Some((_, expected)) = paper.iter().find(|(of, _)| *of == round) {
            let off = (percent - expected).abs();
            assert!(off < 0.01, "round {round}: {percent}, not {expected}");
        }
    }
}
