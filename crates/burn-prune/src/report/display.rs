//! Sparsity reports as tables.

use std::fmt;

use super::{ChannelSparsity, SparsityReport};
use crate::table::{Table, percent};

impl fmt::Display for SparsityReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = [
            "parameter",
            "shape",
            "weights",
            "zeros",
            "sparsity",
            "mask",
            "dead outputs",
            "dead inputs",
        ];
        let mut table = Table::new(2, header);
        for row in &self.parameters {
            table.row([
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
        table.row(total("prunable", self.weights(), self.sparsity()));
        table.row(total("all", self.all_weights, self.overall_sparsity()));
        table.fmt(f)
    }
}

fn dead(channels: Option<ChannelSparsity>) -> String {
    channels.map_or_else(
        || "-".to_string(),
        |known| format!("{}/{}", known.dead, known.total),
    )
}
