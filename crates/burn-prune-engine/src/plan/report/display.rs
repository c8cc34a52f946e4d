use std::fmt;

use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};

use super::{PlanReport, PlanStep, Runner};
use crate::format::FormatKind;

impl fmt::Display for PlanReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        let mut header = vec![
            "step",
            "operation",
            "output",
            "zeros",
            "format",
            "bytes",
            "gain",
            "share",
        ];
        if self.steps.iter().any(|step| step.seconds.is_some()) {
            header.push("ms");
        }
        table.set_header(header);
        for column in table.column_iter_mut().skip(3) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let all = self.multiply_adds().max(1) as f64;
        for step in &self.steps {
            table.add_row(row(step, all));
        }
        writeln!(f, "{table}")?;
        writeln!(
            f,
            "batch {}: the engine runs {:.2}% of {} multiply-adds, with {} border crossings to Burn",
            self.batch,
            100.0 * self.engine_share(),
            self.multiply_adds(),
            self.border_crossings,
        )?;
        write!(
            f,
            "weights: {} bytes, {:.3} of the dense ones; buffers: {} bytes",
            self.weight_bytes,
            self.weight_bytes as f64 / self.dense_bytes.max(1) as f64,
            self.buffer_bytes,
        )
    }
}

fn row(step: &PlanStep, all: f64) -> Vec<String> {
    let shape: Vec<String> = step.shape.iter().map(usize::to_string).collect();
    let operation = match step.runner {
        Runner::Engine => step.operation.clone(),
        Runner::Burn => "in Burn".to_string(),
    };
    let mut cells = vec![step.name.clone(), operation, shape.join("x")];
    match &step.weight {
        None => cells.extend(vec![String::new(); 4]),
        Some(weight) => cells.extend([
            format!("{:.1}%", 100.0 * weight.sparsity),
            weight.format.map_or("dense", name).to_string(),
            weight.bytes.to_string(),
            weight
                .gain
                .map_or_else(String::new, |gain| format!("{gain:.2}x")),
        ]),
    }
    cells.push(if step.multiply_adds == 0 {
        String::new()
    } else {
        format!("{:.1}%", 100.0 * step.multiply_adds as f64 / all)
    });
    if let Some(seconds) = step.seconds {
        cells.push(format!("{:.3}", 1e3 * seconds));
    }
    cells
}

fn name(format: FormatKind) -> &'static str {
    match format {
        FormatKind::Dense => "dense",
        FormatKind::Blocked => "blocked",
        FormatKind::Blocks4 => "blocks of 4",
        FormatKind::Bitmask => "bit mask",
        FormatKind::Deltas => "deltas",
        FormatKind::InputRows => "dense by inputs",
        FormatKind::InputMajor => "by inputs",
    }
}
