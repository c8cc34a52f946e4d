//! Which units go: named by the caller, chosen by a pruner, or found in masks.

mod kept;
mod masked;

pub use kept::Selection;
