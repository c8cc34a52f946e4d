use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_prune::{MaskMode, Prunable, PruneError};
use burn_prune_deploy::{
    ChannelPruner, Graph, Groups, Importance, Selection, ShrinkPlan, export_onnx,
};

use crate::net::Net;
use crate::quantize::{Zeros, to_8_bits};
use crate::results::Row;
use crate::training::Training;

const LEARNING_RATE: f64 = 3e-4;
/// How far outputs may be apart that are computed of the same numbers in another order, as a
/// fraction of the largest.
const TOLERANCE: f32 = 1e-4;

/// A model without a fraction of its channels, and the same with weights of 8 bits.
///
/// The latencies of the rows are not measured yet.
pub(crate) struct Small {
    pub float: Net,
    pub float_row: Row,
    pub quantized: Net,
    pub quantized_row: Row,
    /// Of the test images, without fine-tuning.
    pub accuracy_before: f64,
    /// Quantized weights under the masks, before they were cut off; all of them are 0.
    pub quantized_zeros: usize,
}

impl Small {
    /// Prunes a fraction of each group, fine-tunes under the masks, cuts the channels off, and
    /// quantizes; writes plan, weights and ONNX into a directory, and reads them back.
    ///
    /// # Errors
    /// When something that should not change the outputs changes them, too.
    pub(crate) fn of(
        dense: &Net,
        groups: &Groups,
        fraction: f64,
        epochs: usize,
        training: &Training<'_>,
        out: &Path,
    ) -> Result<Self, Box<dyn Error>> {
        let pruner = ChannelPruner::new(Importance::l2()).fraction(fraction);
        let selection = pruner.select(groups)?;
        let plan = selection.plan();
        let files = Files::of(fraction, out);

        // Not a clone: that would share its running statistics.
        let masked = under_masks(dense.valid().train(), &selection)?;
        let accuracy_before = training.accuracy(&plan.apply(&masked)?.valid());
        let masked = training.run(masked, epochs, LEARNING_RATE).valid();

        let example = training.examples(1);
        let small = plan.shrink(&masked, example.clone(), Net::forward)?;
        let outputs = |model: &Net| model.forward(training.examples(500));
        let output = outputs(&small);
        same("masked and shrunk", outputs(&masked), &output, TOLERANCE)?;

        files.write_plan(&plan)?;
        let bytes = save(&small, &files.weights)?;
        let reloaded = files.load(&files.weights)?;
        same("saved and loaded", outputs(&reloaded), &output, 0.0)?;
        export_onnx(&small, example.clone(), Net::forward, &files.onnx)?;

        let quantized_masked = to_8_bits(masked);
        let zeros = Zeros::of(&quantized_masked, &selection.masks());
        if zeros.came_back > 0 {
            let count = zeros.came_back;
            return Err(format!("{count} pruned weights are not 0 when quantized").into());
        }
        let quantized = to_8_bits(small.valid());
        let output = outputs(&quantized);
        let found = outputs(&quantized_masked);
        same("quantized, masked and shrunk", found, &output, TOLERANCE)?;
        let quantized_bytes = save(&quantized, &files.quantized)?;
        let reloaded = files.load(&files.quantized)?;
        same("quantized and loaded", outputs(&reloaded), &output, 0.0)?;

        let cost = Graph::capture(&small, example, Net::forward)?.cost();
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
            float_row: row(bytes, &small),
            quantized_row: row(quantized_bytes, &quantized),
            float: small,
            quantized,
            accuracy_before,
            quantized_zeros: zeros.pruned,
        })
    }
}

/// The model with the masks of a selection, whose zeros are put back after each step.
fn under_masks(model: Net, selection: &Selection) -> Result<Net, PruneError> {
    let masks = selection.masks();
    // At the fraction 0.
    if masks.is_empty() {
        return Ok(model);
    }
    let model = model.with_masks(&masks)?;
    Ok(model.with_mask_mode(MaskMode::AfterStep)?)
}

/// # Errors
/// When the outputs are further apart than this fraction of the largest.
fn same(what: &str, found: Tensor<2>, output: &Tensor<2>, tolerance: f32) -> Result<(), String> {
    let largest = output.clone().abs().max().into_scalar::<f32>();
    let difference = (found - output.clone()).abs().max().into_scalar::<f32>();
    // Also false for a NaN.
    match difference <= tolerance * largest {
        true => Ok(()),
        false => Err(format!(
            "outputs of the model differ by {difference}, {what}; the largest is {largest}"
        )),
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

/// Writes the weights, and says how many bytes they take.
fn save(model: &Net, path: &Path) -> Result<u64, Box<dyn Error>> {
    model.clone().save_file(path)?;
    Ok(fs::metadata(path)?.len())
}
