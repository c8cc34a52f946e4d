//! Layers whose sizes are nowhere but in their parameters.

mod depthwise;

pub use depthwise::DepthwiseConv2d;
