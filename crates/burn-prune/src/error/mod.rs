//! What can go wrong: [`PruneError`], and its messages in `message`.

mod coupled;
mod message;
mod path;
mod stored;

pub use coupled::CoupledError;
pub use stored::StoredError;

/// Why an operation was refused.
///
/// Every variant names the parameter or argument, what was expected and what was found. Nothing
/// has been changed when one of these is returned.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PruneError {
    /// A fraction that is NaN or outside of `[0, 1]`.
    #[error("the amount must be a fraction between 0 and 1, found {found}")]
    InvalidFraction {
        /// The value given.
        found: f64,
    },
    /// A target sparsity that is NaN or outside of `[0, 1]`.
    #[error("the target sparsity must be between 0 and 1, found {found}")]
    InvalidSparsity {
        /// The value given.
        found: f64,
    },
    /// An invalid order of a norm: zero, negative or not a number.
    #[error("the order n of an L_n norm must be positive, inf or -inf, found {found}")]
    InvalidNorm {
        /// The value given.
        found: f64,
    },
    /// More units were asked for than are left.
    #[error(fmt = message::count_too_large)]
    CountTooLarge {
        /// The parameter, or all of them under a global allocation.
        parameter: String,
        /// What was asked for.
        requested: usize,
        /// What is left.
        available: usize,
    },
    /// A minimum density outside of `[0, 1]`, or not a number.
    #[error("the minimum density must be between 0 and 1, found {found}")]
    InvalidDensity {
        /// The value given.
        found: f64,
    },
    /// A floor leaves less to prune than was asked for.
    #[error(fmt = message::floor_contradicts_amount)]
    FloorContradictsAmount {
        /// The parameter, or all of them under a global allocation.
        parameter: String,
        /// How many units should be pruned.
        requested: usize,
        /// How many units the floor keeps.
        floor: usize,
        /// How many units can be pruned.
        available: usize,
    },
    /// N:M sparsity with no N, or with an N above M.
    #[error("N:M sparsity keeps N of every M weights, with N from 1 to M, found {n}:{m}")]
    InvalidNM {
        /// Weights to keep.
        n: usize,
        /// Weights in a group.
        m: usize,
    },
    /// A setting that an N:M pattern excludes, since the pattern says how much is pruned.
    #[error("an N:M pattern says how much is pruned: remove the {what} from the pruner")]
    NMDecides {
        /// "amount", "allocation" or "floor".
        what: &'static str,
    },
    /// Two settings of a pruner that contradict each other.
    #[error("{settings} contradict each other: {advice}")]
    Contradiction {
        /// The settings.
        settings: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// A stored pruner that lacks a criterion or rule of your own.
    #[error(transparent)]
    Stored(#[from] StoredError),
    /// A schedule with an invalid field.
    #[error("`{field}` of the pruning schedule must be {expected}, found {found}")]
    InvalidSchedule {
        /// The field.
        field: &'static str,
        /// What it may be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A checkpoint of a training with another pruner or schedule.
    #[error(fmt = message::recipe_mismatch)]
    RecipeMismatch {
        /// The checkpoint.
        file: String,
        /// The fields that differ, as [`differences`](crate::differences) tells them.
        differences: Vec<String>,
    },
    /// A checkpoint of a `Pruning` of a version that this release does not resume.
    #[error(fmt = message::checkpoint_version)]
    CheckpointVersion {
        /// The checkpoint.
        file: String,
        /// Its version; that of burn-prune before recipes were kept as data is 1.
        found: u64,
        /// The version that can be resumed.
        supported: u64,
    },
    /// Coupled channels that cannot be pruned as asked.
    #[error(transparent)]
    Coupled(#[from] CoupledError),
    /// An allocation rule failed for a reason of its own.
    #[error("the allocation rule failed: {message}")]
    Allocation {
        /// What the rule said.
        message: String,
    },
    /// Weights whose input axis is not a multiple of M.
    #[error(fmt = message::indivisible)]
    Indivisible {
        /// Weights to keep.
        n: usize,
        /// Weights in a group.
        m: usize,
        /// All such parameters, with the length of their input axis.
        offenders: Vec<(String, usize)>,
    },
    /// There is no weight whose input axis is a multiple of M.
    #[error(fmt = message::all_indivisible)]
    AllIndivisible {
        /// Weights to keep.
        n: usize,
        /// Weights in a group.
        m: usize,
        /// All selected parameters, with the length of their input axis.
        offenders: Vec<(String, usize)>,
    },
    /// A block that is empty, or larger than the weight.
    #[error(fmt = message::block_size)]
    BlockSize {
        /// Path of the parameter.
        path: String,
        /// The block.
        size: [usize; 2],
        /// The weight as a matrix.
        matrix: [usize; 2],
    },
    /// The pruner was not told how much to prune.
    #[error("the pruner has no amount: set `amount`, `to_sparsity` or `Allocation::per_layer`")]
    NoAmount,
    /// No parameter was selected.
    #[error(fmt = message::nothing_to_prune)]
    NothingToPrune {
        /// The float parameters that the model has.
        found: String,
    },
    /// A parameter group matches no prunable parameter.
    #[error(fmt = message::group_matches_nothing)]
    GroupMatchesNothing {
        /// The method of the pruner that received the group.
        method: &'static str,
        /// The group.
        group: String,
        /// The float parameters that the model has.
        found: String,
    },
    /// It is not known which axis of this parameter is its output or input.
    #[error(fmt = message::unknown_axis)]
    UnknownAxis {
        /// Path of the parameter.
        path: String,
        /// Its shape.
        shape: Vec<usize>,
        /// "output" or "input".
        axis: &'static str,
    },
    /// The tensor does not have this dimension.
    #[error("`{path}` with shape {shape:?} has no dimension {dim}")]
    NoSuchDimension {
        /// Path of the parameter.
        path: String,
        /// Its shape.
        shape: Vec<usize>,
        /// The dimension asked for.
        dim: usize,
    },
    /// Channels, blocks or N:M groups of a tensor with fewer than two dimensions.
    #[error(
        "the pattern needs at least 2 dimensions, but `{path}` has shape {shape:?}; exclude it"
    )]
    RankTooLow {
        /// Path of the parameter.
        path: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A score is NaN or infinite.
    #[error(fmt = message::non_finite_score)]
    NonFiniteScore {
        /// Path of the parameter.
        path: String,
        /// Flat index of the weight, or index of the channel.
        unit: usize,
        /// The score.
        found: f64,
    },
    /// A criterion returned the wrong number of scores.
    #[error(fmt = message::score_count)]
    ScoreCount {
        /// Path of the parameter.
        path: String,
        /// Number of units.
        expected: usize,
        /// Number of scores.
        found: usize,
    },
    /// Importance scores of another shape than their parameter.
    #[error("the importance scores of `{path}` have shape {found:?}, expected {expected:?}")]
    ImportanceShape {
        /// Path of the parameter.
        path: String,
        /// Shape of the parameter.
        expected: Vec<usize>,
        /// Shape of the scores.
        found: Vec<usize>,
    },
    /// Importance scores for a parameter that is not pruned.
    #[error(fmt = message::importance_unused)]
    ImportanceUnused {
        /// The path given.
        path: String,
        /// The parameters that are selected.
        selected: String,
    },
    /// A mask of another shape than its parameter.
    #[error("the mask of `{path}` has shape {found:?}, expected {expected:?}")]
    MaskShape {
        /// Path of the parameter.
        path: String,
        /// Shape of the parameter.
        expected: Vec<usize>,
        /// Shape of the mask.
        found: Vec<usize>,
    },
    /// A mask without as many entries as its shape says.
    #[error("a mask of shape {shape:?} needs {expected} entries, found {found}")]
    MaskLength {
        /// The shape given.
        shape: Vec<usize>,
        /// The product of the shape.
        expected: usize,
        /// Number of entries given.
        found: usize,
    },
    /// A mask for a path that the model has no parameter at.
    #[error("no parameter for the mask `{path}`: the model has [{found}]")]
    MaskFitsNothing {
        /// The path of the mask.
        path: String,
        /// The float parameters that the model has.
        found: String,
    },
    /// A mask set without masks.
    #[error("the mask set is empty: there is nothing to attach")]
    NoMasks,
    /// The parameter is quantized.
    #[error("`{path}` is quantized ({dtype}): prune first, make it permanent, then quantize")]
    Quantized {
        /// Path of the parameter.
        path: String,
        /// Its data type.
        dtype: String,
    },
    /// Another reparameterization, such as a LoRA adapter, is attached to the parameter.
    #[error(fmt = message::reparameterized)]
    Reparameterized {
        /// Path of the parameter.
        path: String,
        /// Name of the reparameterization.
        name: String,
    },
    /// Running statistics cannot be pruned.
    #[error("`{path}` is a running statistic, not a weight: it cannot be pruned")]
    RunningStatistic {
        /// Path of the statistic.
        path: String,
    },
    /// The model has no masks, so none can be detached or made permanent.
    #[error("the model has no masks to detach or make permanent: prune it first")]
    NotPruned,
    /// A mask file of a version that this release does not read.
    #[error(fmt = message::mask_file_version)]
    MaskFileVersion {
        /// The file.
        file: String,
        /// Its version.
        found: u32,
        /// The newest version that can be read.
        supported: u32,
    },
    /// A mask file that is damaged, is not a mask file, or cannot be read or written.
    #[error("{file}: {message}")]
    MaskFile {
        /// The file.
        file: String,
        /// What is wrong with it.
        message: String,
    },
    /// A record or file could not be read, written or applied.
    #[error("record: {message}")]
    Record {
        /// What Burn or the operating system said, with the parameter or file.
        message: String,
    },
    /// A criterion failed for a reason of its own.
    #[error("the criterion failed on `{path}`: {message}")]
    Criterion {
        /// Path of the parameter.
        path: String,
        /// What the criterion said.
        message: String,
    },
    /// A mask of another framework with a value other than 0 and 1.
    #[error(fmt = message::mask_value)]
    MaskValue {
        /// Path of the parameter.
        path: String,
        /// Flat index in the mask, as stored.
        index: usize,
        /// The value there.
        found: f64,
    },
    /// A record of weights that the model cannot hold exactly.
    #[error(fmt = message::record_type)]
    RecordType {
        /// Path of the parameter.
        path: String,
        /// The type that the model has.
        expected: String,
        /// The type that the record has.
        found: String,
    },
    /// Weights have lost their masks.
    #[error(fmt = message::masks_lost)]
    MasksLost {
        /// Their paths, in the order of the model.
        paths: Vec<String>,
    },
    /// Every parameter that is selected is also excluded.
    #[error(fmt = message::all_excluded)]
    AllExcluded {
        /// The parameters that would be pruned without it.
        excluded: String,
    },
    /// Different masks for one shared parameter.
    #[error(fmt = message::masks_differ)]
    MasksDiffer {
        /// A path of the parameter.
        path: String,
        /// Another one.
        other: String,
    },
    /// A selection that covers one place of a shared parameter and not another.
    #[error(fmt = message::part_of_shared)]
    PartOfShared {
        /// The method of the pruner that received the selection.
        method: &'static str,
        /// A path that it has.
        path: String,
        /// A path that it does not have.
        other: String,
    },
    /// Different parameters with one id, which Burn's optimizers would mix up.
    #[error(fmt = message::shared_id)]
    SharedId {
        /// The path that is first in the model.
        path: String,
        /// The path whose gradient it would get.
        other: String,
    },
    /// Different settings for one shared parameter.
    #[error(fmt = message::places_differ)]
    PlacesDiffer {
        /// What is given.
        what: &'static str,
        /// A path of the parameter.
        path: String,
        /// Another one.
        other: String,
    },
}
