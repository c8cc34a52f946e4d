//! Stories of smaller models: what they cost, what is cut, what stays the same.

mod cost;
mod law;
mod random;
mod onnx;
mod optimizer;
mod random_graphs;
mod shared_parameters;
mod shrinking;
