//! What a cell is made from, and whether that is still there.

use super::method::{Control, Method};
use super::store::{MadeFrom, Outcome, next_masks_file, weights_file};
use super::{CellId, Moment};

/// Where a round of a method, or a control of one, begins.
pub(super) struct Sources {
    /// The masks that the round before has left.
    pub masks: Source,
    /// The weights to go back to, unless they are initialised anew.
    pub weights: Option<Source>,
}

/// A file of a cell.
pub(super) struct Source {
    pub cell: CellId,
    pub file: String,
}

impl Sources {
    /// What this round is made from.
    pub(super) fn of(round: &CellId, method: &Method, control: Option<Control>) -> Self {
        let dense = CellId::dense(round.seed);
        let before = match round.round {
            1 => dense.clone(),
            number => CellId::new(round.seed, &method.name, number - 1),
        };
        let weights_of = match method.rewind.weights_to {
            Moment::End => before.clone(),
            _ => dense,
        };
        let weights = Source {
            cell: weights_of,
            file: weights_file(&method.rewind.weights_to.to_string()),
        };
        Self {
            masks: Source {
                cell: before,
                file: next_masks_file(method.rewind.prune_at),
            },
            weights: (control != Some(Control::Reinitialized)).then_some(weights),
        }
    }

    /// The cells that have to be there, those that come first in front.
    pub(super) fn cells(&self) -> Vec<&CellId> {
        let mut cells: Vec<_> = self.weights.iter().map(|weights| &weights.cell).collect();
        if !cells.contains(&&self.masks.cell) {
            cells.push(&self.masks.cell);
        }
        cells
    }

    /// What these cells have now.
    pub(super) fn now<'a>(&self, found: impl Fn(&CellId) -> Option<&'a Outcome>) -> MadeFrom {
        let content = |source: &Source| found(&source.cell)?.content(&source.file).cloned();
        MadeFrom {
            start: None,
            weights: self.weights.as_ref().and_then(content),
            masks: content(&self.masks),
        }
    }

    /// Why a round is no longer the one that would be made now, if it is not.
    pub(super) fn outdated(&self, round: &MadeFrom, now: &MadeFrom) -> Option<String> {
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
