//! Units to remove: named by the caller, or found in masks.
//!
//! `kept` is the selection itself. `found` makes one of masks: `masked` says what the masks make 0,
//! `product` which layers sum over channels, `constants` what channels send whatever the input is,
//! `reading` which units nobody needs, and `takers` which biases can take over what they sent.

mod constants;
mod found;
mod kept;
mod masked;
mod product;
mod reading;
mod takers;

pub use found::{ConstantUnit, Disagreement, Folding, SentConstant, UnitMember, UnitName};
pub use kept::Selection;
