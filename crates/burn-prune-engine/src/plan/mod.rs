//! From a captured forward pass to steps.

pub(crate) mod batch;
pub(crate) mod lower;
pub(crate) mod plain;
mod graph;
pub(crate) mod program;
pub(crate) mod unknown;
