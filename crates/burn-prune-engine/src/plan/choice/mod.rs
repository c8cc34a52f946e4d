//! Which format each weight is packed in, and which loop computes a product.

mod table;

pub(crate) use table::{format, path};
