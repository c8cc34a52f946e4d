//! Sparse execution on CPUs: any Burn model with zeros in it, compiled once, runs with the same
//! outputs and skips the zeros.

mod activation;
mod error;
mod format;
#[allow(unsafe_code)]
mod kernel;
mod layers;
mod layout;
mod plan;
mod window;

pub use activation::Activation;
pub use error::EngineError;
pub use format::Precision;
pub use layers::{SparseConv2d, SparseLinear};
