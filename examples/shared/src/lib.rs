//! Data, models and output that examples, tests and benches share.

mod cnn;
mod data;
mod epoch_lines;
mod idx;
#[expect(
    missing_docs,
    reason = "layers are named as in the papers that the nets are from"
)]
pub mod nets;
mod peer;
pub mod pretrained;

pub use cnn::{Cnn, accuracy};
pub use data::{ImageBatch, ImageBatcher, ImageItem, Images, bundled_data};
pub use epoch_lines::EpochLines;
pub use idx::DataError;
pub use peer::Peer;
