use std::path::Path;

use super::cell_id::CellId;

/// What happens in a run, for progress bars and logs.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// What this run is going to do; the first event.
    Planned {
        /// Cells that are missing or have to be trained again. When a cell that is trained again
        /// comes out differently, the cells made from it are added.
        cells: usize,
        /// Optimizer steps in them.
        steps: usize,
    },
    /// A cell begins.
    Started {
        /// The cell.
        cell: &'a CellId,
        /// Its steps.
        steps: usize,
    },
    /// A step is done.
    Step {
        /// The cell.
        cell: &'a CellId,
        /// Steps done in it.
        done: usize,
        /// Steps in all.
        of: usize,
    },
    /// A cell has been written.
    Finished {
        /// The cell.
        cell: &'a CellId,
        /// Fraction of the weights that its masks keep.
        remaining: f64,
        /// Test accuracy at early stopping, in `[0, 1]`.
        test_accuracy: f64,
        /// The lowest validation loss.
        validation_loss: f64,
        /// The iteration of that loss.
        early_stop_iteration: usize,
    },
    /// Still waiting for a cell of another shard.
    Waiting {
        /// The cell.
        cell: &'a CellId,
        /// The shard that trains it.
        shard: usize,
    },
    /// A damaged cell has been moved away, and will be trained again.
    Damaged {
        /// The cell.
        cell: &'a CellId,
        /// What is wrong with it.
        reason: &'a str,
        /// Where it is now.
        moved_to: &'a Path,
    },
    /// A cell was made from masks or weights that are no longer there. It has been moved away, and
    /// will be trained again.
    Outdated {
        /// The cell.
        cell: &'a CellId,
        /// What it was made from.
        reason: &'a str,
        /// Where it is now.
        moved_to: &'a Path,
    },
    /// The dense run of a seed started from other weights than those that this seed gives now. The
    /// rounds go back to the weights of the dense run.
    OtherStart {
        /// The dense run.
        cell: &'a CellId,
    },
}
