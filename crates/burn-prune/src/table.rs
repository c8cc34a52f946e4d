//! Tables for people to read, all drawn alike.

use std::fmt;

use comfy_table::{CellAlignment, Row, presets::UTF8_FULL_CONDENSED};

/// A table with a header. Texts are on the left of their column, numbers on the right.
pub(crate) struct Table(comfy_table::Table);

impl Table {
    /// A table whose first columns are texts, so many of them; all others are numbers.
    pub(crate) fn new(texts: usize, header: impl Into<Row>) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        table.set_header(header);
        for column in table.column_iter_mut().skip(texts) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        Self(table)
    }

    /// Adds a row. Cells that are left out at its end stay empty.
    pub(crate) fn row(&mut self, cells: impl Into<Row>) {
        self.0.add_row(cells);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A fraction in `[0, 1]` as per cent.
pub(crate) fn percent(fraction: f64) -> String {
    format!("{:.2}%", 100.0 * fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_on_the_right_also_in_a_row_that_ends_early() {
        let mut table = Table::new(1, ["parameter", "weights"]);
        table.row(["fc1.weight".to_string(), 8.to_string()]);
        table.row(["all"]);
        let printed = table.to_string();
        let lines: Vec<&str> = printed.lines().collect();
        assert_eq!(lines[1], "│ parameter  ┆ weights │");
        assert_eq!(lines[3], "│ fc1.weight ┆       8 │");
        assert_eq!(lines[4], "│ all        ┆         │");
        assert_eq!(percent(0.125), "12.50%");
    }
}
