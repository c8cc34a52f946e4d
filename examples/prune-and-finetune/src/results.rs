use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use burn_prune::SparsityReport;
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;
use tempfile::NamedTempFile;

/// What `results.json` holds. Accuracies and sparsities are fractions in `[0, 1]`.
#[derive(Serialize)]
pub(crate) struct Results {
    /// After the first training.
    pub dense_accuracy: f64,
    /// Of the dense network, given the epochs of fine-tuning as well.
    pub dense_trained_on_accuracy: f64,
    /// Right after pruning.
    pub pruned_accuracy: f64,
    /// After fine-tuning with the masks on.
    pub finetuned_accuracy: f64,
    /// The same with random masks.
    pub random_finetuned_accuracy: f64,
    /// Of the saved model, loaded into a fresh network with plain Burn.
    pub reloaded_accuracy: f64,
    /// Of the prunable weights of the saved model.
    pub sparsity: f64,
    /// Number of parameters of the network, zeros included.
    pub parameters: usize,
    pub seed: u64,
    pub epochs: usize,
    pub finetune_epochs: usize,
    pub train_images: usize,
    pub report: SparsityReport,
}

impl Results {
    /// Writes `results.json`, whole or not at all.
    pub(crate) fn save(&self, out: &Path) -> io::Result<()> {
        let mut file = NamedTempFile::new_in(out)?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.write_all(b"\n")?;
        let file: File = file.persist(out.join("results.json"))?;
        file.sync_all()
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sparse = format!("{:.2}%", 100.0 * self.sparsity);
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        table.set_header(["network", "zeros", "test accuracy"]);
        for (network, zeros, accuracy) in [
            ("dense", "0.00%", self.dense_accuracy),
            ("dense, trained on", "0.00%", self.dense_trained_on_accuracy),
            ("pruned", &sparse, self.pruned_accuracy),
            ("pruned and fine-tuned", &sparse, self.finetuned_accuracy),
            (
                "random masks, fine-tuned",
                &sparse,
                self.random_finetuned_accuracy,
            ),
            (
                "saved and loaded with plain Burn",
                &sparse,
                self.reloaded_accuracy,
            ),
        ] {
            let accuracy = format!("{:.2}%", 100.0 * accuracy);
            table.add_row([network, zeros, &accuracy]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        write!(f, "{table}")
    }
}
