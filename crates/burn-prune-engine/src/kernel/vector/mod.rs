//! Products of weights by one position: bound by the memory that the weights are in.
//!
//! A weight here owns its memory and is made row by row, so that its parts always fit together: the
//! loops rely on it. They give the sums of some rows; [`store_vector`] makes outputs of them.

mod bit_rows;
mod blocked;
mod delta_rows;
#[cfg(target_arch = "x86_64")]
mod gather;
mod input_lists;
mod input_rows;
mod nonzeros;
mod panels;
mod store;

pub(crate) use bit_rows::BitRows;
pub(crate) use blocked::{blocked_sums, blocked4_sums};
pub(crate) use delta_rows::DeltaRows;
pub(crate) use input_lists::InputLists;
pub(crate) use input_rows::InputRows;
pub(crate) use panels::panel_sums;
pub(crate) use store::store_vector;
