//! A compiled model, and how it is made.

mod builder;
mod compile;
mod sparse_engine;
mod variant;

pub use builder::EngineBuilder;
pub use sparse_engine::SparseEngine;
