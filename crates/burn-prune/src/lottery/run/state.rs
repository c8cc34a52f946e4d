//! Which cells count.

use std::collections::HashMap;
use std::sync::Arc;

use super::Run;
use crate::identity::differences;
use crate::lottery::cell_id::CellId;
use crate::lottery::error::LotteryError;
use crate::lottery::event::Event;
use crate::lottery::store::{Aside, Found, Outcome, SEALED};
use crate::lottery::study::PlannedCell;

/// What a cell is worth as it is found.
#[derive(Clone)]
pub(super) enum State {
    /// It is whole, and all that it was made from is still there.
    Finished(Arc<Outcome>),
    Missing,
    /// It is to be moved away, and why.
    Unfit(Aside, String),
    /// A cell before it is not finished, and may come out otherwise.
    Open,
}

/// Cells that have been looked at.
pub(super) type Known = HashMap<CellId, State>;

impl Run<'_> {
    /// The state of a cell, after that of all that it was made from.
    ///
    /// # Errors
    /// When it was made with other settings, or something cannot be read.
    pub(super) fn state(
        &self,
        cell: &PlannedCell<'_>,
        known: &mut Known,
    ) -> Result<State, LotteryError> {
        if let Some(state) = known.get(&cell.id) {
            return Ok(state.clone());
        }
        let state = self.look(cell, known)?;
        known.insert(cell.id.clone(), state.clone());
        Ok(state)
    }

    fn look(&self, cell: &PlannedCell<'_>, known: &mut Known) -> Result<State, LotteryError> {
        let directory = &self.search.directory;
        let outcome = match directory.find(&cell.id)? {
            Found::Nothing => return Ok(State::Missing),
            Found::Damaged(reason) => return Ok(State::Unfit(Aside::Damaged, reason)),
            Found::Whole(outcome) => outcome,
        };
        if outcome.version < SEALED {
            let reason = "it does not say what it was made from".to_string();
            return Ok(State::Unfit(Aside::Outdated, reason));
        }
        let differences = differences(&outcome.settings, &self.settings(cell));
        if !differences.is_empty() {
            return Err(LotteryError::CellMismatch {
                cell: cell.id.clone(),
                path: directory.folder(&cell.id),
                differences,
            });
        }
        let Some(sources) = self.sources(cell) else {
            return Ok(State::Finished(outcome.into()));
        };
        let mut before = Vec::new();
        for needed in sources.cells() {
            match self.state(&cell.before(needed), known)? {
                State::Finished(outcome) => before.push(outcome),
                _ => return Ok(State::Open),
            }
        }
        let now = sources.now(|cell| {
            let found = before.iter().find(|outcome| outcome.cell == *cell);
            found.map(Arc::as_ref)
        });
        Ok(match sources.outdated(&outcome.made_from, &now) {
            Some(reason) => State::Unfit(Aside::Outdated, reason),
            None => State::Finished(outcome.into()),
        })
    }

    /// Whether a cell is to be trained, as far as can be told.
    pub(super) fn is_to_do(&self, cell: &PlannedCell<'_>) -> Result<bool, LotteryError> {
        let state = self.state(cell, &mut Known::new())?;
        Ok(matches!(state, State::Missing | State::Unfit(..)))
    }

    /// The cell, when it counts. One of this shard that has to be trained again is moved
    /// away.
    pub(super) fn finished(
        &self,
        cell: &PlannedCell<'_>,
    ) -> Result<Option<Arc<Outcome>>, LotteryError> {
        match self.state(cell, &mut Known::new())? {
            State::Finished(outcome) => return Ok(Some(outcome)),
            // Another shard's is for that shard to see to.
            State::Unfit(..) if self.is_own(&cell.id) => {}
            State::Unfit(..) | State::Missing | State::Open => return Ok(None),
        }
        // Once more under the lock: another process may have made it anew in the meantime.
        let locked = self.search.directory.lock()?;
        let (aside, reason) = match self.state(cell, &mut Known::new())? {
            State::Finished(outcome) => return Ok(Some(outcome)),
            State::Missing | State::Open => return Ok(None),
            State::Unfit(aside, reason) => (aside, reason),
        };
        let moved_to = self.search.directory.set_aside(&cell.id, aside)?;
        drop(locked);
        let (cell, reason, moved_to) = (&cell.id, reason.as_str(), moved_to.as_path());
        self.search.tell(&match aside {
            Aside::Damaged => Event::Damaged {
                cell,
                reason,
                moved_to,
            },
            Aside::Outdated => Event::Outdated {
                cell,
                reason,
                moved_to,
            },
        });
        Ok(None)
    }
}
