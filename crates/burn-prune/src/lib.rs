//! burn-prune makes models of the [Burn](https://burn.dev) deep learning framework sparse, and keeps
//! them sparse while they train.
//!
//! A pruned weight is a parameter with a mask attached ([`WeightMask`], a Burn *reparameterization*):
//! what is read is `weight where kept, else 0`. The mask belongs to the parameter, so the model keeps
//! its type, and no training loop, optimizer, checkpoint or device move brings a pruned weight back. A
//! write to the [`Param`](burn::module::Param) of one field can drop a mask; [`MaskGuard`] says how
//! to notice.
//!
//! # Quick examples
//!
//! [`Prunable`] is implemented for every Burn module: a layer, a model, or a part of one. Import it to
//! call its methods. This prunes the 30 % of weights with the smallest absolute value:
//!
//! ```
//! use burn::{nn::conv::Conv2dConfig, tensor::Device};
//! use burn_prune::Prunable;
//!
//! let layer = Conv2dConfig::new([3, 32], [3, 3]).init(&Device::flex());
//! let layer = layer.l1_unstructured(0.3)?;
//! let report = layer.sparsity_report();
//! assert_eq!(report.zeros(), 259); // of 864, as in PyTorch
//! # Ok::<(), burn_prune::PruneError>(())
//! ```
//!
//! The zeros stay while the layer trains, without a change to the loop:
//!
//! ```
//! use burn::nn::LinearConfig;
//! use burn::optim::{AdamConfig, GradientsParams};
//! use burn::tensor::{Device, Tensor};
//! use burn_prune::Prunable;
//!
//! let device = Device::flex().autodiff();
//! let mut layer = LinearConfig::new(8, 4).init(&device).l1_unstructured(0.5)?;
//! let mut optimizer = AdamConfig::new().init();
//! for _ in 0..3 {
//!     let loss = layer.forward(Tensor::<2>::ones([2, 8], &device)).square().sum();
//!     let grads = GradientsParams::from_grads(loss.backward(), &layer);
//!     layer = optimizer.step(0.1, layer, grads);
//! }
//! assert_eq!(layer.sparsity_report().zeros(), 16);
//! # Ok::<(), burn_prune::PruneError>(())
//! ```
//!
//! A [`Pruner`] chooses in detail. This one takes the smallest weights of the whole model and leaves
//! the second layer alone:
//!
//! ```
//! use burn::{module::ParamGroup, nn::LinearConfig, tensor::Device};
//! use burn_prune::{Allocation, Magnitude, Prunable, Pruner};
//!
//! let device = Device::flex();
//! let layers = [8, 4, 8].map(|inputs| LinearConfig::new(inputs, 8).init(&device));
//! let pruner = Pruner::new(Magnitude::l1())
//!     .allocation(Allocation::Global)
//!     .exclude(ParamGroup::from_path("1.weight"))
//!     .to_sparsity(0.75);
//! let layers = layers.prune(&pruner)?;
//! assert_eq!(layers.sparsity_report().zeros(), 96); // of the 128 in the first and the last
//! # Ok::<(), burn_prune::PruneError>(())
//! ```
//!
//! # Should I use this crate?
//!
//! Use it when
//!
//! - you want a Burn model with fewer weights that count, at once or on a schedule, in Burn's
//!   `Learner` or in a loop of your own;
//! - you study sparsity: lottery tickets, rewinding, what each layer can lose, a criterion of your
//!   own against the known ones;
//! - you move code over from `torch.nn.utils.prune` and want the same masks on the same input;
//! - you want a smaller and faster model: this crate chooses the channels and keeps them at zero
//!   while the model is fine-tuned, and `burn-prune-deploy` then cuts them off;
//! - you want inference on a CPU to be faster with zeros anywhere: `burn-prune-engine` compiles a
//!   pruned model so that its zeros are skipped.
//!
//! Do not use it when
//!
//! - you expect speed from masks alone. A masked model is neither smaller nor faster: its zeros are
//!   stored and multiplied like any other weight. A sparsity of 90 % says that 90 % of the weights
//!   are zero, not that they are gone;
//! - a smaller file is all that you need. Quantizing to 8 bits with Burn's `Quantizer` makes it
//!   almost four times smaller without any training. The two combine: prune first, make it permanent,
//!   quantize last;
//! - the weights are quantized already or carry a LoRA adapter. Burn allows one reparameterization
//!   per parameter, and masks on such weights are refused.
//!
//! # Choosing masks
//!
//! A [`Pruner`] answers five questions. The answers are independent of each other, and a published
//! method is one choice of each.
//!
//! | question | type | values |
//! |---|---|---|
//! | what is scored | [`Criterion`] | [`Magnitude`], [`Lamp`], [`Random`], [`NormScale`], your own; [importance](Pruner::importance) instead of the weights |
//! | what is pruned as a whole | [`Pattern`] | single weights, channels along an [`Axis`], [`Blocks`], [`NM`], [`CoupledChannels`] |
//! | how much goes where | [`Allocation`] | uniform, global, ERK, per layer, [your own](AllocationRule); with [floors](Pruner::min_density) |
//! | how much | [`Amount`], [`Target`] | a fraction or a number of what is left; a final sparsity |
//! | which parameters | [`Pruner`] | weights of Linear and convolution layers; `include`, `only`, `exclude` |
//!
//! A fraction counts the units that are *still unpruned* and is rounded half to even. A sparsity
//! ([`Pruner::to_sparsity`]) counts all of them. Exactly that many are pruned, also when scores are
//! equal: of equal scores the one with the lower index is kept. Masks only shrink. The same weights
//! and the same seed give the same masks on every backend and with any number of threads.
//!
//! A refused call changes nothing, and its error gives the model back ([`Rejected`]).
//!
//! # Training
//!
//! You need to do nothing: a pruned weight reads as exactly 0.0 at every step of any loop. What is
//! *stored* under the mask may drift, because momentum and weight decay still reach it. So read
//! weights with [`Param::val`](burn::module::Param::val), and save with [`Prunable::save_masked`] or
//! after [`Prunable::make_permanent`], both of which write zeros.
//!
//! Each read masks the weight anew. With [`Prunable::with_mask_mode`] a loop of your own keeps the
//! zeros in the stored weights instead, with one call after each step.
//!
//! [`Pruning`] moves the masks on a [`Schedule`] while the model trains, in Burn's `Learner` or in
//! any other loop, and its checkpoints resume. [`Recipe`] is the same as a JSON file. [`lottery`]
//! trains, prunes, rewinds and repeats, with the controls that tickets need.
//!
//! # Channels
//!
//! A pruned output channel of one weight still contributes its bias, and the BatchNorm after it still
//! contributes its shift. To make channels removable, prune them as [`CoupledChannels`]: in all
//! parameters that make, scale, shift or read them. `burn-prune-deploy` finds them from the forward
//! pass of a model and cuts them off.
//!
//! # Shared parameters
//!
//! A parameter that is shared between two places of a model gets the same mask in both and counts
//! once. Burn's optimizers update only one of the copies, so training tied weights is not promised.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `optim` (default) | schedules, recipes, [`Pruning`], work on optimizer state |
//! | `train` | [`Pruning`] in Burn's `Learner`, [`SparsityMetric`] |
//! | `lottery` | [`lottery`] |
//! | `plot` | SVG and PNG plots |
//! | `pytorch` | `load_pytorch`, for state dicts of PyTorch |
//! | `flex`, `wgpu`, `cuda`, `metal`, `rocm`, `vulkan`, `webgpu`, `cpu` | mask kernels of that backend |
//!
//! No backend is on by default: turn it on in Burn, and here under the same name. Masks are packed
//! bits, and one function puts their zeros in. With the backend's feature it is a kernel that works
//! in place; otherwise it is composed of Burn's tensor operations, which is slower and gives the same
//! masks.

