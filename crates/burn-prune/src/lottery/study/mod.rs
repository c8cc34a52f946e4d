//! What is studied: settings that have been checked, and the cells that they make.

mod cells;
mod method;
mod moment;
mod settings;
mod shard;

use std::ops::Range;

use serde_json::{Value, json};

use crate::pruner::Pruner;

pub use method::{Control, Method};
pub use moment::{Moment, Rewind};
pub use shard::Shard;

pub(super) use cells::{PlannedCell, Role};
pub(super) use method::find_method;
pub(super) use settings::Settings;

/// A study whose settings make sense; [`Settings::validate`] makes it, and nothing changes it.
pub(super) struct Study {
    steps: usize,
    steps_per_epoch: Option<usize>,
    fine_tuning_steps: Option<usize>,
    rounds: usize,
    seeds: Seeds,
    pruners: Vec<Pruner>,
    methods: Vec<StudyMethod>,
    training: Value,
}

/// One seed or more.
struct Seeds {
    first: u64,
    all: Vec<u64>,
}

/// A method of a study, with its moments as steps.
pub(super) struct StudyMethod {
    method: Method,
    prune_at: StudyMoment,
    weights_to: StudyMoment,
    /// Of each round.
    schedule: Range<usize>,
}

/// A moment, and the step on the schedule that it is in this study.
#[derive(Clone, Copy)]
pub(super) struct StudyMoment {
    pub moment: Moment,
    pub step: usize,
}

impl StudyMoment {
    /// Whether it lies within the training, and not at its start or end.
    pub(super) fn is_within(self) -> bool {
        matches!(self.moment, Moment::Step(_) | Moment::Epoch(_))
    }
}

impl StudyMethod {
    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    /// When the masks of the next round are chosen.
    pub(super) fn prune_at(&self) -> StudyMoment {
        self.prune_at
    }

    /// What the weights go back to.
    pub(super) fn weights_to(&self) -> StudyMoment {
        self.weights_to
    }
}

impl Study {
    pub(super) fn rounds(&self) -> usize {
        self.rounds
    }

    pub(super) fn seeds(&self) -> &[u64] {
        &self.seeds.all
    }

    pub(super) fn first_seed(&self) -> u64 {
        self.seeds.first
    }

    pub(super) fn pruners(&self) -> &[Pruner] {
        &self.pruners
    }

    pub(super) fn methods(&self) -> &[StudyMethod] {
        &self.methods
    }

    /// What all cells have in common, with the identities of the pruners and the shapes of the
    /// model.
    pub(super) fn settings(&self, pruners: &[Value], shapes: &Value) -> Value {
        json!({
            "steps": self.steps,
            "steps_per_epoch": self.steps_per_epoch,
            "fine_tuning_steps": self.fine_tuning_steps,
            "pruners": pruners,
            "model": shapes,
            "training": self.training,
        })
    }
}
