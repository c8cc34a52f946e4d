//! Makes pruned networks smaller: cuts channels off any [Burn](https://burn.dev) model, without
//! changing what it computes.
//!
//! [`burn_prune`] puts masks on weights. A masked weight is 0, but it is still stored and
//! multiplied with, so the model is as large and as slow as before. This crate takes what a mask
//! removes as a whole, the output channels of a convolution or the hidden features of a linear layer,
//! out of all parameters that make, scale, shift or read it. What is left is a dense model of
//! the same Rust type that runs faster on any hardware.
//!
//! # When should I use this crate?
//!
//! - You want a smaller or faster network, and can train it for some more epochs: prune whole
//!   channels, fine-tune, cut.
//! - You want to know what a model costs, layer by layer, before and after: see [`Cost`]. The cost
//!   of a masked model also says what would be saved if zeros could be skipped.
//! - You have masks, a lottery ticket for instance, and wonder what of it can be cut: see
//!   [`Selection::from_masks`].
//! - You have a plan and the weights of a small model in files, and want to load them: see
//!   [`ShrinkPlan::apply`].
//!
//! # When not?
//!
//! - Single weights, N:M patterns and blocks stay masks. Nothing of them can be cut, unless
//!   they happen to leave a channel without any weight. They make a model smaller in a compressed
//!   file, and faster where zeros are skipped: `burn-prune-engine` does so on CPUs.
//! - A forward pass that looks at the values of its tensors to decide what to do cannot be
//!   captured, nor can an operation be cut through that this crate does not know: it is an error that
//!   names the operation.
//! - The channels that run through a LayerNorm or a residual stream of a Transformer, and the heads
//!   of Burn's `MultiHeadAttention`, stay. Its feed-forward layers can be cut. [`Groups::frozen`]
//!   lists everything that stays, with the reason.
//! - It does not train, quantize or compile. What it leaves is an ordinary Burn model.
//!
//! # An example
//!
//! ```
//! use burn::module::Module;
//! use burn::nn::{Linear, LinearConfig};
//! use burn::tensor::{Device, Tensor, activation::relu};
//! use burn_prune::{Magnitude, Prunable, Pruner};
//! use burn_prune_deploy::{Graph, Selection};
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
//!     fc1: LinearConfig::new(8, 32).init(&device),
//!     fc2: LinearConfig::new(32, 4).init(&device),
//! };
//! let example = Tensor::<2>::ones([1, 8], &device);
//!
//! let graph = Graph::capture(&model, example.clone(), Net::forward)?;
//! assert_eq!(graph.cost().multiply_adds(), 8 * 32 + 32 * 4);
//!
//! let groups = graph.groups()?;
//! let pruner = Pruner::new(Magnitude::l2()).pattern(groups.pattern()).amount(0.5);
//! let masked = model.prune(&pruner)?;
//! // ... fine-tuning under the masks ...
//! let selection = Selection::from_masks(&groups, &masked.masks())?;
//! let small = selection.plan().shrink(&masked, example.clone(), Net::forward)?;
//! assert_eq!(small.fc1.weight.dims(), [8, 16]);
//!
//! let difference = small.forward(example.clone()) - masked.forward(example);
//! assert!(difference.abs().max().into_scalar::<f32>() < 1e-5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it works
//!
//! 1. [`Graph::capture`] runs the forward pass on Burn's capture device, where nothing is computed,
//!    and writes its operations down. It runs twice, with another batch size, so that sizes which
//!    follow the batch are not mistaken for channels.
//! 2. [`Graph::groups`] follows the channels through the operations and finds what can only be
//!    removed together (Fang et al. 2023, "DepGraph"). Names and types of layers do not matter. Where
//!    a masked channel would not be harmless, behind a logarithm or as a divisor, it stays.
//! 3. [`Groups::pattern`] gives the groups to a [`Pruner`](burn_prune::Pruner). From here on they are
//!    pruned as anything else: by any criterion, at once or on a schedule, with floors and exclusions.
//!    Only a goal that needs the graph comes from here: [`Groups::multiply_adds`],
//!    [`Groups::parameters`] and [`Groups::multiple_of`].
//! 4. [`Selection::from_masks`] turns masks back into units: those that can be cut without changing
//!    the outputs, and those that cannot, with the reason.
//! 5. [`ShrinkPlan::shrink`] cuts the model, captures the result and compares its graph with the
//!    planned one, so that a size in a field or in code that was forgotten is an error and not a wrong
//!    result. [`ShrinkPlan::shrink_optimizer`] and [`ShrinkPlan::shrink_checkpoint`] cut what an
//!    optimizer knows, so that training goes on.
//!
//! The law that all of this is tested by: the small model computes what the masked one does.

mod cost;
mod error;
mod goals;
mod graph;
mod groups;
mod layers;
#[cfg(feature = "onnx")]
mod onnx;
mod selection;
mod shrink;

pub use cost::{Cost, LayerCost};
pub use error::DeployError;
pub use graph::{
    Along, AxisSize, Batch, Capture, CapturedParameter, Creation, Elementwise, Graph, GraphTensors,
    Number, Operation, OperationClass, OperationId, OperationKind, OtherPass, Padding, Parameter,
    ParameterId, ParameterValues, Reduction, Role, Sizes, Spatial, TensorId, TensorInfo,
    TensorKind,
};
pub use groups::{Frozen, GradientHazard, Group, GroupMember, Groups, Member, Unit};
pub use layers::DepthwiseConv2d;
#[cfg(feature = "onnx")]
pub use onnx::export_onnx;
pub use selection::{
    ConstantUnit, Disagreement, Folding, Selection, SentConstant, UnitMember, UnitName,
};
pub use shrink::{AxisCut, Constant, FieldEdit, Fold, FoldInto, FoldKind, FoldTerm, ShrinkPlan};
