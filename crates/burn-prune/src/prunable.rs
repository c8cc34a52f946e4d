//! The trait that puts pruning onto every Burn module.

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
/// Import it, and the methods are there. Those that take the module by value give it back in their
/// error ([`Rejected`]), as it was.
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
    /// A second call prunes further. What is pruned stays so.
    ///
    /// # Errors
    /// As [`Pruner::masks`].
    fn prune(self, pruner: &Pruner) -> Result<Self, Rejected<Self>> {
        pruner.prune(self)
    }

    /// Attaches masks: those a [`Pruner`] chose, or your own.
    ///
    /// Each is intersected with the mask that is there. A mask that keeps everything changes no
    /// weight, but marks its parameter as pruned. The stored weights and the parameter ids stay as
    /// they are; a lazy parameter is initialized. A shared parameter gets the mask at each of its
    /// places, under whichever path it is given: see [`Pruner::masks`]. Masks that are there are not
    /// read back, and weights only where one parameter id is at several places.
    ///
    /// # Errors
    /// An empty set, a path that no parameter has, another shape, or a parameter that cannot carry
    /// a mask because it is quantized, has a LoRA adapter or is a running statistic.
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

    /// Says when the zeros are put in: each time a weight is read, or after each step.
    ///
    /// [On read](MaskMode::OnRead) is the default and needs nothing of the training loop, but each
    /// step masks every weight and its gradient once more, into new memory. After the step the
    /// stored weights themselves are zero, and the loop keeps them so with one call:
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
    ///     layer = optimizer.step(0.1, layer, grads).zero_pruned();
    /// }
    /// assert_eq!(layer.sparsity_report().zeros(), 16);
    /// # Ok::<(), burn_prune::PruneError>(())
    /// ```
    ///
    /// Where an optimizer treats each weight by itself (SGD, Adam, AdamW, ..), the weights are the
    /// same as on read, bit for bit. Where the entries of a tensor meet, as in clipping by norm, in
    /// LAMB, Adafactor, Muon and L-BFGS, the gradients of pruned weights must not count:
    /// [`zero_pruned_gradients`](Self::zero_pruned_gradients) before the step.
    ///
    /// Masks that are attached later come in the same mode. Stored weights under the masks become
    /// zero; parameter ids stay, so that an optimizer stays valid.
    ///
    /// # Errors
    /// When there are no masks. When another parameter carries a LoRA adapter or any other
    /// reparameterization, which Burn would merge along.
    fn with_mask_mode(self, mode: MaskMode) -> Result<Self, Rejected<Self>> {
        model::with_mask_mode(self, mode)
    }

    /// Writes zero into the stored weights that are pruned, at memory speed and in place: the call
    /// after each step of the optimizer in [`MaskMode::AfterStep`].
    ///
    /// From then on these weights are read as they are stored. Any other walk over the module, an
    /// optimizer, a record that is loaded, [`freeze`](Module::freeze), a mapper of your own, ends
    /// that: until the next call they are masked on read, so a call that is forgotten costs time and
    /// nothing else.
    ///
    /// Under [`MaskMode::OnRead`] it changes nothing that is read. Reads nothing back.
    #[must_use]
    fn zero_pruned(self) -> Self {
        model::zero_pruned(self)
    }

    /// Writes zero into the gradients of pruned weights, in place: the call before a step that
    /// clips by norm, or whose optimizer mixes the entries of a tensor, in [`MaskMode::AfterStep`].
    ///
    /// Gradients have the id of their parameter and no path. Where several places of one id are
    /// trained, a gradient becomes zero where all of them are pruned, so that no weight that is kept
    /// anywhere loses its gradient; [`with_fresh_ids`](Self::with_fresh_ids) makes it exact.
    ///
    /// ```
    /// use burn::{nn::LinearConfig, optim::GradientsParams, tensor::{Device, Tensor}};
    /// use burn_prune::{MaskMode, Prunable};
    ///
    /// let device = Device::flex().autodiff();
    /// let layer = LinearConfig::new(8, 4).init(&device).l1_unstructured(0.5)?;
    /// let layer = layer.with_mask_mode(MaskMode::AfterStep)?;
    /// let loss = layer.forward(Tensor::<2>::ones([2, 8], &device)).sum();
    /// let grads = GradientsParams::from_grads(loss.backward(), &layer);
    ///
    /// let grads = layer.zero_pruned_gradients(grads);
    /// let gradient = grads.get::<2>(layer.weight.id).unwrap().into_data();
    /// assert_eq!(gradient.iter::<f32>().filter(|g| *g == 0.0).count(), 16);
    /// # Ok::<(), burn_prune::PruneError>(())
    /// ```
    #[cfg(feature = "optim")]
    #[must_use]
    fn zero_pruned_gradients(&self, grads: GradientsParams) -> GradientsParams {
        model::zero_pruned_gradients(self, grads)
    }

    /// Puts these masks in the place of those that are there, so that weights can come back.
    ///
    /// For methods that regrow. A weight that comes back starts at 0, whatever was stored under its
    /// mask; what an optimizer remembers of it can be forgotten with
    /// [`reset_moments`](crate::reset_moments). Parameters that the set does not name keep their
    /// masks.
    ///
    /// # Errors
    /// As [`with_masks`](Self::with_masks), and when a shared parameter is given different masks
    /// under different paths: which of them is meant to stay cannot be known.
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

    /// Whether a mask is attached anywhere below, also one that keeps everything.
    ///
    /// Reads nothing back. False again once made permanent.
    fn is_pruned(&self) -> bool {
        Inventory::of(self).is_masked()
    }

    /// Writes the zeros into the weights and takes the masks off. This cannot be undone.
    ///
    /// Parameter ids stay, so that an optimizer stays valid. The module is then an ordinary one:
    /// training it further will move the zeros.
    ///
    /// # Errors
    /// When there are no masks. When another parameter carries a LoRA adapter or any other
    /// reparameterization, which Burn would merge along.
    fn make_permanent(self) -> Result<Self, Rejected<Self>> {
        model::make_permanent(self)
    }

    /// Gives every parameter a new id, and leaves everything else as it is, masks too.
    ///
    /// Burn knows parameters by their id: optimizers keep their state and hand out gradients by it.
    /// Models that are clones of each other, or have been loaded from one file, have the same ids.
    /// Where they are trained as parts of one module, one place gets the gradient of the other. So
    /// give one of them ids of its own before they are put together.
    ///
    /// A parameter that is shared between several places of this module (the same id and equal
    /// weights, or one mask) has one new id at all of them. The state of an optimizer, and gradients
    /// that have been computed, do not fit any more. Running statistics keep their ids.
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

    /// Takes the masks off without writing their zeros: the weights are then what was stored under
    /// the masks, bit for bit, and the module is an ordinary one.
    ///
    /// For masks that were put on by mistake. In the default [mode](MaskMode::OnRead) pruned
    /// weights come back, as the optimizer has left them. In [`MaskMode::AfterStep`] the stored
    /// weights have been zeroed, and stay zero. Parameter ids stay, so that an optimizer stays
    /// valid.
    ///
    /// # Errors
    /// When there are no masks. When another parameter carries a LoRA adapter or any other
    /// reparameterization, which Burn would merge along.
    ///
    /// ```
    /// use burn::{nn::LinearConfig, tensor::Device};
    /// use burn_prune::Prunable;
    ///
    /// let layer = LinearConfig::new(8, 4).init(&Device::flex());
    /// let weights = layer.weight.val().into_data();
    /// let layer = layer.l1_unstructured(0.5)?.detach_masks()?;
    /// assert!(!layer.is_pruned());
    /// assert_eq!(layer.weight.val().into_data(), weights);
    /// # Ok::<(), burn_prune::PruneError>(())
    /// ```
    fn detach_masks(self) -> Result<Self, Rejected<Self>> {
        model::detach_masks(self)
    }

    /// How sparse the module is, by parameter and in total: the zeros that a forward pass reads.
    ///
    /// Reads its weights back from the device, once.
    fn sparsity_report(&self) -> SparsityReport {
        SparsityReport::of(self)
    }

    /// Prunes the weights with the smallest absolute value, the same amount in each layer.
    ///
    /// # Errors
    /// As [`Pruner::masks`].
    fn l1_unstructured(self, amount: impl Into<Amount>) -> Result<Self, Rejected<Self>> {
        self.prune(&Pruner::new(Magnitude::l1()).amount(amount))
    }

    /// Prunes weights at random, the same amount in each layer.
    ///
    /// # Errors
    /// As [`Pruner::masks`].
    fn random_unstructured(
        self,
        amount: impl Into<Amount>,
        seed: u64,
    ) -> Result<Self, Rejected<Self>> {
        self.prune(&Pruner::new(Random::new(seed)).amount(amount))
    }

    /// Prunes the channels with the smallest `L_n` norm, the same amount in each layer.
    ///
    /// # Errors
    /// As [`Pruner::masks`].
    fn ln_structured(
        self,
        amount: impl Into<Amount>,
        n: f64,
        axis: Axis,
    ) -> Result<Self, Rejected<Self>> {
        let pruner = Pruner::new(Magnitude::ln(n)).pattern(Pattern::Channels(axis));
        self.prune(&pruner.amount(amount))
    }

    /// Prunes channels at random, the same amount in each layer.
    ///
    /// # Errors
    /// As [`Pruner::masks`].
    fn random_structured(
        self,
        amount: impl Into<Amount>,
        axis: Axis,
        seed: u64,
    ) -> Result<Self, Rejected<Self>> {
        let pruner = Pruner::new(Random::new(seed)).pattern(Pattern::Channels(axis));
        self.prune(&pruner.amount(amount))
    }

    /// Prunes the weights with the lowest scores of the whole module, ranked together.
    ///
    /// # Errors
    /// As [`Pruner::masks`].
    ///
    /// ```
    /// use burn::{nn::{Linear, LinearConfig}, tensor::Device};
    /// use burn_prune::{Magnitude, Prunable};
    ///
    /// let device = Device::flex();
    /// let layers = vec![LinearConfig::new(8, 8).init(&device), LinearConfig::new(8, 8).init(&device)];
    /// let layers = layers.global_unstructured(Magnitude::l1(), 0.75)?;
    /// assert_eq!(layers.masks().sparsity(), 0.75);
    /// # Ok::<(), burn_prune::PruneError>(())
    /// ```
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
    /// momentum or weight decay may have moved; here it is zero. The record loads into a module
    /// of the same shape with [`load_masked_record`](Self::load_masked_record). Loaded with plain
    /// Burn it is an error that lists the masks as unused, or, when unused tensors are allowed, a
    /// dense module with the same outputs.
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

    /// Loads a record, attaching the masks that it holds.
    ///
    /// Also loads a record of a module without masks, and one that Burn made of a masked module (a
    /// checkpoint of `Learner`). The backend and device may be others than those it was made on.
    /// As with Burn's `load_record`, floats come in the type of the record (`f16` weights make an
    /// `f16` module), unless it is told to [cast](ModuleRecord::cast_to_module_dtype).
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
    /// The file has a SHA-256 of all that is in it, which [`load_masked`](Self::load_masked) checks
    /// and plain Burn passes over.
    ///
    /// # Errors
    /// When the file cannot be written. A file that was there stays whole: the new one is written
    /// beside it and renamed.
    fn save_masked(&self, path: impl AsRef<Path>) -> Result<(), PruneError> {
        record::save_file(self, path.as_ref())
    }

    /// Loads what [`save_masked`](Self::save_masked) wrote, or plain Burn.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged, and as
    /// [`load_masked_record`](Self::load_masked_record). In files of plain Burn, checkpoints of
    /// `Learner` among them, damage shows only where it leaves no record that fits.
    fn load_masked(self, path: impl AsRef<Path>) -> Result<Self, Rejected<Self>> {
        record::load_file(self, path.as_ref())
    }

    /// Puts earlier weights back under the masks: a record of this model, or of the plain model
    /// that it was, taken before or after pruning (Frankle and Carbin 2019, "The Lottery Ticket
    /// Hypothesis").
    ///
    /// All weights and biases are put back, unpruned ones and running statistics included; masks,
    /// mask mode, parameter ids, float types and whatever is counted in integers stay as they are,
    /// and masks in the record are passed over. Weights of a narrower type are cast, `f16` to `f32`
    /// for instance, which is exact. The record is used up: its memory becomes that of the weights. Clones of
    /// the model share its running statistics, so theirs change too.
    ///
    /// # Errors
    /// When the record does not fit: missing or unused tensors, other shapes, or floats of a type
    /// that would be rounded ([`PruneError::RecordType`]) by a record that was not told to
    /// [cast](ModuleRecord::cast_to_module_dtype).
    ///
    /// ```
    /// use burn::{module::Module, nn::LinearConfig, optim::{GradientsParams, SgdConfig}};
    /// use burn::tensor::{Device, Tensor};
    /// use burn_prune::Prunable;
    ///
    /// let device = Device::flex().autodiff();
    /// let layer = LinearConfig::new(4, 4).init(&device);
    /// let start = layer.clone().into_record();
    /// let masked = layer.l1_unstructured(0.5)?;
    /// let weights = masked.weight.val().into_data();
    ///
    /// let loss = masked.forward(Tensor::<2>::ones([1, 4], &device)).sum();
    /// let grads = GradientsParams::from_grads(loss.backward(), &masked);
    /// let trained = SgdConfig::new().init().step(0.1, masked, grads);
    /// assert_ne!(trained.weight.val().into_data(), weights);
    ///
    /// let ticket = trained.rewind(start)?;
    /// assert_eq!(ticket.weight.val().into_data(), weights);
    /// # Ok::<(), burn_prune::PruneError>(())
    /// ```
    fn rewind(self, record: ModuleRecord) -> Result<Self, Rejected<Self>> {
        record::rewind(self, record)
    }

    /// Loads the model file of a checkpoint, `model-3.bpk` for instance, that a `Learner` of this model
    /// or of a [`Pruning`](crate::Pruning) around it has left: weights, statistics and masks.
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
    /// `fc1.weight_orig` and `fc1.weight_mask` become the weight `fc1.weight` and its mask, for
    /// every parameter that has them; all other tensors are loaded as burn-store does, with the
    /// weights, and so the masks, of `Linear` layers transposed.
    ///
    /// # Errors
    /// When the file cannot be read, a tensor is missing or has another shape, or a mask fits no
    /// parameter. When the model has masks already: load into one without.
    #[cfg(feature = "pytorch")]
    fn load_pytorch(self, path: impl AsRef<Path>) -> Result<Self, Rejected<Self>> {
        record::pytorch::load(self, path.as_ref())
    }
}

impl<M: Module> Prunable for M {}
