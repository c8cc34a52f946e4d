//! A Burn model: what parameters it has, its weights on the host, the masks on it.
//!
//! [`walk`](self::walk) is the one place that knows how masks sit in the tree of modules; everything
//! here goes over a model with it. [`Inventory`] is what a model has, [`ModelReading`] what has been
//! read of it, and `attach` and `zeroing` change it.

mod attach;
mod attached;
mod fitting;
#[cfg(feature = "optim")]
mod gradients;
mod inventory;
mod mask_ids;
mod new_masks;
mod parameter;
mod reading;
mod shared;
mod statistics;
#[cfg(feature = "optim")]
mod trainable;
mod update;
mod walk;
mod weights;
mod zeroing;

pub(crate) use attach::{
    attach_at, attach_bits, attach_chosen, detach_masks, make_permanent, replace_masks,
    with_mask_mode, with_masks,
};
#[cfg(feature = "optim")]
pub(crate) use gradients::zero_pruned_gradients;
pub(crate) use inventory::Inventory;
pub(crate) use parameter::Parameter;
pub(crate) use reading::ModelReading;
pub use shared::shared_parameters;
pub(crate) use shared::{Sharing, with_fresh_ids};
pub use statistics::running_statistics;
#[cfg(feature = "optim")]
pub(crate) use trainable::check_trainable;
#[cfg(feature = "pytorch")]
pub(crate) use update::update;
pub(crate) use walk::{Place, Position, WeightVisitor, visit};
#[cfg(feature = "optim")]
pub(crate) use walk::{WeightMapper, map};
pub(crate) use weights::Values;
#[cfg(feature = "optim")]
pub(crate) use zeroing::zero_after_optimizer;
pub(crate) use zeroing::{zero_after_step, zero_pruned};
