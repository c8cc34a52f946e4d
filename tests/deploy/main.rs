//! Stories of smaller models: what they cost, what is cut, what stays the same.

mod cost;
mod law;
mod nets;
mod onnx;
mod random_graphs;
mod shrinking;
