//! What comes after masks: the graph of a model, what it costs, and channels that are really gone.
//!
//! A mask makes weights zero; the model is as large and as slow as before. This crate takes any
//! Burn model, whatever its layers are called, and
//!
//! 1. runs its forward pass on Burn's capture device, where nothing is computed, which gives a
//!    [`Graph`],
//! 2. counts what it costs: multiply-adds, parameters, bytes ([`Cost`]),
//! 3. finds out which channels of which parameters must go together ([`Groups`], the dependency
//!    graph of Fang et al. 2023),
//! 4. gives them to a [`Pruner`](burn_prune::Pruner) as its pattern ([`Groups::pattern`]), so that
//!    they are pruned and trained on under masks as anything else,
//! 5. finds out what the masks remove as a whole ([`Selection`]),
//! 6. and cuts them off ([`ShrinkPlan`]): smaller tensors in the same Rust type, with the same
//!    outputs as under the masks.
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
    Along, AxisSize, Batch, Creation, Elementwise, Graph, GraphTensors, Number, Operation,
    OperationClass, OperationId, OperationKind, Padding, Parameter, ParameterId, ParameterValues,
    Reduction, Role, Sizes, Spatial, TensorId, TensorInfo, TensorKind,
};
pub use groups::{Frozen, GradientHazard, Group, GroupMember, Groups, Member, Unit};
pub use layers::DepthwiseConv2d;
#[cfg(feature = "onnx")]
pub use onnx::export_onnx;
pub use selection::{
    ConstantUnit, Disagreement, Folding, Selection, SentConstant, UnitMember, UnitName,
};
pub use shrink::{AxisCut, Constant, FieldEdit, Fold, FoldInto, FoldKind, FoldTerm, ShrinkPlan};
