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
        for fold in &self.folds {
            let channels = fold.terms.len();
            let weight = &fold.weight;
            match &fold.into {
                Some(into) => writeln!(
                    f,
                    "fold: {channels} constants that {weight} reads, into {}",
                    into.paths.join(", ")
                )?,
                None => writeln!(f, "check: {channels} channels that {weight} reads send 0")?,
            }
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
