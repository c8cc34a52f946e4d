//! A run of a search: cells that are there, cells that are waited for, cells that are trained.

mod checks;
mod keeping;
mod start;
mod training;
mod waiting;

use serde_json::{Value, json};

use super::directory::{Found, MASKS, Outcome, next_masks_file, weights_file};
use super::plan::Plan;
use super::{CellId, Control, Event, LotteryError, LotteryTicketSearch, Method, settings};

/// A run of a search over its directory.
pub(super) struct Running<'a> {
    search: &'a LotteryTicketSearch<'a>,
    common: Value,
    shapes: Value,
    pub owners: Vec<(CellId, usize)>,
}

impl<'a> Running<'a> {
    pub(super) fn new(search: &'a LotteryTicketSearch<'a>, common: Value, shapes: Value) -> Self {
        Self {
            search,
            common,
            shapes,
            owners: search.owners(),
        }
    }
}

impl Running<'_> {
    fn settings(&self, cell: &CellId) -> Value {
        let mut settings = self.common.clone();
        if let Plan::Round {
            method, control, ..
        } = self.search.plan(cell)
        {
            settings["rewind"] = json!(method.rewind);
            settings["control"] = json!(control);
        }
        settings
    }

    /// Refuses methods that need more of a dense run than it has kept, before anything is written.
    pub(super) fn check_dense(&self) -> Result<(), LotteryError> {
        for seed in &self.search.seeds {
            let dense = CellId::dense(*seed);
            let Found::Whole(outcome) = self.search.directory.find(&dense)? else {
                continue;
            };
            for Method { rewind, .. } in &self.search.methods {
                for file in [
                    weights_file(&rewind.weights_to.to_string()),
                    next_masks_file(rewind.prune_at),
                ] {
                    if !outcome.files.contains_key(&file) {
                        let what = format!("file `{file}`");
                        return Err(LotteryError::Incomplete { cell: dense, what });
                    }
                }
            }
        }
        Ok(())
    }

    /// The cell, when it is there and was made with the same settings. One of this shard that is
    /// damaged, or whose masks are no longer those of the round before, is moved away.
    pub(super) fn finished(&self, cell: &CellId) -> Result<Option<Box<Outcome>>, LotteryError> {
        let directory = &self.search.directory;
        let reason = match directory.find(cell)? {
            Found::Nothing => return Ok(None),
            Found::Damaged(reason) => reason,
            Found::Whole(outcome) => {
                let differences = settings::differences(&outcome.settings, &self.settings(cell));
                if !differences.is_empty() {
                    return Err(LotteryError::OtherCell {
                        cell: cell.clone(),
                        path: directory.folder(cell),
                        differences,
                    });
                }
                match self.has_other_masks(&outcome)? {
                    false => return Ok(Some(outcome)),
                    true => "its masks are not those that the round before has left".to_string(),
                }
            }
        };
        // Another shard's is for that shard to see to.
        if self.owner(cell) == self.search.shard.index() {
            let moved_to = directory.set_aside(cell)?;
            (self.search.on_event)(&Event::Damaged {
                cell,
                reason: &reason,
                moved_to: &moved_to,
            });
        }
        Ok(None)
    }

    /// Whether the cell before has been made anew since, and differently.
    fn has_other_masks(&self, outcome: &Outcome) -> Result<bool, LotteryError> {
        let Plan::Round {
            method,
            control: None | Some(Control::Reinitialized),
            ..
        } = self.search.plan(&outcome.cell)
        else {
            return Ok(false);
        };
        let needs = self.needs(&outcome.cell);
        let before = needs.last().expect("a round comes after another one");
        let Found::Whole(before) = self.search.directory.find(before)? else {
            return Ok(false);
        };
        let left = before.files.get(&next_masks_file(method.rewind.prune_at));
        Ok(left.is_some() && left != outcome.files.get(MASKS))
    }

    fn owner(&self, cell: &CellId) -> usize {
        let owner = self.owners.iter().find(|(known, _)| known == cell);
        owner.map_or(0, |(_, shard)| *shard)
    }
}
