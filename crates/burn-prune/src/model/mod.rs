//! Walking a Burn model: what parameters it has, reading their weights, attaching masks.

mod attach;
mod detach;
mod fitting;
#[cfg(feature = "optim")]
mod gradients;
mod inventory;
mod parameter;
mod place;
mod readback;
mod shared;
mod statistics;
#[cfg(feature = "optim")]
mod trainable;
mod update;
#[cfg(feature = "optim")]
mod visit;
mod weights;
mod zeroing;

pub(crate) use attach::{attach_at, attach_bits, set_mode};
pub(crate) use detach::detach;
pub(crate) use fitting::{Attachment, Fitting, prune};
#[cfg(feature = "optim")]
pub(crate) use gradients::zero_pruned_gradients;
pub(crate) use inventory::Inventory;
pub(crate) use parameter::Parameter;
#[cfg(feature = "optim")]
pub(crate) use place::Places;
pub(crate) use place::{Place, REPARAMETERIZATION};
#[cfg(test)]
pub(crate) use readback::count;
pub(crate) use readback::{ReadBack, read_back};
pub use shared::shared_parameters;
pub(crate) use shared::{Sharing, with_fresh_ids};
pub use statistics::running_statistics;
#[cfg(feature = "optim")]
pub(crate) use trainable::check_trainable;
#[cfg(feature = "pytorch")]
pub(crate) use update::update;
#[cfg(feature = "optim")]
pub(crate) use visit::visit_weights;
pub(crate) use weights::Values;
#[cfg(feature = "optim")]
pub(crate) use zeroing::zero_after_optimizer;
pub(crate) use zeroing::{zero_after_step, zero_pruned};
