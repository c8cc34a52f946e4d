//! Walking a Burn model: what parameters it has, reading their weights, attaching masks.

mod attach;
mod inventory;
mod weights;

pub(crate) use attach::{attach, zero_pruned};
pub(crate) use inventory::{Inventory, Parameter};
pub(crate) use weights::{Values, visit_weights};
