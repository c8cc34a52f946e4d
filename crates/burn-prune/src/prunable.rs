//! The trait that gives every Burn module the methods of this crate, each of which is a line here.

use std::path::Path;

#[cfg(feature = "optim")]
use burn::module::ModuleDisplay;
#[cfg(feature = "optim")]
use burn::optim::GradientsParams;
use burn::{module::Module, store::ModuleRecord};

use crate::allocation::Allocation;
use crate::amount::Amount;
use crate::criterion::{Criterion, Magnitude, Random};
use crate::error::PruneError;
use crate::mask::{MaskMode, MaskSet};
use crate::model::{self, Inventory, ModelReading};
use crate::pattern::{Axis, Pattern};
use crate::pruner::Pruner;
use crate::record;
use crate::rejected::Rejected;
use crate::report::SparsityReport;

/// Pruning for every Burn [`Module`]: a layer, a model, or any part of one.
///
/// Methods that take the module by value give it back unchanged in their error ([`Rejected`]). All
/// that prune fail as [`Pruner::masks`] does.
///
/// ```
/// use burn::{nn::conv::Conv2dConfig, tensor::Device};
/// use burn_prune::Prunable;
///
/// let layer = Conv2dConfig::new([3, 32], [3, 3]).init(&Device::flex());
/// let layer = layer.l1_unstructured(0.3)?;
///
/// let report = layer.sparsity_report();
/// assert_eq!(format!("{:.2}%", 100.0 * report.sparsity()), "29.98%");
/// # Ok::<(), burn_prune::PruneError>(())
/// ```
pub trait Prunable: Module {
    /// Prunes the module: [`Pruner::masks`] and [`with_masks`](Self::with_masks) in one.
    ///
    /// A second call prunes further; what is pruned stays pruned.
    ///
    /// # Errors
    /// As [`Pruner::masks`].
    fn prune(self, pruner: &Pruner) -> Result<Self, Rejected<Self>> {
        pruner.prune(self)
    }

    /// Attaches masks: those a [`Pruner`] chose, or your own.
    ///
    /// Each is intersected with the mask that is there. A mask that keeps everything changes no
    /// weight, but marks its parameter as pruned. Stored weights and parameter ids stay as they are;
    /// a lazy parameter is initialized. A shared parameter gets the mask at all its places, whichever
    /// path names it: see [`Pruner::masks`]. Existing masks are not read back, and weights only
    /// where several places have one parameter id.
    ///
    /// # Errors
    /// An empty set, a path without a parameter, a wrong shape, or a parameter that cannot carry a
    /// mask because it is quantized, has a LoRA adapter or is a running statistic.
    ///
    /// ```
    /// use burn::{nn::LinearConfig, tensor::Device};
    /// use burn_prune::{Mask, MaskSet, Prunable};
    ///
    /// let mut masks = MaskSet::new();
    /// masks.insert("weight", Mask::from_kept([1, 2], &[false, true])?);
    /// let layer = LinearConfig::new(1, 2).init(&Device::flex()).with_masks(&masks)?;
    ///
    /// let weights = layer.weight.val().try_into_vec_as::<f32>().unwrap();
    /// assert!(weights[0] == 0.0 && weights[1] != 0.0);
    /// # Ok::<(), burn_prune::PruneError>(())
    /// ```
    fn with_masks(self, masks: &MaskSet) -> Result<Self, Rejected<Self>> {
        model::with_masks(self, masks)
    }

    /// Sets when weights are zeroed: each time they are read, or after each step.
    ///
    /// [On read](MaskMode::OnRead) is the default and asks nothing of the training loop, but each
    /// step masks every weight and its gradient again, into new memory. After the step, the stored
    /// weights themselves are zero, and the loop keeps them so with one call:
    ///
    /// ```
    /// use burn::{nn::{Linear, LinearConfig}, optim::{GradientsParams, SgdConfig}};
    /// use burn::tensor::{Device, Tensor};
    /// use burn_prune::{MaskMode, Prunable};
    ///
    /// let device = Device::flex().autodiff();
    /// let layer: Linear = LinearConfig::new(8, 4).init(&device).l1_unstructured(0.5)?;
    /// let mut layer = layer.with_mask_mode(MaskMode::AfterStep)?;
    ///
    /// let mut optimizer = SgdConfig::new().init();
    /// for _ in 0..3 {
    ///     let loss = layer.forward(Tensor::<2>::ones([2, 8], &device)).sum();
    ///     let grads = GradientsParams::from_grads(loss.backward(), &layer);
    ///     // SGD does not need this.
    ///     let grads = layer.zero_pruned_gradients(grads);
    ///     let gradient = grads.get::<2>(layer.weight.id).unwrap().into_data();
    ///     assert_eq!(gradient.iter::<f32>().filter(|g| *g == 0.0).count(), 16);
    ///     layer = optimizer.step(0.1, layer, grads).zero_pruned();
    /// }
    /// assert_eq!(layer.sparsity_report().zeros(), 16);
    /// # Ok::<(), burn_prune::PruneError>(())
    /// ```
    ///
    /// With an optimizer that updates each weight by itself (SGD, Adam, AdamW, ..), the weights are
    /// the same as on read, bit for bit. Clipping by norm, LAMB, Adafactor, Muon and L-BFGS combine
    /// the entries of a tensor: call [`zero_pruned_gradients`](Self::zero_pruned_gradients) before
    /// the step. Masks that are attached later get the same mode. Parameter ids stay, so an
    /// optimizer stays valid.
    ///
    /// # Errors
    /// When there are no masks, or when another parameter carries a LoRA adapter or any other
    /// reparameterization: Burn would merge it into its weight as well.
    fn with_mask_mode(self, mode: MaskMode) -> Result<Self, Rejected<Self>> {
        model::with_mask_mode(self, mode)
    }

