//! What burn-prune promises, told as stories on whole models, and checked as properties.
//!
//! On flex. The same stories on the other backends are in `consumer`.

mod bad_input;
mod containers;
mod life_cycle;
mod nets;
mod optimizers;
mod properties;
mod records;
mod semantics;
mod torch;
