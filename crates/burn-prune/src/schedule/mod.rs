//! When masks move while a model trains, and how sparse they make it.
//!
//! [`Schedule`] is the two questions, [`ScheduleConfig`] the known answers as plain data, and
//! [`Span`] the time they take, in steps or in epochs.

mod config;
mod curve;
mod probe;
mod span;

pub use config::ScheduleConfig;
pub(crate) use probe::{of_schedule, steps_of};
pub use span::{Span, TrainingLength};

use std::fmt::Debug;

use crate::identity::Identity;

/// Whether the masks are updated now, and how sparse the model is to be.
///
/// Steps are finished steps of the optimizer: 0 is before training. A schedule of one's own is
/// these methods:
///
/// ```
/// use burn_prune::Schedule;
///
/// /// Half of the weights after 100 steps, and three quarters after 200.
/// #[derive(Debug)]
/// struct Twice;
///
/// impl Schedule for Twice {
///     fn updates_after(&self, step: usize) -> bool {
///         [100, 200].contains(&step)
///     }
///
///     fn sparsity_after(&self, step: usize) -> f64 {
///         match step {
///             0..100 => 0.0,
///             100..200 => 0.5,
///             _ => 0.75,
///         }
///     }
///
///     fn last_update(&self) -> Option<usize> {
///         Some(200)
///     }
/// }
/// ```
pub trait Schedule: Debug + Send + Sync {
    /// Whether the masks are updated after this step.
    fn updates_after(&self, step: usize) -> bool;

    /// The sparsity over all units after this step, in `[0, 1]`.
    fn sparsity_after(&self, step: usize) -> f64;

    /// The step of the last update, where there is one. What it asks for is tried out before the
    /// training.
    fn last_update(&self) -> Option<usize> {
        None
    }

    /// The identity by which checkpoints tell this schedule from others.
    ///
    /// One that gives none is known by the name of its type, its updates and their sparsities.
    fn identity(&self) -> Option<Identity> {
        None
    }

    #[doc(hidden)]
    fn type_name(&self) -> &'static str {
        std::any::type_name::<Self>()
    }
}
