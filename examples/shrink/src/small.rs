use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;
use burn_prune_deploy::{Graph, ShrinkPlan, export_onnx};

use crate::cutting::Cut;
use crate::net::Net;
use crate::quantize::to_8_bits;
use crate::results::Row;
use crate::same::same;
use crate::training::Training;

/// A model without a fraction of its channels, and the same with weights of 8 bits.
///
/// The latencies of the rows are not measured yet.
pub(crate) struct Small {
    pub float: Net,
    pub float_row: Row,
    pub quantized: Net,
    pub quantized_row: Row,
}

impl Small {
    /// Quantizes a cut model; writes plan, weights and ONNX into a directory, and reads them back.
    ///
    /// # Errors
    /// When something that should not change the outputs changes them, too.
    pub(crate) fn of(
        cut: Cut,
        fraction: f64,
        training: &Training<'_>,
        out: &Path,
    ) -> Result<Self, Box<dyn Error>> {
        let Cut { model, plan, .. } = cut;
        let files = Files::of(fraction, out);
        let example = training.examples(1);
        let outputs = |model: &Net| model.forward(training.examples(500));

        files.write_plan(&plan)?;
        let bytes = save(&model, &files.weights)?;
        let output = outputs(&model);
        let reloaded = files.load(&files.weights)?;
        same("saved and loaded", outputs(&reloaded), &output, 0.0)?;
        export_onnx(&model, example.clone(), Net::forward, &files.onnx)?;

        let quantized = to_8_bits(model.valid());
        let quantized_bytes = save(&quantized, &files.quantized)?;
        let output = outputs(&quantized);
        let reloaded = files.load(&files.quantized)?;
        same("quantized and loaded", outputs(&reloaded), &output, 0.0)?;

        let cost = Graph::capture(&model, example, Net::forward)?.cost();
        let row = |bytes, model: &Net| Row {
            fraction,
            parameters: cost.parameters(),
            multiply_adds: cost.multiply_adds(),
            bytes,
            latency_ms_batch1: 0.0,
            latency_ms_batch32: 0.0,
            accuracy: training.accuracy(model),
        };
        Ok(Self {
            float_row: row(bytes, &model),
            quantized_row: row(quantized_bytes, &quantized),
            float: model,
            quantized,
        })
    }
}

/// What is written of a small model.
struct Files {
    plan: PathBuf,
    weights: PathBuf,
    quantized: PathBuf,
    onnx: PathBuf,
}

impl Files {
    fn of(fraction: f64, out: &Path) -> Self {
        let file = |what: &str| out.join(format!("small-{:.0}{what}", 100.0 * fraction));
        Self {
            plan: file(".plan.json"),
            weights: file(".bpk"),
            quantized: file("-8bit.bpk"),
            onnx: file(".onnx"),
        }
    }

    fn write_plan(&self, plan: &ShrinkPlan) -> Result<(), Box<dyn Error>> {
        let part = self.plan.with_extension("part");
        fs::write(&part, serde_json::to_vec(plan)?)?;
        fs::rename(part, &self.plan)?;
        Ok(())
    }

    /// A small model as a program makes it that has the files only.
    fn load(&self, weights: &Path) -> Result<Net, Box<dyn Error>> {
        let plan: ShrinkPlan = serde_json::from_slice(&fs::read(&self.plan)?)?;
        let fresh = plan.apply(&Net::new(&Device::flex()))?;
        Ok(fresh.try_load_file(weights)?)
    }
}

/// Writes the weights, and returns how many bytes they take.
fn save(model: &Net, path: &Path) -> Result<u64, Box<dyn Error>> {
    model.clone().save_file(path)?;
    Ok(fs::metadata(path)?.len())
}
