//! Products of packed weights by many positions.

mod finish;
mod plain;

pub(crate) use plain::{plain_product, plain_vector};
