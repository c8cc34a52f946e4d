use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use burn::module::Module;
use burn::store::ModuleRecord;
use serde::{Deserialize, Serialize};

use super::{Event, LearningCurve, method::DENSE, reading::Masks};
use crate::{MaskSet, Prunable, PruneError, Pruner};

/// One training of a study.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellId {
    /// Seed of the initial weights.
    pub seed: u64,
    /// `dense`, the name of a method, or that and the name of a control.
    pub method: String,
    /// How often the masks have been cut; 0 for the dense run.
    pub round: usize,
}

impl CellId {
    /// The cell of this seed, method or control, and round.
    pub fn new(seed: u64, method: impl Into<String>, round: usize) -> Self {
        Self {
            seed,
            method: method.into(),
            round,
        }
    }

    pub(super) fn dense(seed: u64) -> Self {
        Self {
            seed,
            method: DENSE.to_string(),
            round: 0,
        }
    }
}

impl fmt::Display for CellId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            method,
            round,
        } = self;
        match *round {
            0 => write!(f, "seed {seed}, {method}"),
            round => write!(f, "seed {seed}, {method}, round {round}"),
        }
    }
}

/// What a training closure returns.
#[derive(Debug)]
pub struct Trained<M> {
    /// The model after the last step, with the masks it came with.
    pub model: M,
    /// Validation losses.
    pub curve: LearningCurve,
    /// Test accuracy of the weights with the lowest validation loss, in `[0, 1]`.
    pub test_accuracy: f64,
}

/// The cell that a training closure is to train.
pub struct Cell<'a> {
    id: &'a CellId,
    schedule: Range<usize>,
    wanted: Wanted,
    pruners: &'a [Pruner],
    seen: RefCell<Seen>,
    on_event: &'a dyn Fn(&Event<'_>),
}

/// The steps at which a cell keeps something.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub weights: Vec<usize>,
    pub masks: Vec<usize>,
}

/// What was kept, by step.
#[derive(Default)]
pub(super) struct Seen {
    pub weights: HashMap<usize, ModuleRecord>,
    pub masks: HashMap<usize, Result<MaskSet, PruneError>>,
}

impl<'a> Cell<'a> {
    pub(super) fn new(
        id: &'a CellId,
        schedule: Range<usize>,
        wanted: Wanted,
        pruners: &'a [Pruner],
        on_event: &'a dyn Fn(&Event<'_>),
    ) -> Self {
        Self {
            id,
            schedule,
            wanted,
            pruners,
            seen: RefCell::default(),
            on_event,
        }
    }

    /// Which cell this is.
    pub fn id(&self) -> &CellId {
        self.id
    }

    /// The seed of the study, for the order of the data: the same for a ticket and its controls.
    pub fn seed(&self) -> u64 {
        self.id.seed
    }

    /// How often the masks have been cut.
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
    /// that is `p + 1`. To be called after each step, or at least at those whose weights the study
    /// needs; from `Learner`, with the model of a checkpoint.
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

    pub(super) fn into_seen(self) -> Seen {
        self.seen.into_inner()
    }
}
