use std::fmt;

use super::ShrinkPlan;
use crate::graph::dims;

impl fmt::Display for ShrinkPlan {
    /// What is cut, which fields have to change, and what the capture did not see.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for cut in &self.cuts {
            writeln!(
                f,
                "cut: {} [{}], axis {}: {} of {} entries stay",
                cut.path,
                dims(&cut.shape),
                cut.axis,
                cut.kept.len(),
                cut.shape[cut.axis]
            )?;
        }
        for edit in &self.edits {
            writeln!(f, "change: {edit}")?;
        }
        for path in &self.unseen {
            writeln!(f, "not seen by the capture: {path}")?;
        }
        Ok(())
    }
}
