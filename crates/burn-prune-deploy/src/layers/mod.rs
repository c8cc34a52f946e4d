//! Layers whose sizes are only in their parameters.

mod depthwise;

pub use depthwise::DepthwiseConv2d;
