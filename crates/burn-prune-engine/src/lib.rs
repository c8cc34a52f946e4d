//! Sparse execution on CPUs: any [Burn](https://burn.dev) model with zeros in it, compiled once, runs
//! with the same outputs and skips the zeros.
//!
//! Pruning sets weights to 0. Dense kernels multiply those zeros like any other number, so a masked
//! model is as slow as before. This crate records the forward pass of a model, packs the weights
//! that are left, and makes a [`SparseEngine`] of it, which runs the same function with kernels of
//! its own. What it has no kernel for, Burn runs.
//!
//! # When should I use this crate?
//!
//! - You have a pruned model, training is over, and you want inference on a CPU to be faster. The
//!   zeros may lie anywhere: single weights, N:M patterns, blocks, whole channels. Where they come
//!   from does not matter; what counts is that a weight is 0.
//! - You have a model without zeros and run it on Burn's flex backend. Norms, biases, activations
//!   and residual sums are fused into the layers, and convolutions need no im2col copies.
//! - You build models by hand and want one sparse layer among dense ones: [`SparseLinear`] and
//!   [`SparseConv2d`] are Burn modules.
//!
//! # When not?
//!
//! - For training: an engine has no gradients, and its weights are fixed. [`SparseLinear`] and
//!   [`SparseConv2d`] pass gradients to the values that are kept, at the speed of dense layers.
//! - On a GPU. Inputs and outputs are on flex.
//! - When whole channels are 0 and you want an ordinary Burn model: `burn_prune_deploy::ShrinkPlan`
//!   cuts them off. An engine takes them out too, but only for itself.
//! - When most of the time goes into operations that Burn runs, see below: they take as long as
//!   before. [`PlanReport::engine_share`] says how much is left for the engine.
//!
//! # An example
//!
//! ```
//! use burn::module::Module;
//! use burn::nn::{Linear, LinearConfig};
//! use burn::tensor::{Device, Tensor, activation::relu};
//! use burn_prune::{Magnitude, Prunable, Pruner};
//! use burn_prune_engine::SparseEngine;
//!
//! #[derive(Module, Debug)]
//! struct Net {
//!     fc1: Linear,
//!     fc2: Linear,
//! }
//!
//! impl Net {
//!     fn forward(&self, x: Tensor<2>) -> Tensor<2> {
//!         self.fc2.forward(relu(self.fc1.forward(x)))
//!     }
//! }
//!
//! let device = Device::flex();
//! let model = Net {
//!     fc1: LinearConfig::new(64, 256).init(&device),
//!     fc2: LinearConfig::new(256, 10).init(&device),
//! };
//! let model = model.prune(&Pruner::new(Magnitude::l1()).to_sparsity(0.9))?;
//!
//! let engine = SparseEngine::compile(&model, Tensor::<2>::ones([1, 64], &device), Net::forward)?;
//! assert_eq!(engine.plan().engine_share(), 1.0);
//!
//! let images = Tensor::<2>::ones([4, 64], &device); // any batch size
//! let expected = model.forward(images.clone());
//! let difference = (engine.run(images)? - expected.clone()).abs().max();
//! let largest = expected.abs().max().into_scalar::<f32>();
//! assert!(difference.into_scalar::<f32>() <= 1e-5 * largest);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it works
//!
//! 1. `burn_prune_deploy::Capture` records the forward pass at two batch sizes, in evaluation mode
//!    and with masks folded in. The engine keeps neither the model nor the closure.
//! 2. The operations become the engine's own where it has kernels for them. BatchNorm, biases,
//!    activations and residual sums go into the product before them. Channels that are always 0 are
//!    taken out.
//! 3. Each weight is packed in the [format](FormatKind) that is fastest for it on the values of the
//!    example, or that a table says ([`FormatChoice`]). [`SparseEngine::plan`] shows what was chosen.
//! 4. For each batch size there is a plan: steps in buffers that are laid out once and used again.
//!    All plans of an engine, and all its clones, share the packed weights.
//! 5. A run divides each large step among threads: those of the rayon pool that it is called in, or
//!    its own ([`SparseEngine::with_threads`]). The bits of the output do not depend on their number.
//!
//! The law that all of this is tested by: each output differs from Burn's by at most `1e-5` of its
//! largest value, or is as near to the result in `f64` as Burn's own is (up to a factor of 2). With
//! values of 16 bits ([`Precision`]) it is `2e-3` for `f16` and `1e-2` for `bf16`.
//!
//! # Limits
//!
//! - **What runs in Burn.** The engine has kernels, in `f32`, for `Linear` and convolutions of one
//!   and two dimensions (with groups, dilation and strides; depthwise too), BatchNorm, pooling,
//!   concatenation, channel slices, up-sampling to the nearest by whole factors, sums, products and
//!   the usual activations. Everything else is run by Burn on flex, one operation at a time:
//!   attention, recurrent layers, transposed convolutions, layer and group norms, other types than
//!   `f32`. These steps use flex's own threads, whatever `with_threads` says. Operations that Burn's
//!   interpreter does not know either are one error that names them all.
//! - **A zero weight is an absent weight.** `0 · inf` and `0 · NaN` do not occur: where an input is
//!   not finite, an output can be a number that is NaN in Burn. Depthwise weights, and those that
//!   are packed densely, do multiply their zeros. Weights that are not finite are refused.
//! - **Batch sizes.** The engine compares the forward pass at two batch sizes and works out the
//!   others. A model whose forward pass takes another branch at a third size is not noticed. Where
//!   the two passes differ by more than sizes, the engine runs the batch size of the example only;
//!   [`SparseEngine::compile_for`] adds others, and other image sizes and lengths.
//! - **Formats are measured**, so two compilations may choose different ones, and outputs may
//!   differ in their last bits. [`FormatChoice::Table`] chooses the same in every build.
//! - **Processors.** AVX-512 and AVX2 are found when the program runs; `target-cpu` need not be
//!   set. Other processors take a portable path without intrinsics. It was not tried on ARM.
//! - **Memory.** Large weights ask the system for large pages on Linux. Elsewhere, and where it
//!   has none, they lie in ordinary ones, and reading them takes longer.

mod activation;
mod engine;
mod error;
mod format;
mod io;
#[allow(unsafe_code)]
mod kernel;
mod layers;
mod layout;
mod plan;
mod run;
mod window;

pub use engine::{EngineBuilder, SparseEngine};
pub use error::EngineError;
pub use format::{FormatKind, Precision};
pub use io::{EngineTensor, EngineTensors};
pub use layers::{SparseConv2d, SparseLinear};
pub use plan::choice::FormatChoice;
pub use plan::report::{PlanReport, PlanStep, PlanWeight, Runner};
