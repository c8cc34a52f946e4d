//! Architectures for the engine, beside those in `examples/shared`: each has layers or settings that
//! none of those has.

mod images;
mod signals;

pub(crate) use images::{Dilated, Gates, Mixed, Pools, Transposed};
pub(crate) use signals::{Layers, Recurrent, Signal};
