//! Channels that are gone.

#[cfg(feature = "optim")]
mod checkpoint;
mod cut;
mod difference;
mod display;
mod edits;
#[cfg(feature = "optim")]
mod optimizer;
mod plan;
pub(crate) mod predict;

pub use edits::FieldEdit;
pub use plan::{AxisCut, ShrinkPlan};
