//! Any masks become cuts: what is cut computes what the masked model does.

mod layers;
mod nets;
mod random_masks;
mod stories;

pub(crate) use random_masks::Masker;
