//! Stories of smaller models: what they cost, what is cut, what stays the same.

mod bad_input;
mod common;
mod cost;
mod division;
mod gradients;
mod groups;
mod law;
mod onnx;
mod optimizer;
mod plan;
mod pruner;
mod random;
mod random_graphs;
mod shared_parameters;
mod shrinking;
mod zeros;