    /// Zeroes the stored weights that are pruned, in place and at memory speed: the call after each
    /// optimizer step in [`MaskMode::AfterStep`].
    ///
    /// From then on these weights are read as they are stored, until something else walks over the
    /// module: an optimizer, a loaded record, [`freeze`](Module::freeze), a mapper of your own. After
    /// that they are masked on read, so a forgotten call costs time and nothing else. In
    /// [`MaskMode::OnRead`] no read changes. Reads nothing back.
    #[must_use]
    fn zero_pruned(self) -> Self {
        model::zero_pruned(self)
    }

    /// Zeroes the gradients of pruned weights, in place: the call before a step that clips by norm,
    /// or whose optimizer combines the entries of a tensor, in [`MaskMode::AfterStep`].
    ///
    /// Gradients are known by parameter id. If several places with one id are trained, a gradient
    /// is zeroed where all of them are pruned, so that no kept weight loses its gradient;
    /// [`with_fresh_ids`](Self::with_fresh_ids) makes it exact. See
    /// [`with_mask_mode`](Self::with_mask_mode) for an example.
    #[cfg(feature = "optim")]
    #[must_use]
    fn zero_pruned_gradients(&self, grads: GradientsParams) -> GradientsParams {
        model::zero_pruned_gradients(self, grads)
    }

    /// Replaces the masks that are there, so that weights can come back.
    ///
    /// For methods that regrow. A weight that comes back starts at 0, whatever was stored under its
    /// mask; [`reset_moments`](crate::reset_moments) makes an optimizer forget it. Parameters that
    /// the set does not name keep their masks.
    ///
    /// # Errors
    /// As [`with_masks`](Self::with_masks), and when a shared parameter gets different masks under
    /// different paths.
    ///
    /// ```
    /// use burn::{nn::LinearConfig, tensor::Device};
    /// use burn_prune::{Mask, MaskSet, Prunable};
    ///
    /// let set = |kept: [bool; 2]| MaskSet::from_iter([("weight".to_string(), Mask::from_kept([1, 2], &kept).unwrap())]);
    /// let layer = LinearConfig::new(1, 2).init(&Device::flex()).with_masks(&set([false, true]))?;
    /// let layer = layer.replace_masks(&set([true, false]))?;
    /// assert_eq!(layer.masks(), set([true, false]));
    /// assert_eq!(layer.weight.val().try_into_vec_as::<f32>().unwrap(), [0.0, 0.0]);
    /// # Ok::<(), burn_prune::PruneError>(())
    /// ```
    fn replace_masks(self, masks: &MaskSet) -> Result<Self, Rejected<Self>> {
        model::replace_masks(self, masks)
    }

    /// The masks that are attached, in module order. Reads them back from the device, once.
    fn masks(&self) -> MaskSet {
        ModelReading::of_masks(self).masks()
    }

    /// Whether any parameter has a mask, even one that keeps everything. Reads nothing back.
    fn is_pruned(&self) -> bool {
        Inventory::of(self).is_masked()
    }

    /// Writes the zeros into the weights and removes the masks. This cannot be undone.
    ///
    /// Parameter ids stay, so an optimizer stays valid. The module is an ordinary one again: training
    /// will move the zeros.
    ///
    /// # Errors
    /// As [`with_mask_mode`](Self::with_mask_mode).
    fn make_permanent(self) -> Result<Self, Rejected<Self>> {
        model::make_permanent(self)
    }

