#![doc = include_str!("../README.md")]
//!
//! # How it works
//!
//! A pruned weight is a parameter with a mask attached ([`WeightMask`], a Burn
//! *reparameterization*): what is read is `weight where kept, else 0`. The mask belongs to the
//! parameter, so the model keeps its type, and no training loop, optimizer, checkpoint or device
//! move can forget it. A write to the [`Param`](burn::module::Param) of one field can: see
//! [`MaskGuard`]. Everything else chooses masks, by four independent questions:
//!
//! | question | type | values |
//! |---|---|---|
//! | what is scored | [`Criterion`] | [`Magnitude`], [`Lamp`], [`Random`], your own; [importance](Pruner::importance) instead of the weights |
//! | what goes together | [`Pattern`] | single weights, channels along an [`Axis`], [`Blocks`], [`NM`] |
//! | how much goes where | [`Allocation`] | uniform, global, ERK, by layer; floors |
//! | which parameters | [`Pruner`] | Linear and Conv weights; `include`, `only`, `exclude` |
//!
//! # What counts
//!
//! A fraction is of the units that are *still unpruned*, rounded half to even; a sparsity
//! ([`Pruner::to_sparsity`]) is of all of them. Exactly that many go, also among ties: of equal
//! scores the one with the lower index is kept. Masks only shrink. See [`Amount`], [`Target`].
//!
//! # Training
//!
//! You need not do anything: a pruned weight reads as exactly 0.0 at every step of any loop. What is
//! *stored* under the mask may drift, as momentum and weight decay still reach it. So read weights
//! with [`Param::val`](burn::module::Param::val), and save with
//! [`Prunable::save_masked`] or after [`Prunable::make_permanent`], both of which write zeros.
//!
//! Each read masks the weight again. A loop of your own can keep the zeros in the stored weights
//! instead, with one call after each step: see [`Prunable::with_mask_mode`].
//!
//! [`Pruning`] moves the masks on a [`Schedule`] while the model trains, in Burn's `Learner` or in
//! any other loop.
//!
//! [`lottery`] trains, prunes, rewinds and repeats, with the controls that tickets need.
//!
//! # Backends
//!
//! Masks are packed bits, and one function applies them. With the feature of the backend
//! turned on here (`flex`; `wgpu`, `cuda` and the other CubeCL runtimes) it is a kernel that works
//! in place; on every other backend it is composed of Burn's tensor operations.
//!
//! A parameter that is shared in two places gets the same mask in both and is counted once. Burn's
//! optimizers update only one of the copies, so training tied weights is not promised.
//!
//! # Channels
//!
//! A pruned output channel gives its bias instead of 0, and the BatchNorm after it gives its beta,
//! or what its statistics make of a constant. Pruning channels of weights makes them cheap to
//! remove later; it does not remove them.

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

pub use allocation::{Allocation, AllocationRule, Share, Shares};
pub use amount::{Amount, Target};
pub use criterion::{Criterion, GroupWeights, Lamp, Magnitude, NormScale, Random, Weight};
pub use error::{CoupledError, PruneError};
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
pub use schedule::{Schedule, ScheduleConfig, Span, TrainingLength};
pub use scores::Scores;
#[cfg(feature = "train")]
pub use training::SparsityMetric;
#[cfg(feature = "optim")]
pub use training::{
    AllocationConfig, CriterionConfig, LayerSensitivity, Problem, Pruning, Recipe,
    SensitivityProgress, SensitivityReport, load_optimizer_record, map_optimizer_record,
    map_optimizer_state, reestimate_statistics, reset_moments,
};
