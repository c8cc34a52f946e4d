use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};

/// One line of a bench: what was measured, what was aimed at, and what is possible.
#[derive(Debug)]
pub struct Row {
    /// What it is.
    pub name: String,
    /// What was measured.
    pub measured: String,
    /// What it should be, and whether it is.
    pub target: String,
    /// What the machine allows, or the others reach.
    pub limit: String,
}

impl Row {
    /// A line without a target.
    pub fn new(name: impl Into<String>, measured: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            measured: measured.into(),
            target: String::new(),
            limit: String::new(),
        }
    }

    /// Says that the value should be at most this.
    #[must_use]
    pub fn at_most(self, value: f64, target: f64) -> Self {
        self.target(value <= target, format!("at most {target}"))
    }

    /// Says that the value should be at least this.
    #[must_use]
    pub fn at_least(self, value: f64, target: f64) -> Self {
        self.target(value >= target, format!("at least {target}"))
    }

    fn target(mut self, is_reached: bool, target: String) -> Self {
        let mark = if is_reached { "reached" } else { "MISSED" };
        self.target = format!("{target}: {mark}");
        self
    }

    /// Says what the machine allows.
    #[must_use]
    pub fn limit(mut self, limit: impl Into<String>) -> Self {
        self.limit = limit.into();
        self
    }
}

/// Prints a bench.
pub fn print(title: &str, rows: &[Row]) {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header([title, "measured", "target", "limit"]);
    for row in rows {
        table.add_row([&row.name, &row.measured, &row.target, &row.limit]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
}
