//! From a captured forward pass to steps.

pub(crate) mod batch;
pub(crate) mod choice;
mod dead;
mod graph;
pub(crate) mod lower;
pub(crate) mod multiply_adds;
pub(crate) mod program;
pub(crate) mod report;
pub(crate) mod unknown;
