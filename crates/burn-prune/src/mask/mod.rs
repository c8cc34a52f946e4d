//! Masks: which weights are kept.
//!
//! [`Mask`] is the value, [`MaskSet`] the masks of a model by parameter path, [`WeightMask`] the
//! state that sits on a Burn parameter and keeps its zeros.

mod diff;
mod file;
mod kernel;
mod packed;
mod set;
mod state;
mod trust;
mod words;

pub use diff::{MaskDiff, ParameterDiff};
pub use packed::Mask;
pub use set::{MaskSet, Skipped};
pub use state::{MaskMode, WeightMask};

pub(crate) use kernel::vectorized;
pub(crate) use packed::WORD_BITS;
pub(crate) use state::is_read_as_stored;
pub(crate) use trust::{Answer, Trust};
pub(crate) use words::bits;
