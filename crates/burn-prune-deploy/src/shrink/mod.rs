//! Channels that are gone.

mod cut;
mod edits;
mod plan;
pub(crate) mod predict;

pub use edits::FieldEdit;
pub use plan::{AxisCut, ShrinkPlan};
