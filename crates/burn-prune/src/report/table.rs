use std::fmt;

use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};

use super::{ChannelSparsity, SparsityReport};

impl fmt::Display for SparsityReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        table.set_header([
            "parameter",
            "shape",
            "weights",
            "zeros",
            "sparsity",
            "mask",
            "dead outputs",
            "dead inputs",
        ]);
        for row in &self.parameters {
            table.add_row([
                row.path.clone(),
                format!("{:?}", row.shape),
                row.weights.to_string(),
                row.zeros.to_string(),
                percent(row.sparsity()),
                if row.masked { "yes" } else { "no" }.to_string(),
                dead(row.outputs),
                dead(row.inputs),
            ]);
        }
        let total = |name: &str, weights: usize, sparsity: f64| {
            let zeros = self.zeros().to_string();
            let name = name.to_string();
            [
                name,
                String::new(),
                weights.to_string(),
                zeros,
                percent(sparsity),
            ]
        };
        table.add_row(total("prunable", self.weights(), self.sparsity()));
        table.add_row(total("all", self.all_weights, self.overall_sparsity()));
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        write!(f, "{table}")
    }
}

fn percent(fraction: f64) -> String {
    format!("{:.2}%", 100.0 * fraction)
}

fn dead(channels: Option<ChannelSparsity>) -> String {
    channels.map_or_else(
        || "-".to_string(),
        |known| format!("{}/{}", known.dead, known.total),
    )
}
