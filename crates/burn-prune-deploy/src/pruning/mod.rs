//! Which channels go.

mod importance;
mod pruner;
mod shortfall;
mod values;

pub use importance::Importance;
pub use pruner::ChannelPruner;
pub use shortfall::Shortfall;
