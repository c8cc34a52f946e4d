//! When masks move while a model trains, and how sparse they make it.
//!
//! [`Schedule`] asks when and how much. [`ScheduleConfig`] holds the known answers as plain data,
//! and [`Span`] and [`At`] the time they take, in steps or in epochs. `build` turns a configuration
//! into steps on a `curve`.

mod build;
mod config;
mod curve;
mod probe;
mod span;

pub use config::ScheduleConfig;
pub(crate) use probe::{of_schedule, steps_of};
pub use span::{At, Span, TrainingLength};

use std::fmt::Debug;

use crate::identity::Identity;

/// Whether the masks are updated now, and how sparse the model should be.
///
/// Steps are finished steps of the optimizer: 0 is before the training. Your own schedule implements
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

    /// The step of the last update, if there is one. [`Pruning::new`](crate::Pruning::new) tries out
    /// what it asks for.
    fn last_update(&self) -> Option<usize> {
        None
    }

    /// The identity by which checkpoints tell this schedule from others.
    ///
    /// A schedule without one is known by the name of its type, its updates and their sparsities.
    fn identity(&self) -> Option<Identity> {
        None
    }

    #[doc(hidden)]
    fn type_name(&self) -> &'static str {
        std::any::type_name::<Self>()
    }
}
