use std::fmt;

use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};

use super::Cost;
use crate::graph::dims;

impl fmt::Display for Cost {
    /// A table with a line for each layer, and the totals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        table.set_header([
            "layer",
            "operation",
            "output",
            "multiply-adds",
            "effective",
            "parameters",
            "not 0",
            "weight bytes",
            "activation bytes",
        ]);
        for layer in &self.layers {
            table.add_row([
                layer.name.clone(),
                layer.operation.clone(),
                dims(&layer.output),
                layer.multiply_adds.to_string(),
                layer.effective_multiply_adds.to_string(),
                layer.parameters.to_string(),
                layer.nonzero_parameters.to_string(),
                layer.weight_bytes.to_string(),
                layer.activation_bytes.to_string(),
            ]);
        }
        table.add_row([
            "total".to_string(),
            String::new(),
            String::new(),
            self.multiply_adds().to_string(),
            self.effective_multiply_adds().to_string(),
            self.parameters().to_string(),
            self.nonzero_parameters().to_string(),
            self.weight_bytes().to_string(),
            self.activation_bytes().to_string(),
        ]);
        for column in table.column_iter_mut().skip(3) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        write!(f, "{table}")?;
        if let Some(seconds) = self.seconds {
            write!(f, "\nmeasured: {:.3} ms", 1e3 * seconds)?;
        }
        Ok(())
    }
}
