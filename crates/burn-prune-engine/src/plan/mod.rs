//! From a captured forward pass to steps.

pub(crate) mod choice;
pub(crate) mod program;
