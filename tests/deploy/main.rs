//! Stories of smaller models: what they cost, what is cut, what stays the same.

mod bad_input;
mod batch_views;
mod batches;
mod capture_devices;
mod clones;
mod common;
mod cost;
mod division;
mod floors;
mod gradients;
mod groups;
mod importance;
mod law;
mod layouts;
mod onnx;
mod optimizer;
mod plan;
mod pruner;
mod random;
mod random_graphs;
mod shared_parameters;
mod shrinking;
mod size_nets;
mod sizes;
mod unseen;
mod zeros;
