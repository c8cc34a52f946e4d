//! Products of packed weights by many positions.
//!
//! One loop serves Linear layers over positions and convolutions of any kernel: the sums of a row at a
//! tile of positions stay in registers while its nonzeros are read, each of which adds the inputs that
//! its column reads, times its value. Nothing but the offsets of the columns differs.
//!
//! A vector that is not aligned to 32 bytes takes twice the time to load, and of the columns of a kernel
//! three wide, two cannot be aligned. So those of each horizontal place are summed for themselves, with
//! aligned loads, and the sums are put together with a shift.

mod finish;
mod fours;
mod nonzeros;
mod plain;
mod shifts;
mod sparse;
mod store;
mod tile;
mod tiles;
mod wide;

pub(crate) use fours::product_of_fours;
pub(crate) use nonzeros::{Cut, Nonzeros};
pub(crate) use plain::plain_vector;
pub(crate) use sparse::sparse_product;
