//! What a caller hands to an engine and gets back.

mod signature;
mod tensors;

pub(crate) use signature::Signature;
pub use tensors::{EngineTensor, EngineTensors};
