//! From a captured forward pass to steps.

mod program;
