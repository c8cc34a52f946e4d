//! Channels that are gone.

mod cut;
mod difference;
mod display;
mod edits;
#[cfg(feature = "optim")]
mod optimizer;
mod plan;

pub use edits::FieldEdit;
pub use plan::{AxisCut, ShrinkPlan};
