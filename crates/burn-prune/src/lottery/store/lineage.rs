//! What a cell is made from, and whether that is still there.

use super::outcome::{MadeFrom, Outcome, next_masks_file, weights_file};
use crate::lottery::cell_id::CellId;
use crate::lottery::study::{Control, Method, Moment};

/// What a round of a method, or a control of one, begins with.
pub(in crate::lottery) struct Sources {
    /// The masks that the round before has left.
    pub masks: Source,
    /// The weights to go back to, unless they are initialised anew.
    pub weights: Option<Source>,
}

/// A file of a cell.
pub(in crate::lottery) struct Source {
    pub cell: CellId,
    pub file: String,
}

impl Source {
    /// The masks that a round begins with.
    fn masks(round: &CellId, method: &Method) -> Self {
        Self {
            cell: before(round, method),
            file: next_masks_file(method.rewind.prune_at),
        }
    }

    /// The weights that a round of a method goes back to.
    pub(in crate::lottery) fn weights(round: &CellId, method: &Method) -> Self {
        let weights_to = method.rewind.weights_to;
        Self {
            cell: match weights_to {
                Moment::End => before(round, method),
                Moment::Start | Moment::Step(_) | Moment::Epoch(_) => CellId::dense(round.seed),
            },
            file: weights_file(weights_to),
        }
    }
}

/// The round before; before the first one, the dense run.
fn before(round: &CellId, method: &Method) -> CellId {
    match round.round {
        0 | 1 => CellId::dense(round.seed),
        number => CellId::new(round.seed, &method.name, number - 1),
    }
}

impl Sources {
    /// What this round is made from.
    pub(in crate::lottery) fn of(
        round: &CellId,
        method: &Method,
        control: Option<Control>,
    ) -> Self {
        let is_fresh = control == Some(Control::Reinitialized);
        Self {
            masks: Source::masks(round, method),
            weights: (!is_fresh).then(|| Source::weights(round, method)),
        }
    }

    /// The cells that have to be there, those that come first in front.
    pub(in crate::lottery) fn cells(&self) -> Vec<&CellId> {
        let mut cells: Vec<_> = self.weights.iter().map(|weights| &weights.cell).collect();
        if !cells.contains(&&self.masks.cell) {
            cells.push(&self.masks.cell);
        }
        cells
    }

    /// What these cells have now.
    pub(in crate::lottery) fn now<'a>(
        &self,
        found: impl Fn(&CellId) -> Option<&'a Outcome>,
    ) -> MadeFrom {
        let content = |source: &Source| found(&source.cell)?.content(&source.file).cloned();
        MadeFrom {
            start: None,
            weights: self.weights.as_ref().and_then(content),
            masks: content(&self.masks),
        }
    }

    /// Why a round is no longer the one that would be made now, if it is not.
    pub(in crate::lottery) fn outdated(&self, round: &MadeFrom, now: &MadeFrom) -> Option<String> {
        if round.masks != now.masks {
            let before = &self.masks.cell;
            return Some(format!("its masks are not those that {before} has left"));
        }
        match &self.weights {
            // Of weights that were not kept nobody can say.
            Some(source) if now.weights.is_some() && round.weights != now.weights => {
                let cell = &source.cell;
                Some(format!("its weights did not go back to those of {cell}"))
            }
            _ => None,
        }
    }
}
