//! Walking a Burn model: what parameters it has, reading their weights, attaching masks.

mod attach;
mod detach;
mod inventory;
mod readback;
mod step;
mod update;
mod weights;

pub(crate) use attach::{attach, attach_at, attach_bits, set_mode};
pub(crate) use detach::detach;
pub use inventory::running_statistics;
pub(crate) use inventory::{Inventory, Parameter, REPARAMETERIZATION};
#[cfg(test)]
pub(crate) use readback::count;
pub(crate) use readback::{ReadBack, read_back};
#[cfg(feature = "optim")]
pub(crate) use step::{zero_after_optimizer, zero_pruned_gradients};
pub(crate) use step::{zero_after_step, zero_pruned, zero_pruned_of};
#[cfg(feature = "pytorch")]
pub(crate) use update::update;
pub(crate) use weights::{Values, visit_weights};
