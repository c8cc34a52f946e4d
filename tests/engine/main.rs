//! Stories of the sparse engine: models with zeros in them, compiled.

mod bad_input;
mod common;
mod dead_channels;
mod law;
mod layers;
mod nets;
mod ours;
mod random_nets;
mod signals;
mod threads;
mod trained;
