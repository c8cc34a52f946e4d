//! Masks: which weights are kept.
//!
//! [`Mask`] is the value, [`MaskSet`] the masks of a model by parameter path, [`WeightMask`] the
//! state that sits on a Burn parameter and keeps its zeros.

mod packed;
mod set;
mod state;

pub use packed::Mask;
pub use set::MaskSet;
pub use state::WeightMask;

pub(crate) use state::bits;
