use std::error::Error;
use std::path::Path;

use burn::module::Module;
use burn::tensor::Tensor;
use burn_prune_deploy::export_onnx;
use burn_prune_engine::SparseEngine;
use examples_shared::Peer;
use tempfile::TempDir;

use crate::latency::{self, Latency, Runtime, timed};
use crate::nets::Classifier;

/// How far outputs may be apart that are computed in another order, as a fraction of the largest.
const TOLERANCE: f64 = 1e-4;

/// The other runtimes, when there is a Python.
pub(crate) struct Others {
    peers: Option<[Peer; 2]>,
    folder: TempDir,
}

/// Latencies of one model at one batch size.
pub(crate) struct Measured {
    pub dense: Latency,
    pub engine: Latency,
    pub onnxruntime: Option<Latency>,
    pub pytorch: Option<Latency>,
    /// Between the outputs of the engine and those of Burn, as a fraction of the largest.
    pub max_relative_error: f64,
}

impl Others {
    /// Starts both.
    pub(crate) fn new(python: Option<&Path>) -> Result<Self, Box<dyn Error>> {
        let threads = rayon::current_num_threads();
        let start = |python: &Path| -> Result<[Peer; 2], Box<dyn Error>> {
            Ok([
                Peer::start(python, "onnxruntime_dense.py", threads)?,
                Peer::start(python, "torch_dense.py", threads)?,
            ])
        };
        Ok(Self {
            peers: python.map(start).transpose()?,
            folder: TempDir::new()?,
        })
    }

    /// Times a model in all runtimes, on these images, and compares their outputs.
    pub(crate) fn measure<M: Classifier>(
        &mut self,
        model: &M,
        engine: &SparseEngine<Tensor<4>, Tensor<2>>,
        images: &Tensor<4>,
        rounds: usize,
    ) -> Result<Measured, Box<dyn Error>> {
        let expected = values(model.classify(images.clone()));
        let output = values(engine.run(images.clone())?);
        let max_relative_error = difference(&output, &expected);
        same("the engine", max_relative_error)?;
        if let Some(peers) = &mut self.peers {
            let path = self.folder.path().join("model.onnx");
            export_onnx(model, images.clone(), M::classify, &path)?;
            let input = values(images.clone());
            for (peer, name) in peers.iter_mut().zip(["ONNX Runtime", "PyTorch"]) {
                peer.load(&path)?;
                same(name, difference(&peer.run(&input)?, &expected))?;
            }
        }

        let mut runtimes: Vec<Runtime<'_>> = vec![
            timed(|| drop(values(model.classify(images.clone())))),
            timed(|| {
                let output = engine.run(images.clone());
                drop(values(output.expect("it has run on this input before")));
            }),
        ];
        for peer in self.peers.iter_mut().flatten() {
            runtimes.push(Box::new(|runs| {
                peer.time(runs).expect("it has run on this input before")
            }));
        }
        let latencies = latency::in_turns(&mut runtimes, rounds);
        Ok(Measured {
            dense: latencies[0],
            engine: latencies[1],
            onnxruntime: latencies.get(2).copied(),
            pytorch: latencies.get(3).copied(),
            max_relative_error,
        })
    }
}

/// Bytes of all parameters as they are.
pub(crate) fn dense_bytes(model: &impl Module) -> usize {
    size_of::<f32>() * model.num_params()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as::<f32>().expect("it is of f32")
}

/// The largest difference, as a fraction of the largest expected value; NaN where one is NaN.
fn difference(found: &[f32], expected: &[f32]) -> f64 {
    let largest = |values: &mut dyn Iterator<Item = f32>| {
        values.fold(0_f32, |largest, value| {
            // A NaN stays.
            if largest.is_nan() || value <= largest {
                largest
            } else {
                value
            }
        })
    };
    let differences = &mut found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    let scale = largest(&mut expected.iter().map(|value| value.abs()));
    f64::from(largest(differences) / scale)
}

fn same(what: &str, difference: f64) -> Result<(), String> {
    if matches!(difference, 0.0..=TOLERANCE) {
        return Ok(());
    }
    Err(format!(
        "outputs of {what} differ from Burn's by {difference:.1e} of the largest"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_relative_to_the_largest_output() {
        assert_eq!(difference(&[1.0, -4.0], &[1.5, -4.0]), 0.125);
        assert!(difference(&[f32::NAN, 0.0], &[1.0, 2.0]).is_nan());
        assert!(same("it", f64::NAN).is_err());
        assert!(same("it", 1e-6).is_ok());
    }
}
