//! From a captured forward pass to steps.

pub(crate) mod batch;
pub(crate) mod choice;
pub(crate) mod multiply_adds;
pub(crate) mod plain;
pub(crate) mod program;
pub(crate) mod report;
pub(crate) mod unknown;
