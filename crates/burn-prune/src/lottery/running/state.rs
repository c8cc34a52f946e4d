//! Which cells count.

use std::collections::HashMap;
use std::sync::Arc;

use super::Running;
use crate::lottery::store::{Aside, Found, Outcome, SEALED};
use crate::lottery::{CellId, Event, LotteryError, settings};

/// What a cell is worth as it is found.
#[derive(Clone)]
pub(in crate::lottery) enum State {
    /// It is whole, and all that it was made from is still there.
    Finished(Arc<Outcome>),
    Missing,
    /// It is to be moved away, and why.
    Unfit(Aside, String),
    /// A cell before it is not finished, and may come out otherwise.
    Open,
}

/// Cells that have been looked at.
pub(in crate::lottery) type Known = HashMap<CellId, State>;

impl Running<'_> {
    /// The state of a cell, after that of all that it was made from.
    ///
    /// # Errors
    /// When it was made with other settings, or something cannot be read.
    pub(in crate::lottery) fn state(
        &self,
        cell: &CellId,
        known: &mut Known,
    ) -> Result<State, LotteryError> {
        if let Some(state) = known.get(cell) {
            return Ok(state.clone());
        }
        let state = self.look(cell, known)?;
        known.insert(cell.clone(), state.clone());
        Ok(state)
    }

    fn look(&self, cell: &CellId, known: &mut Known) -> Result<State, LotteryError> {
        let directory = &self.search.directory;
        let outcome = match directory.find(cell)? {
            Found::Nothing => return Ok(State::Missing),
            Found::Damaged(reason) => return Ok(State::Unfit(Aside::Damaged, reason)),
            Found::Whole(outcome) => outcome,
        };
        if outcome.version < SEALED {
            let reason = "it does not say what it was made from".to_string();
            return Ok(State::Unfit(Aside::Outdated, reason));
        }
        let differences = settings::differences(&outcome.settings, &self.settings(cell));
        if !differences.is_empty() {
            return Err(LotteryError::CellMismatch {
                cell: cell.clone(),
                path: directory.folder(cell),
                differences,
            });
        }
        let Some(sources) = self.sources(cell) else {
            return Ok(State::Finished(outcome.into()));
        };
        let mut before = Vec::new();
        for needed in sources.cells() {
            match self.state(needed, known)? {
                State::Finished(outcome) => before.push(outcome),
                _ => return Ok(State::Open),
            }
        }
        let now = sources.now(|cell| {
            let mut before = before.iter();
            before
                .find(|outcome| outcome.cell == *cell)
                .map(Arc::as_ref)
        });
        Ok(match sources.outdated(&outcome.made_from, &now) {
            Some(reason) => State::Unfit(Aside::Outdated, reason),
            None => State::Finished(outcome.into()),
        })
    }

    /// The cell, when it counts. One of this shard that is to be made anew is moved away.
    pub(in crate::lottery) fn finished(
        &self,
        cell: &CellId,
    ) -> Result<Option<Arc<Outcome>>, LotteryError> {
        match self.state(cell, &mut Known::new())? {
            State::Finished(outcome) => return Ok(Some(outcome)),
            // Another shard's is for that shard to see to.
            State::Unfit(..) if self.is_own(cell) => {}
            State::Unfit(..) | State::Missing | State::Open => return Ok(None),
        }
        // Once more under the lock: another process may have made it anew in the meantime.
        let locked = self.search.directory.lock()?;
        let moved = match self.state(cell, &mut Known::new())? {
            State::Finished(outcome) => return Ok(Some(outcome)),
            State::Missing | State::Open => None,
            State::Unfit(aside, reason) => {
                let moved_to = self.search.directory.set_aside(cell, aside)?;
                Some((aside, reason, moved_to))
            }
        };
        drop(locked);
        if let Some((aside, reason, moved_to)) = &moved {
            (self.search.on_event)(&match aside {
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
        }
        Ok(None)
    }
}
