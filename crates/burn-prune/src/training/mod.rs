//! Masks that move on a schedule while a model trains.
//!
//! [`Pruning`] is the callback for Burn's `Learner`, and works in any other loop as well.
//! [`SparsityMetric`] shows what it does, [`reestimate_statistics`] repairs norms after a cut.

mod checkpoint;
mod clock;
mod dropped_masks;
#[cfg(feature = "train")]
mod learner;
#[cfg(feature = "train")]
mod metric;
mod moments;
mod momentum;
mod optimizer_state;
mod problem;
mod progress;
mod pruning;
mod recipe;
mod scheduled;
mod sensitivity;
mod state;
mod statistics;
mod step;

#[cfg(feature = "train")]
pub use metric::SparsityMetric;
pub use moments::reset_moments;
pub use optimizer_state::{load_optimizer_record, map_optimizer_record, map_optimizer_state};
pub use problem::Problem;
pub use pruning::Pruning;
pub use recipe::Recipe;
pub use sensitivity::{LayerSensitivity, SensitivityProgress, SensitivityReport};
pub use statistics::reestimate_statistics;

pub(crate) use checkpoint::load_checkpoint;
