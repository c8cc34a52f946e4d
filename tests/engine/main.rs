//! Stories of the sparse engine: models with zeros in them, compiled.

mod bad_input;
mod inputs_and_outputs;
mod layers;
mod many_threads;
mod other_sizes;
mod signals;
mod trained;