    /// Gives every parameter a new id, and leaves everything else as it is, masks too.
    ///
    /// Burn's optimizers know parameters by their id. Clones, and models loaded from one file, have
    /// the same ids; if they are trained as parts of one module, one gets the gradient of the other.
    /// So give one of them new ids before you join them.
    ///
    /// A parameter that is shared between several places of this module (the same id and equal
    /// weights, or one mask) gets one new id at all of them. Optimizer state and gradients from
    /// before do not fit any more. Running statistics keep their ids.
    ///
    /// ```
    /// use burn::{nn::{Linear, LinearConfig}, tensor::Device};
    /// use burn_prune::Prunable;
    ///
    /// let teacher: Linear = LinearConfig::new(8, 4).init(&Device::flex());
    /// let student = teacher.clone().with_fresh_ids();
    /// assert_ne!(student.weight.id, teacher.weight.id);
    /// assert_eq!(student.weight.val().into_data(), teacher.weight.val().into_data());
    /// ```
    #[must_use]
    fn with_fresh_ids(self) -> Self {
        model::with_fresh_ids(self)
    }

    /// Removes the masks without writing their zeros: the weights are what was stored under the
    /// masks, bit for bit.
    ///
    /// For masks that were attached by mistake. In the default [mode](MaskMode::OnRead) pruned
    /// weights come back as the optimizer left them; in [`MaskMode::AfterStep`] they were zeroed,
    /// and stay zero. Parameter ids stay, so an optimizer stays valid.
    ///
    /// # Errors
    /// As [`with_mask_mode`](Self::with_mask_mode).
    fn detach_masks(self) -> Result<Self, Rejected<Self>> {
        model::detach_masks(self)
    }

    /// How sparse the module is, by parameter and in total: the zeros that a forward pass reads.
    /// Reads the weights back from the device, once.
    fn sparsity_report(&self) -> SparsityReport {
        SparsityReport::of(self)
    }

    /// [Prunes](Self::prune) the weights with the smallest absolute value, the same amount in each
    /// layer.
    fn l1_unstructured(self, amount: impl Into<Amount>) -> Result<Self, Rejected<Self>> {
        self.prune(&Pruner::new(Magnitude::l1()).amount(amount))
    }

    /// [Prunes](Self::prune) weights at random, the same amount in each layer.
    fn random_unstructured(
        self,
        amount: impl Into<Amount>,
        seed: u64,
    ) -> Result<Self, Rejected<Self>> {
        self.prune(&Pruner::new(Random::new(seed)).amount(amount))
    }

    /// [Prunes](Self::prune) the channels with the smallest `L_n` norm, the same amount in each layer.
    fn ln_structured(
        self,
        amount: impl Into<Amount>,
        n: f64,
        axis: Axis,
    ) -> Result<Self, Rejected<Self>> {
        let pruner = Pruner::new(Magnitude::ln(n)).pattern(Pattern::Channels(axis));
        self.prune(&pruner.amount(amount))
    }

    /// [Prunes](Self::prune) channels at random, the same amount in each layer.
    fn random_structured(
        self,
        amount: impl Into<Amount>,
        axis: Axis,
        seed: u64,
    ) -> Result<Self, Rejected<Self>> {
        let pruner = Pruner::new(Random::new(seed)).pattern(Pattern::Channels(axis));
        self.prune(&pruner.amount(amount))
    }

    /// [Prunes](Self::prune) the weights with the lowest scores of the whole module, ranked together.
    fn global_unstructured(
        self,
        criterion: impl Criterion + 'static,
        amount: impl Into<Amount>,
    ) -> Result<Self, Rejected<Self>> {
        let pruner = Pruner::new(criterion).allocation(Allocation::Global);
        self.prune(&pruner.amount(amount))
    }

    /// A record of the weights and their masks, with exact zeros under the masks.
    ///
    /// Burn's own [`into_record`](Module::into_record) keeps what is stored under a mask, which
    /// momentum or weight decay may have moved. This record loads into a module of the same shape
    /// with [`load_masked_record`](Self::load_masked_record). Plain Burn refuses it and lists the
    /// masks as unused, or, if unused tensors are allowed, loads a dense module with the same outputs.
    ///
    /// ```
    /// use burn::{nn::LinearConfig, tensor::Device};
    /// use burn_prune::Prunable;
    ///
    /// let config = LinearConfig::new(8, 8);
    /// let layer = config.init(&Device::flex()).l1_unstructured(0.5)?;
    /// let loaded = config.init(&Device::flex()).load_masked_record(layer.masked_record())?;
    /// assert_eq!(loaded.masks(), layer.masks());
    /// assert_eq!(loaded.weight.val().into_data(), layer.weight.val().into_data());
    /// # Ok::<(), burn_prune::PruneError>(())
    /// ```
    fn masked_record(&self) -> ModuleRecord {
        record::masked(self)
    }

