//! Which channels go.

mod importance;
mod pruner;
mod selection;
mod shortfall;
mod values;

pub use importance::Importance;
pub use pruner::ChannelPruner;
pub use selection::Selection;
pub use shortfall::Shortfall;
