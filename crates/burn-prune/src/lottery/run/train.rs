//! The training of a cell.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::time::Instant;

use burn::module::Module;
use burn::store::ModuleRecord;

use super::keep::Keeps;
use super::masks::Masks;
use super::{Run, TrainingResult};
use crate::error::PruneError;
use crate::lottery::cell_id::CellId;
use crate::lottery::curve::LearningCurve;
use crate::lottery::error::LotteryError;
use crate::lottery::event::Event;
use crate::lottery::study::{PlannedCell, StudyMoment};
use crate::mask::MaskSet;
use crate::prunable::Prunable;
use crate::pruner::Pruner;

/// What a training closure returns.
#[derive(Debug)]
pub struct Trained<M> {
    /// The model after the last step, with the masks that it came with.
    pub model: M,
    /// Validation losses.
    pub curve: LearningCurve,
    /// Test accuracy of the weights with the lowest validation loss, in `[0, 1]`.
    pub test_accuracy: f64,
}

/// The training of a cell, as a training closure is to run it.
pub struct CellTraining<'a> {
    id: &'a CellId,
    schedule: Range<usize>,
    wanted: Wanted,
    pruners: &'a [Pruner],
    seen: RefCell<Seen>,
    on_event: &'a dyn Fn(&Event<'_>),
}

/// The steps within a training after which something is kept.
#[derive(Debug, Default)]
struct Wanted {
    weights: Vec<usize>,
    masks: Vec<usize>,
}

impl Wanted {
    fn of(keeps: &Keeps) -> Self {
        let steps = |moments: &[StudyMoment]| {
            let within = moments.iter().filter(|moment| moment.is_within());
            within.map(|moment| moment.step).collect()
        };
        Self {
            weights: steps(&keeps.weights),
            masks: steps(&keeps.masks),
        }
    }
}

/// What was kept, by step.
#[derive(Default)]
pub(super) struct Seen {
    pub weights: HashMap<usize, ModuleRecord>,
    pub masks: HashMap<usize, Result<MaskSet, PruneError>>,
}

/// A training that has ended.
pub(super) struct Ended<M> {
    pub trained: Trained<M>,
    pub seen: Seen,
    /// The initial weights, where they are kept.
    pub start: Option<ModuleRecord>,
    pub keeps: Keeps,
    pub seconds: f64,
}

impl CellTraining<'_> {
    /// Which cell this is.
    pub fn id(&self) -> &CellId {
        self.id
    }

    /// The seed of the study, for the order of the data: the same for a ticket and its controls.
    pub fn seed(&self) -> u64 {
        self.id.seed
    }

    /// Number of pruning rounds before this training.
    pub fn round(&self) -> usize {
        self.id.round
    }

    /// The positions on the learning-rate schedule to train over, a step each. It begins where the
    /// schedule was rewound to. Positions beyond the steps of the dense run are fine-tuning at the
    /// last learning rate.
    pub fn schedule(&self) -> Range<usize> {
        self.schedule.clone()
    }

    /// Says that this many steps are done, counted on the schedule: after the step at position `p`
    /// that is `p + 1`. Call it after each step, or at least after those whose weights the study
    /// needs; with `Learner`, pass the model of a checkpoint.
    ///
    /// Compares two numbers, and reads the weights back only where they are needed.
    pub fn after_step<M: Module>(&self, steps: usize, model: &M) {
        let mut seen = self.seen.borrow_mut();
        if self.wanted.weights.contains(&steps) {
            seen.weights.insert(steps, model.masked_record());
        }
        if self.wanted.masks.contains(&steps) {
            seen.masks
                .insert(steps, Masks::of(model, self.pruners).next);
        }
        (self.on_event)(&Event::Step {
            cell: self.id,
            done: steps.saturating_sub(self.schedule.start),
            of: self.schedule.len(),
        });
    }
}

impl Run<'_> {
    /// Trains the model from the start of a cell over its schedule.
    pub(super) fn train<M: Module>(
        &self,
        cell: &PlannedCell<'_>,
        model: M,
        train: &mut impl FnMut(&CellTraining<'_>, M) -> TrainingResult<M>,
    ) -> Result<Ended<M>, LotteryError> {
        let keeps = self.keeps(cell);
        let start = keeps.weights_at_start().then(|| model.masked_record());
        let training = CellTraining {
            id: &cell.id,
            schedule: cell.schedule.clone(),
            wanted: Wanted::of(&keeps),
            pruners: self.study.pruners(),
            seen: RefCell::default(),
            on_event: &|event| self.search.tell(event),
        };
        let begun = Instant::now();
        let trained = train(&training, model);
        let seconds = begun.elapsed().as_secs_f64();
        let trained = trained.map_err(|error| LotteryError::Training {
            cell: cell.id.clone(),
            error,
        })?;
        self.check_shapes(&cell.id, &trained.model)?;
        Ok(Ended {
            trained,
            seen: training.seen.into_inner(),
            start,
            keeps,
            seconds,
        })
    }
}
