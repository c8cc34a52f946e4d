//! Sparse execution on CPUs: any Burn model with zeros in it, compiled once, runs with the same
//! outputs and skips the zeros.

mod activation;
mod engine;
mod error;
mod format;
mod io;
#[allow(unsafe_code)]
mod kernel;
mod layers;
mod layout;
mod plan;
mod run;
mod window;

pub use activation::Activation;
pub use engine::{EngineBuilder, SparseEngine};
pub use error::EngineError;
pub use format::{FormatKind, Precision};
pub use io::{EngineTensor, EngineTensors};
pub use layers::{SparseConv2d, SparseLinear};
pub use plan::choice::FormatChoice;
pub use plan::report::{PlanReport, PlanStep, PlanWeight, Runner};
