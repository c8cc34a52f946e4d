//! Stories of the sparse engine: models with zeros in them, compiled.

mod bad_input;
mod common;
mod dead_channels;
mod inputs_and_outputs;
mod law;
mod layers;
mod many_threads;
mod nets;
mod odd_models;
mod other_sizes;
mod ours;
mod random_nets;
mod refused;
mod signals;
mod threads;
mod trained;
