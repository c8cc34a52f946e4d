//! Data and models that the example programs share.

mod cnn;
mod data;
mod idx;

pub use cnn::{Cnn, accuracy};
pub use data::{ImageBatch, ImageBatcher, ImageItem, Images, bundled_data};
pub use idx::DataError;