mod allocation;
mod amount;
mod criterion;
mod digest;
mod error;
mod exact_float;
pub mod files;
mod guard;
mod identity;
#[cfg(feature = "lottery")]
pub mod lottery;
mod mask;
mod model;
mod param_groups;
mod pattern;
#[cfg(feature = "plot")]
pub mod plot;
mod prunable;
mod pruner;
mod ranking;
mod read_back;
mod record;
mod rejected;
mod report;
#[cfg(feature = "optim")]
mod schedule;
mod scores;
mod table;
#[cfg(feature = "optim")]
mod training;
mod unique_fields;

pub use allocation::{Allocation, AllocationRule, Share, Shares};
pub use amount::{Amount, Target};
pub use criterion::{Criterion, GroupWeights, Lamp, Magnitude, NormScale, Random, Weight};
pub use error::{CoupledError, PruneError, StoredError};
pub use guard::MaskGuard;
pub use identity::{Identity, differences};
pub use mask::{Mask, MaskDiff, MaskMode, MaskSet, ParameterDiff, Skipped, WeightMask};
pub use model::{running_statistics, shared_parameters};
pub use pattern::{
    Axis, Blocks, CoupledChannels, CoupledGroup, CoupledMember, MemberRole, NM, Pattern, Pooling,
    Units, WeightAxes,
};
pub use prunable::Prunable;
pub use pruner::Pruner;
pub use ranking::Normalize;
pub use rejected::Rejected;
pub use report::{ChannelSparsity, ParameterSparsity, SparsityReport};
#[cfg(feature = "optim")]
pub use schedule::{At, Schedule, ScheduleConfig, Span, TrainingLength};
pub use scores::Scores;
#[cfg(feature = "train")]
pub use training::SparsityMetric;
#[cfg(feature = "optim")]
pub use training::{
    LayerSensitivity, Problem, Pruning, Recipe, SensitivityProgress, SensitivityReport,
    load_optimizer_record, map_optimizer_record, map_optimizer_state, reestimate_statistics,
    reset_moments,
};
