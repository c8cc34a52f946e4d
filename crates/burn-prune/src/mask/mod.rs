//! Masks: which weights are kept.
//!
//! [`Mask`] is the value, [`MaskSet`] the masks of a model by parameter path, [`WeightMask`] the
//! state that sits on a Burn parameter and keeps its zeros.

mod diff;
mod file;
mod kernel;
mod set;
mod trust;
mod value;
mod weight_mask;
mod words;

pub use diff::{MaskDiff, ParameterDiff};
pub use set::{MaskSet, Skipped};
pub use value::Mask;
pub use weight_mask::{MaskMode, WeightMask};

pub(crate) use kernel::{WORD_BITS, vectorized};
pub(crate) use trust::{Answer, Trust};
pub(crate) use weight_mask::is_read_as_stored;
pub(crate) use words::bits;
