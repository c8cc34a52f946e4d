use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use serde::Deserialize;

use examples_shared::nets::efficientnet_lite0::{EfficientNetLite0, SIZE};

/// How far a logit may be from PyTorch's, as a fraction of the largest one.
const TOLERANCE: f64 = 1e-3;

/// What `reference.py` found for an image.
#[derive(Deserialize)]
struct Expected {
    /// The image is the sine of its index divided by this.
    divisor: f64,
    /// The classes with the largest logits, the largest first.
    top_5: Vec<usize>,
    /// Logits of some classes.
    logits: BTreeMap<usize, f64>,
}

fn expected() -> Vec<Expected> {
    let json = include_str!("../reference.json");
    serde_json::from_str(json).expect("written by reference.py")
}

/// The images of the reference, `[2, 3, SIZE, SIZE]`.
pub(crate) fn images(device: &Device) -> Tensor<4> {
    let pixels = 3 * SIZE * SIZE;
    let expected = expected();
    let values = expected.iter().flat_map(|image| {
        let sine = |index| (index as f64 / image.divisor).sin() as f32;
        (0..pixels).map(sine)
    });
    let values: Vec<f32> = values.collect();
    let data = TensorData::new(values, [expected.len(), 3, SIZE, SIZE]);
    Tensor::from_data(data, device)
}

/// The largest difference from PyTorch's logits, as a fraction of the largest one.
///
/// # Errors
/// When a logit or the order of the best classes differs.
pub(crate) fn check(model: &EfficientNetLite0, device: &Device) -> Result<f64, String> {
    let output = model.forward(images(device));
    let [_, classes] = output.dims();
    let output: Vec<f64> = output.into_data().iter::<f64>().collect();
    let mut worst: f64 = 0.0;
    for (number, (expected, found)) in expected().iter().zip(output.chunks(classes)).enumerate() {
        let largest = expected.logits[&expected.top_5[0]].abs();
        for (class, expected) in &expected.logits {
            let difference = (found[*class] - expected).abs() / largest;
            // Also for a NaN.
            if !matches!(difference, 0.0..=TOLERANCE) {
                return Err(format!(
                    "image {number}, class {class}: PyTorch has {expected}, found {}",
                    found[*class]
                ));
            }
            worst = worst.max(difference);
        }
        let mut order: Vec<usize> = (0..classes).collect();
        order.sort_by(|a, b| found[*b].total_cmp(&found[*a]));
        let top = &order[..expected.top_5.len()];
        if top != expected.top_5 {
            return Err(format!(
                "image {number}: PyTorch's best classes are {:?}, found {top:?}",
                expected.top_5
            ));
        }
    }
    Ok(worst)
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use examples_shared::pretrained::{self, SETUP};

    use super::*;

    #[test]
    fn outputs_are_those_of_pytorch() {
        let path = pretrained::path();
        if !path.is_file() {
            // Not `eprintln!`, which is shown for failures only.
            let path = path.display();
            writeln!(io::stderr(), "SKIPPED: no weights at `{path}`: {SETUP}").unwrap();
            return;
        }
        let device = Device::flex();
        let model = pretrained::load(&path, &device).unwrap();
        let worst = check(&model, &device).unwrap();
        assert!(worst < 1e-4, "{worst}");
    }

    #[test]
    fn other_weights_are_found_out() {
        let device = Device::flex();
        let error = check(&EfficientNetLite0::new(&device), &device).unwrap_err();
        assert!(error.contains("PyTorch has"), "{error}");
    }
}
