use std::fmt;

use serde::{Deserialize, Serialize};

/// The method of the runs without masks, which are round 0 of every method.
pub(super) const DENSE: &str = "dense";

/// Names one training of a study.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellId {
    /// Seed of the initial weights.
    pub seed: u64,
    /// `dense`, the name of a method, or the names of a method and a control.
    pub method: String,
    /// How many rounds of pruning came before; 0 for the dense run.
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
        Self::new(seed, DENSE, 0)
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
