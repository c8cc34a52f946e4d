//! Layers for models that are built by hand: sparse ones in the place of Burn's dense ones.

mod conv2d;
mod kernels;
mod linear;
mod pattern;
mod weight;

pub use conv2d::SparseConv2d;
pub use linear::SparseLinear;
