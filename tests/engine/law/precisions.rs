//! Weights in sixteen bits, and formats that are chosen by hand.

use burn::tensor::{Device, Tensor};
use burn_prune_engine::{Precision, SparseEngine};
use examples_shared::nets::convolutional::{Mlp, Vgg11};

use crate::signals::{Outputs, difference, largest, noise};
use crate::trained::{masked, trained};

/// Bounds on the error as a share of the largest output.
const BOUNDS: [(Precision, f64); 2] = [(Precision::Bf16, 1e-2), (Precision::F16, 2e-3)];

#[test]
fn sixteen_bits_are_close() {
    let device = Device::flex();
    let mlp = trained(Mlp::new(&[784, 300, 100, 10], &device), 1);
    let vgg = trained(Vgg11::new(8, &device), 1);
    for sparsity in [0.0, 0.5, 0.9] {
        let mlp = masked(&mlp, sparsity, 2);
        let vgg = masked(&vgg, sparsity, 2);
        for (precision, bound) in BOUNDS {
            let builder = SparseEngine::builder().precision(precision);
            let vector = |batch| noise([batch, 784], 7);
            let engine = builder.compile(&mlp, vector(1), Mlp::forward).unwrap();
            let image = |batch| noise([batch, 3, 32, 32], 7);
            let images = builder.compile(&vgg, image(1), Vgg11::forward).unwrap();
            for batch in [1, 2, 20] {
                let found = engine.run(vector(batch)).unwrap();
                is_close(&found, &mlp.forward(vector(batch)), bound);
                let found = images.run(image(batch)).unwrap();
                is_close(&found, &vgg.forward(image(batch)), bound);
            }
        }
    }
}

fn is_close(found: &Tensor<2>, expected: &Tensor<2>, bound: f64) {
    let (found, expected) = (found.values(), expected.values());
    let off = difference(&found[0], &expected[0]) / largest(&expected[0]);
    assert!(off <= bound, "off by {off:e}");
    assert!(off > 0.0, "the weights were not rounded");
}
