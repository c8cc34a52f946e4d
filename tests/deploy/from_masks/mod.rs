//! Any masks become cuts: what is cut computes what the masked model does.

mod copies;
mod layers;
mod nets;
mod parts;
mod precision;
mod random_masks;
mod stories;

pub(crate) use random_masks::Masker;
