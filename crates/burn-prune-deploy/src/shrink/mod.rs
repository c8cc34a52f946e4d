//! Channels that are gone.

#[cfg(feature = "optim")]
mod checkpoint;
mod constant;
mod cut;
mod difference;
mod display;
mod edits;
mod fold;
#[cfg(feature = "optim")]
mod optimizer;
mod plan;
mod scalar;
mod shift;

pub use constant::Constant;
pub use edits::FieldEdit;
pub use fold::{Fold, FoldInto, FoldKind, FoldTerm};
pub use plan::{AxisCut, ShrinkPlan};
