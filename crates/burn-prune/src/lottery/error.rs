use std::error::Error;
use std::path::{Path, PathBuf};

use super::cell_id::CellId;
use crate::error::PruneError;
use crate::plot::PlotError;

/// Why a study, or a cell of one, was refused or failed. Cells that were finished before are
/// intact, and the same call continues from them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LotteryError {
    /// An invalid setting of the search.
    #[error("{what}: expected {expected}, found {found}")]
    Invalid {
        /// The setting.
        what: &'static str,
        /// What it may be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A shard number that does not exist.
    #[error(
        "there is no shard {index} of {count}: shards are numbered from 0 to one below their count"
    )]
    NoSuchShard {
        /// The number given.
        index: usize,
        /// How many shards there are.
        count: usize,
    },
    /// The directory holds another study, or the model has changed since.
    #[error("{} holds another study; use another directory, or the settings of that study:\n  {}", dir.display(), differences.join("\n  "))]
    StudyMismatch {
        /// The directory.
        dir: PathBuf,
        /// What differs, there and here.
        differences: Vec<String>,
    },
    /// A cell was made with other settings than those of its study.
    #[error("{cell} in {} was made with other settings; move its folder away to train it again:\n  {}", path.display(), differences.join("\n  "))]
    CellMismatch {
        /// The cell.
        cell: CellId,
        /// Its folder.
        path: PathBuf,
        /// What differs, there and here.
        differences: Vec<String>,
    },
    /// A file of the study cannot be read or written.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        message: String,
    },
    /// A plot of the report cannot be drawn.
    #[error(transparent)]
    Plot(#[from] PlotError),
    /// A cell was made before a method or a round was added that needs more of it.
    #[error("{cell} has no {what}, which this study needs; move its folder away to train it again")]
    Incomplete {
        /// The cell.
        cell: CellId,
        /// What it lacks.
        what: String,
    },
    /// Pruning or rewinding was refused.
    #[error("{cell}: {error}")]
    Prune {
        /// The cell.
        cell: CellId,
        /// Why.
        error: PruneError,
    },
    /// The training closure failed.
    #[error("{cell}: the training failed: {error}")]
    Training {
        /// The cell.
        cell: CellId,
        /// What it returned.
        error: Box<dyn Error + Send + Sync>,
    },
    /// The training closure returned another model, or one without the masks that it was given.
    #[error("{cell}: the training returned a model that is not the one it was given: {difference}")]
    ModelMismatch {
        /// The cell.
        cell: CellId,
        /// What differs.
        difference: String,
    },
    /// The training closure did not call
    /// [`CellTraining::after_step`](super::CellTraining::after_step) at a step whose weights are
    /// needed.
    #[error(
        "{cell}: the training did not call `after_step` at step {step}, whose weights are needed; call it after each step"
    )]
    StepNotReported {
        /// The cell.
        cell: CellId,
        /// The step.
        step: usize,
    },
    /// No finite validation loss was recorded, or a test accuracy outside of `[0, 1]`.
    #[error("{cell}: the training returned {found}")]
    NoResult {
        /// The cell.
        cell: CellId,
        /// What it returned.
        found: String,
    },
    /// Another shard did not deliver a cell that this one needs.
    #[error(
        "{cell} is needed, belongs to shard {shard}, and is not there; no cell has appeared for {seconds} s. Start that shard, or wait longer with `patience`"
    )]
    Waited {
        /// The cell.
        cell: CellId,
        /// The shard that trains it.
        shard: usize,
        /// How long this shard has waited.
        seconds: u64,
    },
    /// The study was begun by an earlier release, whose cells do not say what they were made from.
    #[error(
        "{} holds a study of version {version}, whose cells do not say what they were made from: it \
         can be read and reported on, but not continued; use another directory", dir.display()
    )]
    OldStudy {
        /// The directory.
        dir: PathBuf,
        /// The version of the study.
        version: u32,
    },
    /// A pruner cannot make the masks of a round. The pruners were tried on the initial weights,
    /// and nothing has been trained.
    #[error(
        "the pruner cannot make the masks of round {round}, as a trial on the initial weights of seed {seed} shows: {error}"
    )]
    CannotPrune {
        /// The seed of the model.
        seed: u64,
        /// The round whose masks cannot be made.
        round: usize,
        /// Why.
        error: PruneError,
    },
}

/// An error about a file or folder of a study.
pub(super) fn file_error(path: &Path, message: impl ToString) -> LotteryError {
    LotteryError::File {
        path: path.to_path_buf(),
        message: message.to_string(),
    }
}

impl LotteryError {
    /// Whether a training has failed, and not the study.
    pub(super) fn is_of_training(&self) -> bool {
        matches!(
            self,
            Self::Prune { .. }
                | Self::Training { .. }
                | Self::ModelMismatch { .. }
                | Self::StepNotReported { .. }
                | Self::NoResult { .. }
        )
    }
}