    /// Loads a record, and attaches the masks in it.
    ///
    /// Also loads a record of a module without masks, and one that Burn made of a masked module (a
    /// checkpoint of `Learner`), from any backend and device. As with Burn's `load_record`, floats
    /// keep the type of the record (`f16` weights make an `f16` module), unless it is told to
    /// [cast](ModuleRecord::cast_to_module_dtype).
    ///
    /// # Errors
    /// When the record does not fit: missing or unused tensors, other shapes, or a mask here that
    /// the record does not have.
    fn load_masked_record(self, record: ModuleRecord) -> Result<Self, Rejected<Self>> {
        record::load(self, record)
    }

    /// Writes [`masked_record`](Self::masked_record) to a file, `.bpk` when the name has no
    /// extension.
    ///
    /// The file has a SHA-256 of its content, which [`load_masked`](Self::load_masked) checks and
    /// plain Burn ignores. It is written [whole or not at all](crate::files::write).
    ///
    /// # Errors
    /// When the file cannot be written.
    fn save_masked(&self, path: impl AsRef<Path>) -> Result<(), PruneError> {
        record::save_file(self, path.as_ref())
    }

    /// Loads a file that [`save_masked`](Self::save_masked) or plain Burn wrote.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged, and as
    /// [`load_masked_record`](Self::load_masked_record). In files of plain Burn, such as checkpoints
    /// of `Learner`, damage is found only if the record then does not fit.
    fn load_masked(self, path: impl AsRef<Path>) -> Result<Self, Rejected<Self>> {
        record::load_file(self, path.as_ref())
    }

    /// Restores earlier weights under the masks: those of a record of this model, or of the plain
    /// model that it was (Frankle and Carbin 2019, "The Lottery Ticket Hypothesis").
    ///
    /// All weights, biases and running statistics are restored. Masks, mask mode, parameter ids,
    /// float types and integers stay as they are, and masks in the record are ignored. Weights of a
    /// narrower type are cast (`f16` to `f32`), which is exact. Clones of the model share its running
    /// statistics, so theirs change too.
    ///
    /// # Errors
    /// When the record does not fit: missing or unused tensors, other shapes, or floats of a type
    /// that would be rounded ([`PruneError::RecordType`]), unless the record was told to
    /// [cast](ModuleRecord::cast_to_module_dtype).
    ///
    /// ```
    /// use burn::{module::Module, nn::LinearConfig, tensor::Device};
    /// use burn_prune::Prunable;
    ///
    /// let config = LinearConfig::new(4, 4);
    /// let start = config.init(&Device::flex());
    /// // Your training goes here.
    /// let trained = config.init(&Device::flex()).l1_unstructured(0.5)?;
    /// let ticket = trained.clone().rewind(start.clone().into_record())?;
    /// assert_eq!(ticket.masks(), trained.masks());
    ///
    /// let pruned_at_start = start.with_masks(&trained.masks())?;
    /// assert_eq!(ticket.weight.val().into_data(), pruned_at_start.weight.val().into_data());
    /// # Ok::<(), burn_prune::PruneError>(())
    /// ```
    fn rewind(self, record: ModuleRecord) -> Result<Self, Rejected<Self>> {
        record::rewind(self, record)
    }

    /// Loads the model file of a checkpoint (`model-3.bpk`) of a `Learner` of this model, or of a
    /// [`Pruning`](crate::Pruning) around it: weights, statistics and masks.
    ///
    /// # Errors
    /// As [`load_masked`](Self::load_masked).
    #[cfg(feature = "optim")]
    fn load_checkpoint(self, path: impl AsRef<Path>) -> Result<Self, Rejected<Self>>
    where
        Self: ModuleDisplay,
    {
        crate::training::load_checkpoint(self, path.as_ref())
    }

    /// Loads a PyTorch state dict, with the masks that `torch.nn.utils.prune` left in it.
    ///
    /// `fc1.weight_orig` and `fc1.weight_mask` become the weight `fc1.weight` and its mask. All other
    /// tensors are loaded as burn-store does, with the weights, and so the masks, of `Linear` layers
    /// transposed.
    ///
    /// # Errors
    /// When the file cannot be read, a tensor is missing or has another shape, a mask fits no
    /// parameter, or the model has masks already.
    #[cfg(feature = "pytorch")]
    fn load_pytorch(self, path: impl AsRef<Path>) -> Result<Self, Rejected<Self>> {
        record::pytorch::load(self, path.as_ref())
    }
}

impl<M: Module> Prunable for M {}
